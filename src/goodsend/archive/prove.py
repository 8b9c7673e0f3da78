"""
The proof: facts and truths computed again by the set path, held against those that decisions were made by.

Read are the engine's tables `events`, `facts` (the `f_` columns as stored) and `decisions`, as an archive has them.
What an engine computed is compared in a DuckDB of its own, whatever the engine.
"""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from goodsend.archive.engines.model import Progress, SqlEngine
from goodsend.archive.judge import Span, compute_features, feature_columns, judge, lend_functions, spoken
from goodsend.archive.read import Gap
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import ListValues
from goodsend.features.compute import LATE_HORIZON
from goodsend.features.definitions import Aggregate, Feature
from goodsend.kit.clock import Micros
from goodsend.pack import Pack
from goodsend.reports.proof import Difference, Proof, Reason, bound_of
from goodsend.rules.model import Rule

ALL_TIME = Span(-(2**62), 2**62)
SAMPLES = 100
_EACH = 5
"""Differences that are told with their values, and how many of one fact or rule."""


class Ask(msgspec.Struct, frozen=True):
    """
    What is to be proven. `packs` are the versions whose definitions are known, `pack` the present one among them.

    `lists` says what the lists held at an instant (µs, None: nobody knows, the pack's own), `instants` are those at
    which they changed, in order: a decision was made by the lists of the last of them before its own. `knows_lists`
    False: the tenant's own entries could not be read. `gaps` are where events are missing: what looks back on them
    is not compared.
    """

    tenant: str
    pack: Pack
    span: Span = ALL_TIME
    packs: Mapping[str, Pack] = {}
    instants: tuple[Micros, ...] = ()
    lists: Callable[[Micros | None], ListValues] | None = None
    late_horizon: Micros = LATE_HORIZON
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    knows_lists: bool = True


def prove(engine: SqlEngine, ask: Ask, progress: Progress | None = None) -> Proof:
    """Compute every feature and rule again and return what differs. The engine's tables must be there."""
    pack = ask.pack
    lend_functions(engine, [pack])
    telling = progress
    progress = _said(telling, "computing features")
    compute_features(engine, pack, pack.features, late_horizon=ask.late_horizon, progress=progress)
    progress = _said(telling, "reading what was decided")
    with _ledger() as ledger:
        span = ask.span.where("e")
        stored = ", ".join(f'k."{column}"' for column in feature_columns(pack.features))
        _take(
            ledger, "stored", engine,
            f"SELECT e.arrival, e.e_id, e.e_kind, e.e_at{', ' if stored else ''}{stored} FROM events AS e "
            f"JOIN facts AS k ON k.arrival = e.arrival WHERE {span}",
            progress,
        )  # fmt: skip
        _take(
            ledger, "computed", engine,
            f"SELECT f.* FROM features AS f JOIN events AS e ON e.arrival = f.arrival WHERE {span}", progress,
        )  # fmt: skip
        _take(
            ledger, "decided_by", engine, "SELECT arrival, pack, lists, rules, shadow, unknown FROM decisions", progress
        )
        _take_truths(ledger, engine, ask, _said(telling, "judging events by the rules"))
        return _compare(ledger, engine.name, ask)


def _said(progress: Progress | None, sentence: str) -> Progress | None:
    """Tell people what is done instead of the names of an engine's steps; their shares are none of the whole."""
    if progress is None:
        return None
    told = progress
    return lambda _step, _share: told(sentence, None)


def _take_truths(ledger: duckdb.DuckDBPyConnection, engine: SqlEngine, ask: Ask, progress: Progress | None) -> None:
    """Judge every decision by the lists as they were when it was made."""
    sources = dict.fromkeys(feature_columns(ask.pack.features), "features")
    for number, (after, until) in enumerate(_states(ask)):
        lists = ask.lists(after) if ask.lists is not None else ask.pack.list_values
        judge(engine, ask.pack, ask.span, sources, lists, progress=progress)
        parts = [f"d.lists >= {after}" if after is not None else "", f"d.lists < {until}" if until is not None else ""]
        where = " AND ".join(part for part in parts if part)
        if after is None and where:
            where = f"(d.lists IS NULL OR {where})"
        query = "SELECT t.* FROM truths AS t JOIN decisions AS d ON d.arrival = t.arrival"
        _take(ledger, "truths", engine, f"{query} WHERE {where}" if where else query, progress, more=number > 0)


def _states(ask: Ask) -> list[tuple[Micros | None, Micros | None]]:
    """Return the spans of time in which lists stayed as they were, [after, until); None is no bound."""
    edges: list[Micros | None] = [None, *ask.instants, None]
    return list(itertools.pairwise(edges))


@contextmanager
def _ledger() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = Path(tempfile.mkdtemp(prefix="goodsend-proof-"))
    connection = duckdb.connect(
        str(folder / "ledger.duckdb"),
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    try:
        connection.execute("SET enable_progress_bar = false")  # it would print among our lines
        yield connection
    finally:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)


def _take(
    ledger: duckdb.DuckDBPyConnection, table: str, engine: SqlEngine, query: str, progress: Progress | None,
    *, more: bool = False,
) -> None:  # fmt: skip
    """Bring an engine's rows into the ledger, batch by batch."""
    made, query = more, spoken(query, engine.dialect)
    for batch in engine.fetch(query, progress):
        ledger.register("batch", pa.Table.from_batches([batch]))
        ledger.execute(f"INSERT INTO {table} SELECT * FROM batch" if made else f"CREATE TABLE {table} AS FROM batch")
        ledger.unregister("batch")
        made = True
    if not made:
        ledger.register("batch", engine.table(f"{query} LIMIT 0"))
        ledger.execute(f"CREATE TABLE {table} AS FROM batch")
        ledger.unregister("batch")


class _Compared(msgspec.Struct, frozen=True):
    """
    One fact or rule to compare: SQL of both sides, of when they differ, and of which decisions are comparable.

    `same` says of a decision that it was made by a definition of this meaning, `lacking` that the archive lacks what
    the definition read (None: it lacks nothing).
    """

    what: str
    name: str
    stored: str
    computed: str
    differ: str
    same: str
    lacking: str | None

    @property
    def comparable(self) -> str:
        """Which decisions can be compared."""
        return self.same if self.lacking is None else f"({self.same}) AND NOT ({self.lacking})"


def _compare(ledger: duckdb.DuckDBPyConnection, engine: str, ask: Ask) -> Proof:
    ledger.execute(
        "CREATE TEMP VIEW sides AS SELECT * FROM stored AS s JOIN decided_by AS d USING (arrival) "
        "LEFT JOIN (SELECT arrival AS c_arrival, * EXCLUDE arrival FROM "
        "(SELECT arrival, COLUMNS('^f_(.*)$') AS 'c_\\1' FROM computed)) AS c ON c.c_arrival = s.arrival "
        "LEFT JOIN (SELECT arrival AS t_arrival, * EXCLUDE arrival FROM truths) AS t ON t.t_arrival = s.arrival"
        if ask.pack.features
        else "CREATE TEMP VIEW sides AS SELECT * FROM stored AS s JOIN decided_by AS d USING (arrival) "
        "LEFT JOIN (SELECT arrival AS t_arrival, * EXCLUDE arrival FROM truths) AS t ON t.t_arrival = s.arrival"
    )
    versions = [row[0] or "" for row in ledger.execute("SELECT DISTINCT pack FROM sides ORDER BY 1").fetchall()]
    compared = [*_facts(ask, versions), *_truths(ask, versions)]
    events = _row(ledger, "SELECT count(*) FROM sides")[0]
    names: dict[str, int] = {}
    samples: list[Difference] = []
    counts = {"fact": 0, "rule": 0}
    reasons = {Reason.UNKNOWN: 0, Reason.CHANGED: 0, Reason.LACKING: 0}
    unknown = [version for version in versions if version != ask.pack.version and version not in ask.packs]
    by_unknown = _row(ledger, f"SELECT count(*) FILTER ({_in(unknown)}) FROM sides")[0]
    for part in (compared[place : place + 50] for place in range(0, len(compared), 50)):
        sums = ", ".join(
            f"count(*) FILTER ({one.same}), count(*) FILTER ({one.comparable}), "
            f"count(*) FILTER ({one.comparable} AND ({one.differ}))"
            for one in part
        )
        row = _row(ledger, f"SELECT {sums} FROM sides")
        for place, one in enumerate(part):
            same, held, differing = row[3 * place : 3 * place + 3]
            counts[one.what] += held
            reasons[Reason.UNKNOWN] += by_unknown
            reasons[Reason.CHANGED] += events - same - by_unknown
            reasons[Reason.LACKING] += same - held
            if differing:
                names[one.name] = differing
                samples += _samples(ledger, one, SAMPLES - len(samples))
    missing = _row(ledger, "SELECT count(*) FROM stored ANTI JOIN computed USING (arrival)")[0]
    notes = list(ask.notes)
    if missing:
        notes.append(f"{missing:,} events were not computed at all")
    if unknown:
        notes.append(
            f"decisions by pack {', '.join(map(str, unknown))} are not compared: its definitions are not at hand"
        )
    return Proof(
        tenant=ask.tenant, engine=engine, pack=ask.pack.version,
        since=None if ask.span == ALL_TIME else ask.span.since, until=None if ask.span == ALL_TIME else ask.span.until,
        events=events, facts=counts["fact"], truths=counts["rule"], differences=sum(names.values()) + missing,
        not_comparable=sum(reasons.values()), names=names, samples=tuple(samples), notes=tuple(notes),
        reasons={reason.value: count for reason, count in reasons.items() if count},
    )  # fmt: skip


def _facts(ask: Ask, versions: Sequence[str]) -> Iterator[_Compared]:
    by_name = {feature.name: feature for feature in ask.pack.features}
    for column in feature_columns(ask.pack.features):
        name = column.removeprefix("f_")
        feature = by_name.get(name) or by_name.get(name.rsplit("_", 1)[0])
        stored, computed = f'"{column}"', f'"c_{name}"'
        bound = bound_of(feature)
        differ = f"{stored} IS DISTINCT FROM {computed}"
        if bound is not None:
            relative, absolute = bound
            near = f"abs({stored} - {computed}) <= greatest({absolute!r}, {relative!r} * abs({stored}))"
            differ = f"CASE WHEN {stored} IS NULL OR {computed} IS NULL THEN {differ} ELSE NOT {near} END"
        same = [
            version for version in versions
            if version == ask.pack.version
            or ((then := ask.packs.get(version)) is not None and _same_feature(feature, then, ask.pack))
        ]  # fmt: skip
        lacking = _looks_back_on(ask.gaps, [] if feature is None else [feature], by_name)
        yield _Compared("fact", f"f.{name}", stored, computed, differ, _in(same), lacking)


def _truths(ask: Ask, versions: Sequence[str]) -> Iterator[_Compared]:
    judged: dict[str, list[str]] = {}
    by_name = {feature.name: feature for feature in ask.pack.features}
    for kind, (rules, _) in ask.pack.ruleset.by_kind.items():
        for rule in rules:
            judged.setdefault(rule.id, []).append(kind)
    for id_, kinds in sorted(judged.items()):
        quoted = _text(id_)
        listed = ", ".join(_text(kind) for kind in sorted(kinds))
        hit = f"list_contains(rules, {quoted}) OR list_contains(shadow, {quoted})"
        stored = (
            f"CASE WHEN {hit} THEN true WHEN list_contains(unknown, {quoted}) THEN NULL "
            f"WHEN e_kind IN ({listed}) THEN false END"
        )
        computed = '"r_' + id_.replace('"', '""') + '"'
        same = [
            version for version in versions
            if version == ask.pack.version
            or ((then := ask.packs.get(version)) is not None and _same_rule(id_, then, ask.pack))
        ]  # fmt: skip
        expression = ask.pack.ruleset.expressions[id_]
        lacking = _looks_back_on(ask.gaps, _features_of(expression, by_name), by_name)
        if expression.lists and not ask.knows_lists:
            lacking = "true"
        differ = f"({stored}) IS DISTINCT FROM {computed}"
        yield _Compared("rule", id_, f"({stored})", computed, differ, _in(same), lacking)


def _features_of(expression: Expression, by_name: Mapping[str, Feature]) -> list[Feature]:
    """Return the features that an expression reads."""
    names = {name.removeprefix("f.") for name in expression.facts if name.startswith("f.")}
    found = (by_name.get(name) or by_name.get(name.rsplit("_", 1)[0]) for name in sorted(names))
    return [feature for feature in found if feature is not None]


def _looks_back_on(gaps: Sequence[Gap], features: Sequence[Feature], by_name: Mapping[str, Feature]) -> str | None:
    """Return the SQL of which events a gap lies in the windows of; None where no such event can be."""
    windows: set[Micros | None] = set()
    for feature in features:
        parts = (feature.numerator, feature.denominator)
        made_of = [by_name[name] for name in parts if name is not None and name in by_name] or [feature]
        windows |= {one.window for one in made_of}
    if not windows or not gaps:
        return None
    longest = None if None in windows else max(window for window in windows if window is not None)
    seen = []
    for gap in gaps:
        reached = "" if longest is None else f" AND e_at < {gap.until + longest}"
        seen.append(f"(arrival >= {gap.first} AND e_at >= {gap.since}{reached})")
    return " OR ".join(seen)


def _in(versions: Sequence[str]) -> str:
    return f"coalesce(pack, '') IN ({', '.join(map(_text, versions))})" if versions else "false"


def _same_feature(feature: Feature | None, then: Pack, now: Pack) -> bool:
    """Say whether another pack's feature of the same name means the same."""
    if feature is None:
        return False
    kinds = then.entity_fields  # decisions were made on events of these alone
    return any(
        meaning(one, then, kinds) == meaning(feature, now, kinds) for one in then.features if one.name == feature.name
    )


def meaning(feature: Feature, pack: Pack, kinds: Iterable[str] | None = None) -> tuple[object, ...]:
    """
    Return what decides a feature's values on events of these kinds (None: of all): of two packs with equal meanings,
    the values are equal.
    """
    texts = [None if part is None else part.sql for part in (feature.of, feature.where)]
    lists = {
        name: pack.list_values.get(name) for part in (feature.of, feature.where) if part is not None
        for name in part.lists
    }  # fmt: skip
    keys = tuple(
        (kind, tuple(pack.entity_fields.get(kind, {}).get(entity) for entity in feature.key))
        for kind in sorted(pack.entity_fields if kinds is None else kinds)
    )
    parts: tuple[object, ...] = ()
    if feature.aggregate is Aggregate.RATIO:
        by_name = {one.name: one for one in pack.features}
        parts = tuple(
            meaning(by_name[name], pack, kinds) for name in (feature.numerator, feature.denominator) if name in by_name
        )  # fmt: skip
    return (
        feature.aggregate, feature.key, tuple(sorted(feature.on)), feature.window, feature.type, feature.counts_itself,
        feature.scale, feature.cap, *texts, tuple(sorted(lists.items(), key=lambda pair: pair[0])), keys, parts,
    )  # fmt: skip


def _same_rule(id_: str, then: Pack, now: Pack) -> bool:
    """Say whether another pack's rule of the same id means the same, the features it reads included."""
    old, new = (pack.ruleset.expressions.get(id_) for pack in (then, now))
    if old is None or new is None or old.sql != new.sql or not _same_kinds(id_, then, now):
        return False
    if any(then.list_values.get(name) != now.list_values.get(name) for name in new.lists):
        return False
    read = _features_of(new, {feature.name: feature for feature in now.features})
    return all(_same_feature(feature, then, now) for feature in read)


def _same_kinds(id_: str, then: Pack, now: Pack) -> bool:
    one, other = (
        {
            kind
            for kind, (rules, _) in pack.ruleset.by_kind.items()
            if kind in then.ruleset.by_kind and any(_is(rule, id_) for rule in rules)
        }
        for pack in (then, now)
    )
    return one == other


def _is(rule: Rule, id_: str) -> bool:
    return rule.id == id_


def _samples(ledger: duckdb.DuckDBPyConnection, one: _Compared, left: int) -> list[Difference]:
    rows = ledger.execute(
        f"SELECT e_id, arrival, {one.stored}, {one.computed} FROM sides "
        f"WHERE {one.comparable} AND ({one.differ}) ORDER BY arrival LIMIT {max(0, min(_EACH, left))}"
    ).fetchall()
    what: Any = one.what
    return [
        Difference(event_id, arrival, what, one.name, stored, computed) for event_id, arrival, stored, computed in rows
    ]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _row(ledger: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = ledger.execute(query).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without groups gives a row
    return row
