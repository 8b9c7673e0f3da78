"""
The set path of features: from the definitions, SQL whose result equals `compute.Windows` on every fact of every event.

The idea is told in docs/explanation/set-path.md.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from goodsend.events.functions import Z95
from goodsend.expr.functions.numbers import NUMBER_MAX
from goodsend.expr.sql.model import Dialect, ListValues, Step
from goodsend.features.compute import LATE_HORIZON
from goodsend.features.definitions import Aggregate, Feature
from goodsend.features.sql.memories import EntityFields, Shape, arrange
from goodsend.features.sql.rows import LATE, breadth_query, late_steps, parsed, row_steps
from goodsend.features.sql.shapes import shape_steps
from goodsend.features.sql.words import Words, words_of
from goodsend.kit.clock import Micros

FEATURES = "features"
"""The last step: arrival and one column per feature."""

_BROAD = 150_000
"""Events of the key of an average event, from which comings and goings cost less than frames (measured, DuckDB 2.0)."""
_ONE_OF = 61

_ALWAYS_KNOWN = frozenset({Aggregate.FIRST, Aggregate.TIME_SINCE_FIRST})


def feature_steps(
    features: Sequence[Feature],
    entity_fields: EntityFields,
    dialect: Dialect,
    lists: ListValues,
    late_horizon: Micros = LATE_HORIZON,
    *,
    on_time: bool = False,
    source: str = "events",
    broad: Collection[tuple[str, ...]] = (),
) -> list[Step]:
    """
    Return the steps that compute features over a log, the last one FEATURES: `arrival` and a column `f_…` per feature.

    `source` has `arrival`, `e_kind`, `e_at` and the other columns that definitions read. `entity_fields` are as in
    `Pack`. `on_time` asks as if no event had been late: then none is, whatever the horizon, and ties stay by arrival.
    `broad` are the keys with very many events to one value: the result is the same, the way there is shorter.
    """
    shapes = arrange(features)
    words = words_of(dialect)
    steps = row_steps(shapes, entity_fields, dialect, lists, source)
    if not on_time:
        steps += late_steps(dialect, late_horizon, source)
    for shape in shapes:
        steps += shape_steps(shape, words, on_time=on_time, by_moments=words.is_duckdb and shape.key in broad)
    return [*steps, Step(FEATURES, parsed(_joined(features, shapes, words, source, on_time=on_time), dialect))]


def broad_keys(
    features: Sequence[Feature],
    entity_fields: EntityFields,
    dialect: Dialect,
    ask: Callable[[str], Iterable[Mapping[str, Any]]],
    source: str = "events",
) -> frozenset[tuple[str, ...]]:
    """Return the keys with so many events to a value that searching for frames is slow; `ask` runs a query."""
    shapes = [
        shape for shape in arrange(features)
        if any(feature.window is not None for memory in shape.memories for feature in memory.features)
    ]  # fmt: skip
    if not shapes or dialect is not Dialect.DUCKDB:
        return frozenset()
    found = ask(breadth_query(shapes, entity_fields, dialect, source, one_of=_ONE_OF))
    breadths = {row["shape"]: row["breadth"] for row in found}
    return frozenset(shape.key for shape in shapes if (breadths.get(shape.number) or 0) >= _BROAD)


def _joined(features: Sequence[Feature], shapes: Sequence[Shape], words: Words, source: str, *, on_time: bool) -> str:
    """Every event with the features of all its keys; without a key they are NULL."""
    columns = [
        f"{_known(feature, on_time)} AS f_{feature.name}"
        for feature in features
        if feature.aggregate is not Aggregate.RATIO
    ]
    joins = [f"features_{shape.name} AS {shape.name} ON e.arrival = {shape.name}.arrival" for shape in shapes]
    if not on_time:
        joins.append(f"{LATE} AS late ON e.arrival = late.arrival")
    left = "".join(f" LEFT JOIN {join}" for join in joins)
    query = f"SELECT {', '.join(['e.arrival', *columns])} FROM {source} AS e{left}"
    ratios = [column for feature in features for column in _ratio(feature, words)]
    return f"SELECT told.*, {', '.join(ratios)} FROM ({query}) AS told" if ratios else query


def _ratio(feature: Feature, words: Words) -> list[str]:
    """The columns of a ratio: the quotient, and where it has one its interval."""
    if feature.aggregate is not Aggregate.RATIO:
        return []
    above, below = words.floating(f"f_{feature.numerator}"), words.floating(f"f_{feature.denominator}")
    share = f"CASE WHEN {below} <> 0 THEN {above} / {below} END"
    columns = [f"CASE WHEN ABS({share}) <= {NUMBER_MAX!r} THEN {share} END AS f_{feature.name}"]
    if feature.interval:
        share, square = f"({above} / {below})", f"({Z95 * Z95!r}e0 / {below})"
        centre = f"(({share} + {square} / 2) / (1 + {square}))"
        spread = f"{share} * (1 - {share}) / {below} + {square} / (4 * {below})"
        half = f"({Z95!r}e0 * SQRT({spread}) / (1 + {square}))"
        known = f"{below} > 0 AND {above} >= 0 AND {above} <= {below}"
        lower, upper = f"{centre} - {half}", f"{centre} + {half}"
        columns += [
            f"CASE WHEN {known} THEN CASE WHEN {lower} > 0 THEN {lower} ELSE 0e0 END END AS f_{feature.name}_lower",
            f"CASE WHEN {known} THEN CASE WHEN {upper} < 1 THEN {upper} ELSE 1e0 END END AS f_{feature.name}_upper",
        ]
    return columns


def _known(feature: Feature, on_time: bool) -> str:
    """A feature is not known past the horizon, but for the very first event."""
    column = f"f_{feature.name}"
    if on_time or (feature.window is None and feature.aggregate in _ALWAYS_KNOWN):
        return column
    return f"CASE WHEN late.past THEN NULL ELSE {column} END"
