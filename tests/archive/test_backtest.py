"""A backtest says what its counts say, goes on where it was ended, and never guesses about what it could not read."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from goodsend.archive.backtest import Ask, backtest, chosen, features_needed, forget, key_of
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.judge import Span
from goodsend.archive.past import account_labels, open_past
from goodsend.archive.prove import ALL_TIME
from goodsend.archive.stream import LATE_HORIZON, START, TENANT, Played, make_items, make_pack, play
from goodsend.events.model import Arrived
from goodsend.features.compute import Windows
from goodsend.features.definitions import Aggregate
from goodsend.kit.clock import DAY
from goodsend.kit.errors import Misconfigured
from goodsend.pack import FUNCTIONS, Pack
from goodsend.pipeline import Known, process
from goodsend.reports.backtest import Report
from goodsend.rules.model import Verdict
from goodsend.rules.ruleset import Ruleset, compile_rules
from goodsend.wiring import SHIPPED, read_layer
from tests.archive.made import make_archive

FILES = read_layer(SHIPPED)
PACK = make_pack(FILES, 1, 1, aggregates=[Aggregate.COUNT, Aggregate.SUM, Aggregate.TIME_SINCE_LAST], values=False)
PLAYED = list(play(PACK, make_items(1, 300), now=START + 40 * DAY))


def changed_rule(pack: Pack, id_: str, when: str) -> Pack:
    """The pack with another condition for one rule."""
    rules = {one: ("made", rule) for one, rule in pack.ruleset.rules.items()}
    rules[id_] = ("made", replace(rules[id_][1], when=when, version="changed"))
    ruleset, problems = compile_rules(rules, pack.catalog, FUNCTIONS, pack.lists, pack.kinds.kinds)
    assert problems == []
    assert isinstance(ruleset, Ruleset)
    return replace(pack, ruleset=ruleset, version="changed")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The stream as an archive, account `a` labelled abusive and `b` honest."""
    said = [
        ("account", "a", "honest", "confirmed"), ("account", "a", "spam", "confirmed"),
        ("account", "b", "honest", "confirmed"), ("account", "ü", "spam", "suspected"),
        ("ip", "b", "spam", "confirmed"),
    ]  # fmt: skip
    labels = [
        {"label_id": at, "subject_type": type_, "subject": subject, "label": label, "certainty": certainty, "at": at}
        for at, (type_, subject, label, certainty) in enumerate(said)
    ]
    make_archive(tmp_path / "archive", TENANT, PLAYED, PACK, labels)
    return tmp_path / "archive"


def tried(engine: SqlEngine, archive: Path, pack: Pack = PACK, span: Span = ALL_TIME, **but: Any) -> Report:
    return backtest(engine, asked(engine, archive, pack, span, **but), archive.parent / "work")


def asked(engine: SqlEngine, archive: Path, pack: Pack = PACK, span: Span = ALL_TIME, **but: Any) -> Ask:
    engine.clear()
    packs = [pack, but["against"]] if "against" in but else [pack]
    past = open_past(engine, archive, TENANT, packs, span, LATE_HORIZON)
    known: dict[str, Any] = {
        "tenant": TENANT, "pack": pack, "span": span, "digest": past.digest, "lists": past.lists(None),
        "late_horizon": LATE_HORIZON, "notes": past.notes, "label_sources": ("cases",),
        "account_labels": account_labels(archive, TENANT),
    }  # fmt: skip
    return Ask(**(known | but))


def hits_of(id_: str, played: list[Played] = PLAYED) -> list[Played]:
    return [one for one in played if any(hit.rule == id_ for hit in one.outcome.decision.hits)]


def account_of(one: Played) -> str | None:
    return one.outcome.decision.account


def test_a_backtest_of_what_was_in_force_gives_what_was_decided(duckdb_engine: SqlEngine, archive: Path) -> None:
    """Hits, accounts, days, unknowns and verdicts are those of the row path."""
    report = tried(duckdb_engine, archive)

    assert report.events == len(PLAYED)
    assert sum(report.events_per_day) == len(PLAYED)
    for rule in report.rules:
        hits = hits_of(rule.id)
        unknown = [one for one in PLAYED if rule.id in one.outcome.decision.unknown]
        assert (rule.hits, sum(rule.days), rule.unknown) == (len(hits), len(hits), len(unknown)), rule.id
        assert rule.accounts == len({account_of(one) for one in hits} - {None}), rule.id
    verdicts = [one.outcome.decision.verdict for one in PLAYED]
    assert {move.after: move.events for move in report.verdicts} == {
        verdict: verdicts.count(verdict) for verdict in Verdict if verdict in verdicts
    }


def test_labels_make_precision_recall_and_delay(duckdb_engine: SqlEngine, archive: Path) -> None:
    """The last confirmed label of an account counts; suspicions and labels of other things do not."""
    report = tried(duckdb_engine, archive)
    rule = next(rule for rule in report.rules if rule.id == "knows_count_0")
    accounts = {account_of(one) for one in hits_of("knows_count_0")}

    assert account_labels(archive, TENANT) == [("a", "abusive"), ("b", "honest")]
    assert (report.labels.abusive_accounts, report.labels.honest_accounts) == (1, 1)
    quality = rule.quality[0]
    assert (quality.precision.count, quality.precision.of) == (int("a" in accounts), len(accounts & {"a", "b"}))
    assert (quality.recall.count, quality.recall.of) == (int("a" in accounts), 1)
    assert rule.delay[0].found == 1


def test_a_span_takes_its_events_and_all_their_history(duckdb_engine: SqlEngine, archive: Path) -> None:
    """Facts at the start of the span know what happened before it."""
    middle = sorted(one.outcome.event.at for one in PLAYED)[len(PLAYED) // 2]
    report = tried(duckdb_engine, archive, span=Span(middle, 2**62))
    late = [one for one in PLAYED if one.outcome.event.at >= middle]

    assert report.events == len(late)
    assert {rule.id: rule.hits for rule in report.rules} == {id_: len(hits_of(id_, late)) for id_ in PACK.ruleset.rules}


def test_a_change_is_told_with_samples(duckdb_engine: SqlEngine, archive: Path) -> None:
    """New and lost hits of the changed rule, events with values; everything else is the same."""
    new = changed_rule(PACK, "high_count_0", "f.count_0 > 1 AND COALESCE(e.n, 0) <> 2")
    report = tried(duckdb_engine, archive, new, against=PACK)
    before = {one.arrival for one in hits_of("high_count_0")}
    rules = {rule.id: rule for rule in report.rules}
    changed = rules["high_count_0"].change

    assert {rule.status for rule in report.rules} == {"same", "changed"}
    assert changed is not None
    assert (changed.kept + changed.lost, changed.kept + changed.new) == (len(before), rules["high_count_0"].hits)
    assert changed.new > 0
    assert {value.name for value in changed.new_samples[0].values} == {"f.count_0", "e.n"}
    others = [rule.change for rule in report.rules if rule.id != "high_count_0"]
    assert all(change is not None and change.new == change.lost == 0 for change in others)


def test_a_rule_that_is_only_live_is_gone(duckdb_engine: SqlEngine, archive: Path) -> None:
    """All it hits is lost."""
    fewer = chosen(PACK, [id_ for id_ in PACK.ruleset.rules if id_ != "knows_count_0"])
    report = tried(duckdb_engine, archive, fewer, against=PACK)
    gone = next(rule for rule in report.rules if rule.id == "knows_count_0")

    assert gone.status == "gone"
    assert gone.change is not None
    assert gone.change.lost == len(hits_of("knows_count_0"))


class _Ended(BaseException):
    """As hard as a signal: nothing of ours catches it."""


def test_a_run_that_was_ended_goes_on_to_the_same_report(
    duckdb_engine: SqlEngine, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ends: what is there is whole, and is not computed again."""
    whole = tried(duckdb_engine, archive)
    ask = asked(duckdb_engine, archive)
    work = archive.parent / "work"
    forget(ask, "duckdb", work)
    fetched: list[str] = []
    fetch = duckdb_engine.fetch

    def counted(query: str, *rest: Any) -> Any:
        fetched.append(query)
        if len(fetched) == 3:
            raise _Ended
        return fetch(query, *rest)

    monkeypatch.setattr(duckdb_engine, "fetch", counted)
    with pytest.raises(_Ended):
        backtest(duckdb_engine, ask, work)
    kept = {path.name for path in (work / key_of(ask, "duckdb")).iterdir()}
    again = tried(duckdb_engine, archive)

    assert kept == {"judged.parquet", "features.parquet"}
    assert again == whole
    assert sum("FROM features" in query for query in fetched) == 1


def test_other_definitions_never_use_the_stages_of_these(duckdb_engine: SqlEngine, archive: Path) -> None:
    """Pack, span, rules, engine, lists and archive each make another key."""
    ask = asked(duckdb_engine, archive)
    others = [
        replace(ask, digest="other"), replace(ask, span=Span(0, 1)), replace(ask, rules=("knows_count_0",)),
        replace(ask, on_time=True), replace(ask, lists={}), replace(ask, against=PACK),
        replace(ask, pack=replace(PACK, version="other")),
    ]  # fmt: skip

    assert len({key_of(one, "duckdb") for one in [ask, *others]} | {key_of(ask, "spark")}) == len(others) + 2


def test_a_file_cut_in_half_is_passed_over_and_told(duckdb_engine: SqlEngine, archive: Path) -> None:
    """The rest is counted, and the report says what is missing."""
    path = sorted(archive.rglob("events/day=*/*.parquet"))[-1]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = tried(duckdb_engine, archive)

    assert report.events < len(PLAYED)
    assert len(report.notes) == 1
    assert path.name in report.notes[0]
    assert "left out" in report.notes[0]


def test_an_empty_span_is_said(duckdb_engine: SqlEngine, archive: Path) -> None:
    """No events, no rates, no invented zero percent."""
    report = tried(duckdb_engine, archive, span=Span(0, 1))

    assert (report.events, report.days, report.verdicts) == (0, (), ())
    assert "the archive has no events in this span" in report.notes
    assert all(rule.quality[0].recall.share is None for rule in report.rules if rule.quality)


def test_only_what_is_asked_is_computed(duckdb_engine: SqlEngine, archive: Path) -> None:
    """Some rules need some features; decisions are said to be those of these rules."""
    report = tried(duckdb_engine, archive, rules=("knows_count_0",))

    assert [rule.id for rule in report.rules] == ["knows_count_0"]
    assert any("only some rules" in note for note in report.notes)
    assert {feature.name for feature in features_needed(chosen(PACK, ["knows_count_0"]))} == {"count_0"}


def test_a_rule_that_is_not_there_is_told_with_the_nearest() -> None:
    """Before anything is read."""
    with pytest.raises(Misconfigured, match="no rule 'knows_count': did you mean 'knows_count_0'"):
        chosen(PACK, ["knows_count"])


def test_as_if_on_time_is_another_question(duckdb_engine: SqlEngine, archive: Path) -> None:
    """Late events count for what happened after them, so some facts differ, and the report says so."""
    known = tried(duckdb_engine, archive)
    on_time = tried(duckdb_engine, archive, on_time=True)

    assert on_time.on_time
    assert {rule.id: rule.hits for rule in known.rules} != {rule.id: rule.hits for rule in on_time.rules}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), count=st.integers(1, 150))
def test_as_if_on_time_is_the_row_path_in_order_of_time(duckdb_engine: SqlEngine, seed: int, count: int) -> None:
    """Against brute force: what had arrived, put into order of time, judged again event by event."""
    arrived = [one.outcome.event for one in play(PACK, make_items(seed, count), now=START + 40 * DAY)]
    order = sorted(range(len(arrived)), key=lambda number: (arrived[number].at, number))
    windows = Windows(PACK.plan, LATE_HORIZON, PACK.list_values)
    hits: dict[str, int] = dict.fromkeys(PACK.ruleset.rules, 0)
    for number in order:
        outcome = process(Arrived(arrived[number]), Known(PACK.list_values), windows, PACK)
        for hit in outcome.decision.hits:
            hits[hit.rule] += 1
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        make_archive(archive, TENANT, list(play(PACK, make_items(seed, count), now=START + 40 * DAY)), PACK)
        report = tried(duckdb_engine, archive, on_time=True)

    assert {rule.id: rule.hits for rule in report.rules} == hits


def test_progress_is_told_in_sentences(duckdb_engine: SqlEngine, archive: Path) -> None:
    """No step of the engine by its name; the share of the whole never goes back, and reaches the end."""
    told: list[tuple[str, float | None]] = []
    ask = asked(duckdb_engine, archive, against=changed_rule(PACK, "high_count_0", "f.count_0 > 2"))
    backtest(duckdb_engine, ask, archive.parent / "work_told", lambda *one: told.append(one))
    shares = [share for _, share in told if share is not None]

    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert "Counting" in {said for said, _ in told}
    assert not any("_" in said or said == "rows" for said, _ in told)
