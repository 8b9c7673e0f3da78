"""The proof: row path = set path on made-up streams, and a difference is found wherever one is put."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.judge import feature_columns
from goodsend.archive.prove import Ask, meaning, prove
from goodsend.archive.read import Gap
from goodsend.archive.stream import LATE_HORIZON, START, TENANT, make_items, make_pack, play, tables
from goodsend.features.definitions import Aggregate
from goodsend.kit.clock import DAY
from goodsend.pack import Pack
from goodsend.reports.proof import Found, Proof, Reason, lines_of
from goodsend.wiring import SHIPPED, read_layer
from tests.engines import ENGINES

NOW = START + 40 * DAY
FILES = read_layer(SHIPPED)


def make_small(seed: int = 1, **but: Any) -> Pack:
    """A few features; every test that needs no more is quick."""
    return make_pack(FILES, seed, 1, **{"values": False} | but)


def held(engine: SqlEngine, pack: Pack, rows: Mapping[str, pa.Table], **but: Any) -> Proof:
    engine.clear()
    for name, table in rows.items():
        engine.add_rows(name, table)
    return prove(engine, Ask(TENANT, pack, late_horizon=LATE_HORIZON, **but))


def played_rows(pack: Pack, seed: int = 1, count: int = 150, **but: Any) -> dict[str, pa.Table]:
    return tables(list(play(pack, make_items(seed, count), now=NOW, **but)), pack)


def changed(table: pa.Table, column: str, place: int, value: object) -> pa.Table:
    values = table.column(column).to_pylist()
    values[place] = value
    position = table.schema.get_field_index(column)
    return table.set_column(position, column, pa.array(values, table.schema.field(column).type))


@pytest.mark.parametrize("name", ENGINES)
def test_the_row_path_equals_every_engine(name: str, request: pytest.FixtureRequest) -> None:
    """
    Every fact and every truth of a stream with ties, late events, missing values, several keys, extreme numbers.

    Spark plans for minutes what others do in seconds: here it gets some of the aggregates, `./dev prove` gives it all.
    """
    engine = request.getfixturevalue(name)
    some = (Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT, Aggregate.LAST)
    pack = make_small(3, aggregates=some) if name == "spark_engine" else make_small(3)
    proof = held(engine, pack, played_rows(pack, 3, 120))

    assert proof.differences == 0, "\n".join(lines_of(proof))
    assert proof.events > 90
    assert proof.facts >= proof.events * len(pack.features)
    assert proof.truths == proof.events * len(pack.ruleset.rules)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), count=st.integers(1, 120), aggregate=st.sampled_from(list(Aggregate)))
def test_the_row_path_equals_duckdb_on_any_stream(
    duckdb_engine: SqlEngine, seed: int, count: int, aggregate: Aggregate
) -> None:
    """Whatever definitions and events are drawn."""
    pack = make_pack(FILES, seed, 3, aggregates=[aggregate], values=False)
    proof = held(duckdb_engine, pack, played_rows(pack, seed, count))

    assert proof.differences == 0, "\n".join(lines_of(proof))


def test_a_changed_fact_is_found(duckdb_engine: SqlEngine) -> None:
    """With its event, its name, and both values; and so is one that is missing."""
    pack = make_small()
    rows = played_rows(pack)
    known = pc.index(pc.is_valid(rows["facts"].column("f_count_0")), True).as_py()
    was = rows["facts"].column("f_count_0")[known].as_py()
    rows["facts"] = changed(rows["facts"], "f_count_0", known, was + 1)
    rows["facts"] = changed(rows["facts"], "f_time_since_last_0", 20, 123_456)
    proof = held(duckdb_engine, pack, rows)

    assert proof.names == {"f.count_0": 1, "f.time_since_last_0": 1}
    found = {one.name: one for one in proof.samples}["f.count_0"]
    assert (found.event_id, found.stored, found.computed) == (
        rows["events"].column("e_id")[known].as_py(), was + 1, was
    )  # fmt: skip
    assert lines_of(proof)[-1] == "2 differences"


def test_floats_are_held_to_their_bound(duckdb_engine: SqlEngine) -> None:
    """A deviation may miss by 1e-12 of itself, not by 1e-9; an average not at all."""
    pack = make_small(2, aggregates=[Aggregate.STDDEV, Aggregate.AVG])
    rows = played_rows(pack, 2)
    facts = rows["facts"]
    place, value = next(
        (place, value) for place, value in enumerate(facts.column("f_stddev_0").to_pylist()) if value
    )  # fmt: skip
    at, mean = next((at, mean) for at, mean in enumerate(facts.column("f_avg_0").to_pylist()) if mean)

    def differences(**but: Any) -> dict[str, int]:
        table = facts
        for column, (where, new) in but.items():
            table = changed(table, column, where, new)
        return held(duckdb_engine, pack, {**rows, "facts": table}).names

    assert differences(f_stddev_0=(place, value * (1 + 2e-13))) == {}
    assert differences(f_stddev_0=(place, value * (1 + 1e-9))) == {"f.stddev_0": 1}
    assert differences(f_stddev_0=(place, None)) == {"f.stddev_0": 1}
    assert differences(f_avg_0=(at, mean * (1 + 4e-16))) == {"f.avg_0": 1}


def test_a_changed_hit_is_found(duckdb_engine: SqlEngine) -> None:
    """A hit that was not, and a truth that was unknown where it was known."""
    pack = make_small()
    rows = played_rows(pack)
    decisions = rows["decisions"]
    hits = decisions.column("rules").to_pylist()
    place = next(place for place, rules in enumerate(hits) if "knows_count_0" in rules)
    unknown = [*decisions.column("unknown")[place].as_py(), "knows_count_0"]
    rows["decisions"] = changed(decisions, "rules", place, [r for r in hits[place] if r != "knows_count_0"])
    missing = held(duckdb_engine, pack, rows)
    rows["decisions"] = changed(rows["decisions"], "unknown", place, unknown)
    vague = held(duckdb_engine, pack, rows)

    assert [(one.what, one.name, one.stored, one.computed) for one in missing.samples] == [
        ("rule", "knows_count_0", False, True)
    ]
    assert [(one.stored, one.computed) for one in vague.samples] == [(None, True)]
    assert msgspec.json.decode(msgspec.json.encode(missing), type=Proof) == missing


def test_decisions_of_another_pack_are_compared_where_it_meant_the_same(duckdb_engine: SqlEngine) -> None:
    """Unknown versions are told and not compared; of a known one only what changed is left out."""
    pack = make_small()
    rows = played_rows(pack)
    versions = ["older"] * 50 + rows["decisions"].column("pack").to_pylist()[50:]
    position = rows["decisions"].schema.get_field_index("pack")
    rows["decisions"] = rows["decisions"].set_column(position, "pack", pa.array(versions))
    features = tuple(
        replace(feature, window=DAY * 3) if feature.name == "count_0" else feature for feature in pack.features
    )
    older = replace(pack, version="older", features=features)
    rules_that_read = sum("f.count_0" in pack.ruleset.expressions[id_].facts for id_ in pack.ruleset.rules)
    unknown = held(duckdb_engine, pack, rows)
    known = held(duckdb_engine, pack, rows, packs={"older": older})

    assert (unknown.differences, known.differences) == (0, 0)
    assert any("older" in note for note in unknown.notes)
    assert known.notes == ()
    assert (unknown.found, list(unknown.reasons)) == (Found.PARTLY, [Reason.UNKNOWN.value])
    assert known.reasons == {Reason.CHANGED.value: 50 * (1 + rules_that_read)}
    assert unknown.facts + unknown.truths + unknown.not_comparable == known.facts + known.truths + known.not_comparable
    assert known.not_comparable == 50 * (1 + rules_that_read)


def test_what_was_added_since_keeps_nothing_from_being_compared(duckdb_engine: SqlEngine) -> None:
    """A pack without the last feature decided, on kinds that were fewer: all it had is compared."""
    pack = make_small()
    rows = played_rows(pack)
    position = rows["decisions"].schema.get_field_index("pack")
    older_column = pa.array(["older"] * rows["decisions"].num_rows)
    rows["decisions"] = rows["decisions"].set_column(position, "pack", older_column)
    gone = pack.features[-1].name
    seen = set(rows["events"].column("e_kind").to_pylist())
    fields = {kind: held for kind, held in pack.entity_fields.items() if kind in seen}
    older = replace(pack, version="older", features=pack.features[:-1], entity_fields=fields)
    proof = held(duckdb_engine, pack, rows, packs={"older": older})

    assert (proof.differences, proof.found) == (0, Found.PARTLY)
    assert proof.facts == proof.events * (
        len(feature_columns(pack.features)) - len(feature_columns(pack.features[-1:]))
    )
    assert gone not in proof.names


def test_what_looks_back_on_missing_events_is_not_compared(duckdb_engine: SqlEngine) -> None:
    """A day's events are gone: later events whose windows reach into it are told as such, not as differences."""
    pack = make_small()
    rows = played_rows(pack, count=300)
    ats = rows["events"].column("e_at").to_pylist()
    days = sorted({at // DAY for at in ats})
    day = days[len(days) // 3]
    first = next(
        arrival for arrival, at in zip(rows["events"]["arrival"].to_pylist(), ats, strict=True) if at // DAY == day
    )
    rows["events"] = rows["events"].filter(pa.array([at // DAY != day for at in ats]))
    gap = Gap(first, day * DAY, (day + 1) * DAY)
    told = held(duckdb_engine, pack, rows, gaps=(gap,))
    untold = held(duckdb_engine, pack, rows)

    assert untold.differences > 0
    assert (told.differences, list(told.reasons)) == (0, [Reason.LACKING.value])
    assert told.facts > 0


def test_rules_that_ask_lists_are_not_compared_without_the_entries(duckdb_engine: SqlEngine) -> None:
    """The file of the tenant's own entries cannot be read: what stood in them is not known."""
    pack = make_small()
    proof = held(duckdb_engine, pack, played_rows(pack), knows_lists=False)
    asks = sum(bool(pack.ruleset.expressions[id_].lists) for id_ in pack.ruleset.rules)

    assert proof.reasons == {Reason.LACKING.value: proof.events * asks}


def test_the_meaning_of_a_feature_is_more_than_its_line() -> None:
    """A list it asks changes it; its doc and its owner do not."""
    pack = make_small(7, values=True)
    asks = next(f for f in pack.features if f.where is not None and f.where.lists)
    other = replace(pack, list_values={**pack.list_values, "colours": frozenset({"x"})})

    assert meaning(asks, pack) != meaning(asks, other)
    assert meaning(asks, pack) == meaning(replace(asks, doc="other", owner="other"), pack)


def test_lists_are_as_they_were(duckdb_engine: SqlEngine) -> None:
    """A rule that asks a list is judged by what stood in it when the decision was made."""
    pack = make_small(1)
    fuller = {**pack.list_values, "colours": frozenset({*pack.list_values["colours"], "abc"})}
    played = list(play(pack, make_items(1, 300), now=NOW))
    with_more = list(play(pack, make_items(1, 300), now=NOW, lists=fuller))
    edge = len(played) // 2
    rows = tables([*played[:edge], *with_more[edge:]], pack)
    at = pa.array([100] * edge + [200] * (len(played) - edge), pa.int64())
    position = rows["decisions"].schema.get_field_index("lists")
    rows["decisions"] = rows["decisions"].set_column(position, "lists", at)

    def lists(instant: int | None) -> Mapping[str, frozenset[str]]:
        return fuller if instant == 200 else pack.list_values

    right = held(duckdb_engine, pack, rows, instants=(200,), lists=lists)
    wrong = held(duckdb_engine, pack, rows)

    assert (right.differences, wrong.differences > 0) == (0, True)


def test_an_empty_archive_proves_nothing(duckdb_engine: SqlEngine) -> None:
    """No events, no differences; it says that it compared nothing."""
    pack = make_small()
    rows = {name: table.slice(0, 0) for name, table in played_rows(pack, count=5).items()}
    proof = held(duckdb_engine, pack, rows)

    assert (proof.events, proof.facts, proof.truths, proof.differences) == (0, 0, 0, 0)
    assert proof.found is Found.NOTHING
    assert lines_of(proof)[-1] == "nothing was compared, so nothing is proven"
