"""Features are read from data; every mistake is told with its place and a hint."""

from typing import Any

import pytest

from goodsend.events.functions import ADDRESS_FUNCTIONS
from goodsend.events.kinds import parse_kinds
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import Fact, FactType
from goodsend.features.definitions import Aggregate, Feature, feature_facts, parse_features
from goodsend.kit.clock import DAY
from goodsend.kit.errors import Problem

KINDS, _ = parse_kinds(
    {
        "test.toml": {
            "entities": {"account": "", "ip": ""},
            "kind": {
                "list.imported": {
                    "doc": "",
                    "fields": {
                        "account": {"type": "text", "doc": "", "entity": "account"},
                        "recipients": {"type": "integer", "doc": ""},
                        "share": {"type": "number", "doc": ""},
                        "source": {"type": "text", "doc": ""},
                        "columns": {"type": "texts", "doc": ""},
                        "email": {"type": "email", "doc": "", "personal": True},
                    },
                },
                "page.seen": {"doc": "", "fields": {"ip": {"type": "ip", "doc": "", "entity": "ip"}}},
            },
        }
    }
)
FUNCTIONS = {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}


def parse(**but: Any) -> tuple[tuple[Feature, ...], list[Problem]]:
    table = {
        "doc": "addresses imported in a day",
        "owner": "trust",
        "aggregate": "sum",
        "of": "e.recipients",
        "key": ["account"],
        "on": ["list.imported"],
        "window": "24h",
    } | but
    table = {name: value for name, value in table.items() if value is not ...}
    return parse_features({"a.toml": {"feature": {"imported_24h": table}}}, KINDS, FUNCTIONS, ["bad_sources"])


def test_a_feature_is_read() -> None:
    """Every member arrives, expressions checked, the window in microseconds."""
    (feature,), problems = parse(where="e.source <> 'api'", unit="addresses", counts_itself=False)

    assert problems == []
    assert (feature.name, feature.aggregate, feature.window, feature.type) == (
        "imported_24h",
        Aggregate.SUM,
        DAY,
        FactType.INTEGER,
    )
    assert feature.where is not None
    assert (feature.where.facts, feature.counts_itself) == ({"e.source"}, False)


@pytest.mark.parametrize(
    ("but", "type_", "unit"),
    [
        ({"of": "e.share"}, FactType.NUMBER, None),
        ({"aggregate": "count", "of": ...}, FactType.INTEGER, None),
        ({"aggregate": "distinct", "of": "e.source"}, FactType.INTEGER, None),
        ({"aggregate": "last", "of": "e.source", "window": "ever"}, FactType.TEXT, None),
        ({"aggregate": "max", "of": "e.at"}, FactType.TIME, None),
        ({"aggregate": "time_since_last", "of": ...}, FactType.INTEGER, "s"),
    ],
)
def test_the_column_has_the_type_of_what_it_holds(but: dict[str, Any], type_: FactType, unit: str | None) -> None:
    """Counts and ages are whole, sums and values are what they are made of; ages are in seconds."""
    features, problems = parse(**but)

    assert problems == []
    assert feature_facts(features) == [Fact("f.imported_24h", type_, "addresses imported in a day", unit)]


def test_a_persons_value_stays_personal() -> None:
    """A feature that shows a personal value is personal; one that only counts them is not."""
    shown, _ = parse(aggregate="last", of="e.email")
    counted, _ = parse(aggregate="distinct", of="e.email")

    assert [feature_facts(shown)[0].personal, feature_facts(counted)[0].personal] == [True, False]


def test_a_later_file_replaces_a_feature() -> None:
    """Layers: the same name again is a new definition."""
    table = {
        "doc": "d",
        "owner": "o",
        "aggregate": "count",
        "key": ["account"],
        "on": ["list.imported"],
        "window": "1h",
    }
    files = {"a.toml": {"feature": {"x": table}}, "b.toml": {"feature": {"x": table | {"window": "2h"}}}}
    features, problems = parse_features(files, KINDS, FUNCTIONS)

    assert problems == []
    assert [feature.window for feature in features] == [DAY // 12]


@pytest.mark.parametrize(
    ("but", "place", "message", "hint"),
    [
        ({"windw": "1h"}, "", "unknown field 'windw'", "did you mean 'window'?"),
        ({"aggregate": "cuont"}, "", "Invalid enum value 'cuont'", "did you mean 'count'?"),
        ({"owner": ...}, "", "missing required field `owner`", None),
        ({"on": ["list.importd"]}, "on", "unknown kind 'list.importd'", "did you mean 'list.imported'?"),
        ({"on": []}, "on", "names no kind", "say which kinds of events feed the feature"),
        ({"key": ["acount"]}, "key", "unknown entity 'acount'", "did you mean 'account'?"),
        ({"key": []}, "key", "names no entity", 'such as ["account"]'),
        ({"key": ["account", "account"]}, "key", "names an entity twice", None),
        ({"on": ["list.imported", "page.seen"]}, "on", "page.seen has no field of entity", "take the kind out"),
        ({"of": "e.recipents"}, "of", "", "did you mean"),
        ({"of": "e.source"}, "of", "sum takes integer or number; this is text", None),
        ({"of": "e.columns", "aggregate": "distinct"}, "of", "distinct takes", None),
        ({"of": ...}, "of", "sum needs a value", 'such as of = "e.recipients"'),
        ({"aggregate": "count"}, "of", "count looks at events, not at a value", "leave `of` out"),
        ({"where": "e.recipients"}, "where", "", None),
        ({"where": "IN_LIST('bad_source', e.source)"}, "where", "", "bad_sources"),
        ({"where": "f.other > 1"}, "where", "", None),
        ({"window": "1y"}, "window", "'1y': a duration is", 'or "ever"'),
        ({"window": "10s"}, "window", "'10s' lies outside 1m…90d", 'or "ever"'),
        ({"window": "91d"}, "window", "'91d' lies outside 1m…90d", 'or "ever"'),
        ({"aggregate": "distinct", "window": "ever"}, "cap", "remembers every value, so it needs a cap", "cap = 1000"),
        ({"cap": 5}, "cap", "is only for distinct", "leave it out"),
        ({"aggregate": "distinct", "window": "ever", "cap": 0}, "cap", "lies outside 1…100000", None),
        ({"aggregate": "max", "scale": 2}, "scale", "is only for sum", "leave it out"),
        ({"scale": 30}, "scale", "lies outside 0…9", None),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_place_and_hint(but: dict[str, Any], place: str, message: str, hint: str | None) -> None:
    """The feature is left out, and its author told where and what to do."""
    features, problems = parse(**but)
    outer = "a.toml: imported_24h" + (f": {place}" if place else "")
    found = [problem for problem in problems if problem.place.startswith(outer) and message in problem.message]

    assert features == ()
    assert found, [problem.render() for problem in problems]
    assert hint is None or hint in (found[0].hint or "")


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to come back for the next one; a sound feature beside a broken one is kept."""
    _, problems = parse(window="1y", of="e.nope", key=["x"])

    assert {"window", "of", "key"} <= {problem.place.split(": ")[-1] for problem in problems}


@pytest.mark.parametrize(
    "raw",
    [{"feature": 3}, {"feature": {"x": 3}}, {"feature": {"Bad Name": {}}}, {"features": {}}, {"feature": {"": {}}}],
)
def test_a_file_of_the_wrong_shape_is_a_problem(raw: dict[str, Any]) -> None:
    """Never an exception."""
    features, problems = parse_features({"a.toml": raw}, KINDS, FUNCTIONS)

    assert (features, len(problems)) == ((), 1)
    assert problems[0].place.startswith("a.toml")
