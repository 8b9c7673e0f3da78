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


@pytest.mark.parametrize("entity", ["my-entity", "my entity", "Account", "it's", 'a"b', "größe"])
def test_an_entity_that_sql_cannot_name(entity: str) -> None:
    """A key is a part of a column's name in the set path."""
    fields = {"who": {"type": "text", "doc": "", "entity": entity}}
    kinds, _ = parse_kinds({"k.toml": {"entities": {entity: ""}, "kind": {"a.b": {"doc": "", "fields": fields}}}})
    table = {"doc": "d", "owner": "o", "aggregate": "count", "key": [entity], "on": ["a.b"], "window": "1h"}

    features, problems = parse_features({"f.toml": {"feature": {"seen": table}}}, kinds, FUNCTIONS)

    assert (features, [problem.place for problem in problems]) == ((), ["f.toml: seen: key"])
    assert "cannot be a key" in problems[0].message


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
        ({"aggregate": "avg"}, FactType.NUMBER, None),
        ({"aggregate": "stddev", "of": "e.share", "scale": 2}, FactType.NUMBER, None),
        ({"aggregate": "entropy", "of": "e.source"}, FactType.NUMBER, "bits"),
    ],
)
def test_the_column_has_the_type_of_what_it_holds(but: dict[str, Any], type_: FactType, unit: str | None) -> None:
    """Counts and ages are whole, sums and values are what they are made of; ages are in seconds."""
    features, problems = parse(**but)

    assert problems == []
    assert feature_facts(features) == [Fact("f.imported_24h", type_, "addresses imported in a day", unit)]


def test_what_compares_with_the_event_is_known_on_its_kinds_only() -> None:
    """share and is_new exist only on the kinds in `on`; is_new never counts the event itself."""
    shares, problems = parse(aggregate="share", of="e.source")
    news, more = parse(aggregate="is_new", of="e.source", window="ever", cap=100)
    kinds = frozenset({"list.imported"})

    assert problems + more == []
    assert [fact.kinds for fact in feature_facts((*shares, *news))] == [kinds, kinds]
    assert (news[0].type, news[0].counts_itself, shares[0].counts_itself) == (FactType.BOOLEAN, False, True)


BASE = {"doc": "d", "owner": "o", "key": ["account"], "on": ["list.imported"], "window": "24h"}
RATIO = {"doc": "of all", "owner": "o", "aggregate": "ratio", "numerator": "some", "denominator": "all"}


def parse_ratio(others: dict[str, Any] | None = None, **but: Any) -> tuple[tuple[Feature, ...], list[Problem]]:
    table = {name: value for name, value in (RATIO | but).items() if value is not ...}
    tables = {
        "x": table,
        "some": BASE | {"aggregate": "count", "where": "e.source = 'api'"},
        "all": BASE | {"aggregate": "count"},
        "mean": BASE | {"aggregate": "avg", "of": "e.recipients"},
        "source": BASE | {"aggregate": "last", "of": "e.source"},
        "pages": BASE | {"aggregate": "count", "key": ["ip"], "on": ["page.seen"]},
    } | (others or {})
    return parse_features({"a.toml": {"feature": tables}}, KINDS, FUNCTIONS)


def test_a_ratio_is_made_of_two_features() -> None:
    """Its key follows from them; of two counts it has an interval, of other numbers it has none."""
    features, problems = parse_ratio()
    others, more = parse_ratio(denominator="mean")
    found = {feature.name: feature for feature in features}["x"]

    assert problems + more == []
    assert (found.numerator, found.denominator, found.key, found.type) == ("some", "all", ("account",), FactType.NUMBER)
    assert [fact.name for fact in feature_facts([found])] == ["f.x", "f.x_lower", "f.x_upper"]
    assert [fact.name for fact in feature_facts([feature for feature in others if feature.name == "x"])] == ["f.x"]


@pytest.mark.parametrize(
    ("but", "place", "message", "hint"),
    [
        ({"numerator": ...}, "numerator", "a ratio needs it", "the name of a feature"),
        ({"numerator": "smoe"}, "numerator", "unknown feature 'smoe'", "did you mean 'some'?"),
        ({"numerator": "x"}, "numerator", "is a ratio itself", "name what it is made of"),
        ({"numerator": "source"}, "numerator", "a ratio is of numbers; 'source' is text", None),
        ({"denominator": "pages"}, "denominator", "kept per account, 'pages' per ip", "have the same key"),
        ({"key": ["ip"]}, "key", "is not the key of 'some'", "leave it out"),
        ({"window": "1h"}, "window", "a ratio has no such field", "leave it out"),
        ({"denominatr": "all"}, "", "unknown field 'denominatr'", "did you mean 'denominator'?"),
        ({"others": {"x_upper": BASE | {"aggregate": "count"}}}, "", "feature is named x_upper", "another name"),
    ],
)  # fmt: skip
def test_mistakes_in_a_ratio_are_told(but: dict[str, Any], place: str, message: str, hint: str | None) -> None:
    """With place and hint; the features it would be made of are kept."""
    features, problems = parse_ratio(**but)

    assert "x" not in [feature.name for feature in features]
    assert {"some", "all"} <= {feature.name for feature in features}
    assert [problem.place for problem in problems] == ["a.toml: x" + (f": {place}" if place else "")]
    assert message in problems[0].message
    assert (hint or "") in (problems[0].hint or "")


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
        ({"aggregate": "entropy", "of": "e.source", "window": "ever"}, "cap", "entropy without a window", "as one"),
        ({"aggregate": "share", "of": "e.source", "window": "ever"}, "cap", "share without a window", "NULL"),
        ({"aggregate": "is_new", "of": "e.source", "window": "ever"}, "cap", "is_new without a window", "NULL"),
        ({"aggregate": "is_new", "of": "e.source", "cap": 5}, "cap", "is only for", "leave it out"),
        ({"aggregate": "is_new", "of": "e.source", "counts_itself": True}, "counts_itself", "itself out", "leave"),
        ({"aggregate": "avg", "of": "e.source"}, "of", "avg takes integer or number; this is text", None),
        ({"aggregate": "entropy", "of": "e.share"}, "of", "entropy takes", None),
        ({"aggregate": "stddev", "of": ...}, "of", "stddev needs a value", None),
        ({"numerator": "x"}, "numerator", "is only for ratio", "leave it out"),
        ({"window": ...}, "window", "missing required field `window`", '"ever"'),
        ({"key": ...}, "key", "names no entity", None),
        ({"on": ...}, "on", "names no kind", None),
        ({"cap": 5}, "cap", "is only for distinct, entropy", "leave it out"),
        ({"aggregate": "distinct", "window": "ever", "cap": 0}, "cap", "lies outside 1…100000", None),
        ({"aggregate": "max", "scale": 2}, "scale", "is only for sum, avg and stddev", "leave it out"),
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
