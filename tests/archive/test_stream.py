"""Made-up streams are as awkward as they say, and the same every time."""

from collections import Counter

from goodsend.archive.stream import EXPRESSIONS, LATE_HORIZON, SEEDS, START, make_items, make_pack, play
from goodsend.expr.nodes import Call, walk
from goodsend.features.definitions import Aggregate
from goodsend.kit.clock import DAY
from goodsend.pack import FUNCTIONS, Pack
from goodsend.wiring import SHIPPED, read_layer

NOW = START + 40 * DAY


def made(seed: int = 1, each: int = 8) -> Pack:
    return make_pack(read_layer(SHIPPED), seed, each)


def test_every_function_and_every_aggregate_is_used() -> None:
    """A function or aggregate that is added must be added here, or no proof covers it."""
    packs = [made(seed, each=1) for seed in SEEDS]
    features = [feature for pack in packs for feature in pack.features]
    trees = [feature.of.node for feature in features if feature.of is not None]
    trees += [expression.node for pack in packs for expression in pack.ruleset.expressions.values()]

    assert set(FUNCTIONS) == {node.name.upper() for tree in trees for node in walk(tree) if isinstance(node, Call)}
    assert set(Aggregate) == {feature.aggregate for feature in features}
    assert sum(map(len, EXPRESSIONS.values())) > len(FUNCTIONS)


def test_the_same_seed_gives_the_same_stream() -> None:
    """Definitions, events and what the row path makes of them."""
    one, other = ([play(made(each=2), make_items(3, 200), now=NOW)] for _ in range(2))

    assert [p.outcome for p in one[0]] == [p.outcome for p in other[0]]
    assert list(make_items(3, 50)) != list(make_items(4, 50))


def test_what_comes_is_awkward() -> None:
    """Ties, late events on both sides of the horizon, repeats, refusals, missing values and keys."""
    items = list(make_items(5, 1_500))
    played = list(play(made(each=1), items, now=NOW))
    times = [one.outcome.event.at for one in played]
    newest = [max(times[: place + 1]) for place in range(len(times))]
    late = [new - at for new, at in zip(newest, times, strict=True) if at < new]

    assert len(played) < len({item["id"] for item in items}) + 1 < len(items)
    assert max(Counter(times).values()) > 2
    assert len(late) > 100
    assert sum(lag > LATE_HORIZON for lag in late) > 10
    assert LATE_HORIZON in late
    assert any("account" not in one.outcome.event.data for one in played)
    assert [one.arrival for one in played] == list(range(1, len(played) + 1))


def test_the_row_path_has_something_to_say() -> None:
    """Every feature is known on some event, most rules hit, and some truths are unknown."""
    pack = made(seed=4)
    played = list(play(pack, make_items(1, 1_500), now=NOW))
    known = {name for one in played for name, value in one.outcome.facts.items() if value is not None}
    hit = {found.rule for one in played for found in one.outcome.decision.hits}

    assert {"f." + feature.name for feature in pack.features} - known == set()
    assert len(hit) > 0.8 * len(pack.ruleset.rules)
    assert any(one.outcome.decision.unknown for one in played)
