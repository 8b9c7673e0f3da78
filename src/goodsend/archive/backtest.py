"""
A backtest: rules over past events, by the set path, in stages that are kept, so that a run that was ended goes on.

A stage is a Parquet file of what an engine computed; it is there wholly or not at all. The stages lie in a folder named
after everything that decides them (definitions, span, engine, files of the archive). What is counted is in `count.py`,
what counts come to in `reports/backtest.py`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend import __version__
from goodsend.archive import count
from goodsend.archive.course import Course
from goodsend.archive.engines.model import Progress, SqlEngine
from goodsend.archive.judge import (
    Names,
    Span,
    compute_features,
    decided_step,
    feature_columns,
    judge,
    lend_functions,
    spoken,
)
from goodsend.archive.prove import meaning
from goodsend.expr.sql.model import ListValues, column_name
from goodsend.facts import FactType, Value
from goodsend.features.compute import LATE_HORIZON
from goodsend.features.definitions import Aggregate, Feature
from goodsend.features.sql.memories import arrange
from goodsend.kit.clock import DAY, Micros, day_of
from goodsend.kit.errors import Misconfigured
from goodsend.kit.text import closest
from goodsend.pack import Pack
from goodsend.reports.backtest import (
    Change,
    Cost,
    Report,
    RuleReport,
    Sample,
    SeenValue,
    Transition,
    combined_verdict,
    cost_of,
    overlaps_of,
    rule_report,
)
from goodsend.rules.model import Mode, Rule
from goodsend.rules.ruleset import Row, Ruleset

SAMPLES = 5
_LIVE = Names("features_live", "decided_live", "truths_live")
_GROUP_ROWS = 250_000


class Ask(msgspec.Struct, frozen=True):
    """
    What is tried: `pack` over the span, compared with `against` where given. `rules` are ids (None: all).

    `digest` stands for everything read of the archive. `account_labels` and `event_labels` are (subject, `abusive` or
    `honest`), `label_sources` where they are from. `lists` are the tenant's own entries included.
    """

    tenant: str
    pack: Pack
    span: Span
    digest: str
    lists: ListValues
    against: Pack | None = None
    rules: tuple[str, ...] | None = None
    on_time: bool = False
    late_horizon: Micros = LATE_HORIZON
    account_labels: Sequence[tuple[str, str]] = ()
    event_labels: Sequence[tuple[str, str]] = ()
    label_sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def chosen(pack: Pack, ids: Iterable[str] | None) -> Pack:
    """Return the pack with these rules alone; raises Misconfigured for one that is not in it, or is off."""
    if ids is None:
        return pack
    wanted = set(ids)
    for id_ in sorted(wanted):
        rule = pack.ruleset.rules.get(id_)
        if rule is None:
            near = closest(id_, pack.ruleset.rules)
            raise Misconfigured(f"the pack has no rule {id_!r}" + (f": did you mean {near!r}?" if near else ""))
        if rule.mode is Mode.OFF:
            raise Misconfigured(f"the rule {id_!r} is off, so it judges nothing: set its mode to shadow to try it")
    return _with_rules(pack, wanted)


def _with_rules(pack: Pack, wanted: Iterable[str]) -> Pack:
    old, wanted = pack.ruleset, set(wanted)
    by_kind: dict[str, tuple[tuple[Rule, ...], Row]] = {
        kind: (tuple(rule for rule in rules if rule.id in wanted), row) for kind, (rules, row) in old.by_kind.items()
    }
    ruleset = msgspec.structs.replace(
        old, by_kind=by_kind, rules={id_: rule for id_, rule in old.rules.items() if id_ in wanted},
        expressions={id_: expression for id_, expression in old.expressions.items() if id_ in wanted},
    )  # fmt: skip
    return msgspec.structs.replace(pack, ruleset=ruleset)


def features_needed(pack: Pack) -> tuple[Feature, ...]:
    """Return the features that rules which are not off read, and those that ratios are made of."""
    by_column: dict[str, Feature] = {}
    by_name = {feature.name: feature for feature in pack.features}
    for feature in pack.features:
        by_column |= dict.fromkeys(feature_columns([feature]), feature)
    judged = _judged(pack.ruleset)
    names: set[str] = set()
    for id_ in judged:
        for name in pack.ruleset.expressions[id_].facts:
            found = by_column.get(column_name(name))
            if found is not None:
                names.add(found.name)
    for name in sorted(names):
        feature = by_name[name]
        if feature.aggregate is Aggregate.RATIO:
            names |= {part for part in (feature.numerator, feature.denominator) if part is not None}
    return tuple(feature for feature in pack.features if feature.name in names)


def _judged(ruleset: Ruleset) -> dict[str, Rule]:
    """Return the rules that are judged on some kind, in id order."""
    found = {rule.id: rule for rules, _ in ruleset.by_kind.values() for rule in rules}
    return {id_: found[id_] for id_ in sorted(found)}


def key_of(ask: Ask, engine: str) -> str:
    """Return what names the stages of this backtest: used again only where nothing that decides them changed."""
    said = [
        __version__, ask.tenant, ask.pack.version, ask.against.version if ask.against else "", sorted(ask.rules or ()),
        ask.rules is None, ask.span.since, ask.span.until, ask.on_time, ask.late_horizon, engine, ask.digest,
        {name: sorted(values) for name, values in sorted(ask.lists.items())},
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


class _Run:
    """One backtest on its way: the engine, the folder of its stages, who is told."""

    def __init__(self, engine: SqlEngine, ask: Ask, folder: Path, progress: Progress | None) -> None:
        self.engine = engine
        self.ask = ask
        self.folder = folder
        self._progress = progress
        self.pack = chosen(ask.pack, ask.rules)
        self.live = None if ask.against is None else self._live(ask.against)
        self.done: list[str] = []
        features = {"features": features_needed(self.pack)}
        if self.live is not None:
            features["features_live"] = _features_apart(self.live, self.pack)
        keys = {stage: [shape.key for shape in arrange(of)] for stage, of in features.items()}
        self.course = Course(keys, compared=self.live is not None)

    def _live(self, against: Pack) -> Pack:
        """The live pack; where rules were chosen, its rules of those ids, so that both sides are of one size."""
        if self.ask.rules is None:
            return against
        return _with_rules(against, [id_ for id_ in self.ask.rules if id_ in against.ruleset.rules])

    def tell(self, step: str, share: float | None) -> None:
        if self._progress is not None:
            self._progress(*self.course.tell(step, share))

    def path(self, stage: str) -> Path:
        return self.folder / f"{stage}.parquet"

    def stage(self, name: str, make: Callable[[], None], query: str) -> None:
        """Let the engine make something and keep the rows of a query, unless they are kept already."""
        if self.path(name).is_file():
            self.done.append(name)
            return
        self.course.enter(name)
        make()
        draft = self.path(f".{name}.part")
        writer: pq.ParquetWriter | None = None
        try:
            query = spoken(query, self.engine.dialect)
            for batch in self.engine.fetch(query, self.tell):
                if writer is None:
                    writer = pq.ParquetWriter(draft, batch.schema, compression="lz4")
                writer.write_batch(batch, row_group_size=_GROUP_ROWS)
            if writer is None:
                pq.write_table(self.engine.table(f"SELECT * FROM ({query}) AS none LIMIT 0"), draft)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            if writer is not None:
                writer.close()
        draft.replace(self.path(name))


def backtest(engine: SqlEngine, ask: Ask, work: Path, progress: Progress | None = None) -> Report:
    """
    Return what the pack would have done over the span. The engine's tables `events` and `facts` must be there.

    Stages are kept below `work` until the report is made; the caller forgets them with `forget`. `progress` is told
    sentences for people and the share of the whole way. Raises Misconfigured for a rule that is not there.
    """
    folder = work / key_of(ask, engine.name)
    run = _Run(engine, ask, folder, progress)
    folder.mkdir(parents=True, exist_ok=True)
    lend_functions(engine, [pack for pack in (run.pack, run.live) if pack is not None])
    _compute(run)
    with _counting(run) as db:
        return _report(run, db)


def stages_kept(ask: Ask, engine: str, work: Path) -> list[str]:
    """Return the stages that an earlier run of this backtest has left, which are not made again."""
    return sorted(path.stem for path in (work / key_of(ask, engine)).glob("[!.]*.parquet"))


def forget(ask: Ask, engine: str, work: Path) -> None:
    """Remove the stages of a backtest."""
    shutil.rmtree(work / key_of(ask, engine), ignore_errors=True)


# -- stages -----------------------------------------------------------------------------------------------------------


def _compute(run: _Run) -> None:
    ask, engine = run.ask, run.engine
    needed = features_needed(run.pack)
    run.stage("judged", lambda: None, _judged_query(run.pack, ask.span))
    run.stage("features", lambda: _features(run, run.pack, needed, "features"), "SELECT * FROM features")
    sources = dict.fromkeys(feature_columns(needed), "features")
    engine.add_files("features", [run.path("features")], _with_arrival(feature_columns(needed)))
    run.stage(
        "truths", lambda: judge(engine, run.pack, ask.span, sources, ask.lists, keep=False, progress=run.tell),
        "SELECT * FROM truths",
    )  # fmt: skip
    engine.run([decided_step(run.pack, ask.span, sources, Names())])
    if run.live is None:
        return
    live = run.live
    other = _features_apart(live, run.pack)
    if other:
        run.stage("features_live", lambda: _features(run, live, other, "features_live"), "SELECT * FROM features_live")
        engine.add_files("features_live", [run.path("features_live")], _with_arrival(feature_columns(other)))
    live_sources = dict.fromkeys(feature_columns(features_needed(live)), "features")
    live_sources |= dict.fromkeys(feature_columns(other), "features_live")
    run.stage(
        "truths_live",
        lambda: judge(engine, live, ask.span, live_sources, ask.lists, names=_LIVE, keep=False, progress=run.tell),
        "SELECT * FROM truths_live",
    )  # fmt: skip
    engine.run([decided_step(live, ask.span, live_sources, _LIVE)])


def _with_arrival(columns: Mapping[str, FactType]) -> dict[str, FactType]:
    return {"arrival": FactType.INTEGER, **columns}


def _features(run: _Run, pack: Pack, features: Sequence[Feature], name: str) -> None:
    compute_features(
        run.engine, pack, features, late_horizon=run.ask.late_horizon, on_time=run.ask.on_time, name=name,
        keep=False, progress=run.tell,
    )  # fmt: skip


def _features_apart(live: Pack, pack: Pack) -> tuple[Feature, ...]:
    """Return features that the live rules read and the pack's do not, or that mean something else there."""
    ours = {feature.name: meaning(feature, pack) for feature in features_needed(pack)}
    needed = features_needed(live)
    apart = {feature.name for feature in needed if ours.get(feature.name) != meaning(feature, live)}
    for feature in needed:  # a ratio is made beside its parts
        if feature.name in apart and feature.aggregate is Aggregate.RATIO:
            apart |= {part for part in (feature.numerator, feature.denominator) if part is not None}
    return tuple(feature for feature in needed if feature.name in apart)


def _account(pack: Pack) -> str:
    """Return the SQL of the account that an event is about, NULL where it names none."""
    by_field: dict[str, list[str]] = {}
    for kind, fields in sorted(pack.entity_fields.items()):
        if "account" in fields:
            by_field.setdefault(fields["account"], []).append(kind)
    cases = "".join(
        f' WHEN e.e_kind IN ({", ".join(map(_text, kinds))}) THEN CAST(e."e_{field}" AS VARCHAR)'
        for field, kinds in by_field.items()
    )
    return f"CASE{cases} END" if cases else "CAST(NULL AS VARCHAR)"


def _judged_query(pack: Pack, span: Span) -> str:
    fact = pack.catalog.get(pack.weights.recipients)
    recipients = "CAST(NULL AS BIGINT)"
    if fact is not None and fact.type is FactType.INTEGER and fact.name.startswith("e."):
        recipients = f'CASE WHEN e."{column_name(fact.name)}" >= 0 THEN e."{column_name(fact.name)}" END'
    return (
        f"SELECT e.arrival, e.e_at AS at_us, e.e_id AS id, e.e_kind AS kind, {_account(pack)} AS account, "
        f"{recipients} AS recipients FROM events AS e WHERE {span.where('e')}"
    )


# -- counting ---------------------------------------------------------------------------------------------------------


@contextmanager
def _counting(run: _Run) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database of its own with the stages as views and the labels as tables."""
    scratch = run.folder / "count"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    db = duckdb.connect(
        str(scratch / "count.duckdb"),
        config={
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
            "temp_directory": str(scratch / "spill"),
        },
    )  # fmt: skip
    try:
        db.execute("SET enable_progress_bar = false")  # it would print among our lines
        stages = {"judged": "judged", "truths": "truths"} | ({"live_truths": "truths_live"} if run.live else {})
        for view, stage in stages.items():
            db.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({_text(str(run.path(stage)))})")
        _add_labels(db, "account_label", "account", run.ask.account_labels)
        _add_labels(db, "event_label", "id", run.ask.event_labels)
        _add_beginnings(run, db)
        yield db
    finally:
        db.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _add_labels(db: duckdb.DuckDBPyConnection, table: str, subject: str, rows: Sequence[tuple[str, str]]) -> None:
    found = dict(rows)
    columns = pa.table({subject: pa.array(list(found), pa.string()), "label": pa.array(found.values(), pa.string())})
    db.register("rows", columns)
    db.execute(f"CREATE TABLE {table} AS SELECT * FROM rows")
    db.unregister("rows")


def _add_beginnings(run: _Run, db: duckdb.DuckDBPyConnection) -> None:
    """Find when accounts labelled abusive began, over all history there is, and when their abuse did."""
    abusive = [account for account, label in dict(run.ask.account_labels).items() if label == "abusive"]
    events = [event for event, label in dict(run.ask.event_labels).items() if label == "abusive"]
    run.engine.add_rows("abusive_account", pa.table({"account": pa.array(abusive, pa.string())}))
    run.engine.add_rows("abusive_event", pa.table({"id": pa.array(events, pa.string())}))
    query = (
        "SELECT a.account, min(e.e_at) AS first_at, "
        "min(CASE WHEN b.id IS NOT NULL THEN e.e_at END) AS first_abusive_at "
        f"FROM events AS e JOIN abusive_account AS a ON a.account = {_account(run.pack)} "
        "LEFT JOIN abusive_event AS b ON b.id = e.e_id GROUP BY a.account"
    )
    run.stage("beginnings", lambda: None, query)
    db.execute(f"CREATE VIEW beginnings AS SELECT * FROM read_parquet({_text(str(run.path('beginnings')))})")


def _report(run: _Run, db: duckdb.DuckDBPyConnection) -> Report:
    ask, pack, live = run.ask, run.pack, run.live
    rules = _judged(pack.ruleset)
    live_rules = _judged(live.ruleset) if live is not None else {}
    run.course.enter("counting")
    run.tell("counting", None)
    count.prepare(db, rules, live_rules, compared=live is not None)
    totals = count.totals(db)
    labels = count.labels(db, ask.label_sources)
    counted = count.rule_counts(db, rules, totals.kinds)
    days = _days(totals.days)
    gone = count.gone(db, SAMPLES) if live is not None else {}
    some = count.some_hits(db, SAMPLES) if live is None else {}
    count.weigh(
        db, lambda hit: combined_verdict(hit, pack.ruleset, pack.thresholds),
        (lambda hit: combined_verdict(hit, live.ruleset, live.thresholds)) if live is not None else None,
    )  # fmt: skip
    verdicts = _verdicts(run, db)
    reports = []
    for id_, rule in rules.items():
        change = None
        if live is not None:
            one = gone.get(id_, count.Gone())
            change = Change(
                one.new, one.lost, one.kept, one.new_accounts, one.lost_accounts,
                _samples(run, db, one.new_some, _read(pack, id_), pack, "decided"),
                _samples(run, db, one.lost_some, _read(live, id_), live, "decided_live"),
                one.new_acting, one.lost_acting,
            )  # fmt: skip
        reports.append(
            rule_report(
                rule, counted[id_], days, labels, pack.weights, live=live_rules.get(id_), change=change,
                compared=live is not None,
                samples=_samples(run, db, some.get(id_, ()), _read(pack, id_), pack, "decided"),
            )
        )  # fmt: skip
    reports += [_gone_rule(rule, gone.get(id_), days) for id_, rule in live_rules.items() if id_ not in rules]
    return Report(
        tenant=ask.tenant, pack=ask.pack.version, against=ask.against.version if ask.against else None,
        engine=run.engine.name, since=ask.span.since, until=ask.span.until, on_time=ask.on_time, events=totals.events,
        accounts=totals.accounts, recipients=totals.recipients, days=days,
        events_per_day=tuple(totals.days.get(day, 0) for day in days), rules=tuple(reports),
        overlaps=overlaps_of(count.combinations(db)), verdicts=verdicts, labels=labels,
        cost=_cost(db, pack, "after"), live_cost=_cost(db, live, "before") if live is not None else None,
        weights_source=pack.weights.source, notes=_notes(run, totals.events),
    )  # fmt: skip


def _gone_rule(rule: Rule, one: count.Gone | None, days: tuple[str, ...]) -> RuleReport:
    """Return a rule that only the live pack has: everything it hits is lost."""
    one = one or count.Gone()
    return RuleReport(
        id=rule.id, doc=rule.doc, owner=rule.owner, policy=rule.policy, verdict=rule.verdict, mode=rule.mode, when="",
        version="", status="gone", live_when=rule.when, judged=0, unknown=0, hits=0, accounts=0, recipients=None,
        days=(0,) * len(days), change=Change(
            one.new, one.lost, one.kept, one.new_accounts, one.lost_accounts, lost_acting=one.lost_acting
        ),
    )  # fmt: skip


def _notes(run: _Run, events: int) -> tuple[str, ...]:
    notes = list(run.ask.notes)
    if not events:
        notes.append("the archive has no events in this span")
    if run.ask.rules is not None:
        notes.append("only some rules were asked for: decisions and costs are those of these rules alone")
    if not run.ask.label_sources:
        notes.append("nothing is labelled, so precision, recall and costs are not known")
    return tuple(notes)


def _days(found: Mapping[str, int]) -> tuple[str, ...]:
    """Return every day from the first to the last one with events; a gap is a day without any."""
    if not found:
        return ()
    first, last = min(found), max(found)
    at, days = _start_of(first), []
    while day_of(at) <= last:
        days.append(day_of(at))
        at += DAY
    return tuple(days)


def _start_of(day: str) -> Micros:
    return (date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()) * DAY


def _cost(db: duckdb.DuckDBPyConnection, pack: Pack, side: str) -> Cost | None:
    acted = count.acted(db, side, pack.weights.stops)
    return cost_of(pack.weights, acted.wrong_days, acted.stopped, acted.unlabelled)


def _verdicts(run: _Run, db: duckdb.DuckDBPyConnection) -> tuple[Transition, ...]:
    some = count.some_moves(db, SAMPLES) if run.live is not None else {}
    return tuple(
        Transition(
            move.before, move.after, move.events, move.accounts, move.recipients,
            _samples(run, db, some.get(_move_key(move), ()), (), run.pack, "decided"),
        )
        for move in count.moves(db)
    )  # fmt: skip


def _move_key(move: count.Moved) -> tuple[str, str]:
    return (move.before.value if move.before else "", move.after.value)


def _read(pack: Pack, id_: str) -> tuple[str, ...]:
    """Return the facts that a rule reads, in order."""
    expression = pack.ruleset.expressions.get(id_)
    return tuple(sorted(expression.facts)) if expression is not None else ()


def _samples(
    run: _Run, db: duckdb.DuckDBPyConnection, arrivals: Sequence[int], facts: Sequence[str], pack: Pack, table: str
) -> tuple[Sample, ...]:
    """Return events with the values of these facts, in order of arrival."""
    if not arrivals:
        return ()
    listed = ", ".join(str(int(arrival)) for arrival in sorted(arrivals))
    rows = db.execute(
        f"SELECT arrival, at_us, id, kind, account, label FROM marked WHERE arrival IN ({listed}) ORDER BY arrival"
    ).fetchall()
    values: dict[int, Mapping[str, object]] = {}
    if facts:
        columns = ", ".join(["arrival", *(f'"{column_name(name)}"' for name in facts)])
        query = f"SELECT {columns} FROM {table} WHERE arrival IN ({listed})"
        values = {row["arrival"]: row for row in run.engine.table(spoken(query, run.engine.dialect)).to_pylist()}
    return tuple(
        Sample(
            id_, arrival, at, kind, account, label,
            tuple(_seen(name, values.get(arrival, {}).get(column_name(name)), pack) for name in facts),
        )
        for arrival, at, id_, kind, account, label in rows
    )  # fmt: skip


def _seen(name: str, value: object, pack: Pack) -> SeenValue:
    fact = pack.catalog.get(name)
    shown: Value = value if isinstance(value, (str, int, float, bool)) else None
    if isinstance(value, (list, tuple)):
        shown = tuple(str(text) for text in value)
    return SeenValue(name, shown, fact is not None and fact.personal)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
