"""
Features arranged for the set path: those that share key, kinds, `where`, `of` and the way it is taken are one memory,
with one column of values; the memories of one key are one shape, computed in one pass along the key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from goodsend.expr.model import Expression
from goodsend.facts import FactType
from goodsend.features.definitions import OF_CURRENT, SCALED, Aggregate, Feature

EntityFields = Mapping[str, Mapping[str, str]]
"""Per kind, which field carries which entity type."""


class Memory(msgspec.Struct, frozen=True):
    """
    What feeds some features. `column` is where its value stands in a row: NULL where the event does not feed it.

    `own` is the column of the event's own value, whether it feeds or not (`where` may be false); only for `share` and
    `is_new`. `scale` is None where values are kept as they are, else the power of ten that makes them whole.
    `bound` is the greatest that a whole value may be, None where any of 64 bits will do.
    """

    number: int
    key: tuple[str, ...]
    on: tuple[str, ...]
    of: Expression | None
    where: Expression | None
    scale: int | None
    bound: int | None
    features: tuple[Feature, ...]

    @property
    def column(self) -> str:
        return f"g{self.number}"

    @property
    def own(self) -> str:
        if self.where is None or not any(feature.aggregate in OF_CURRENT for feature in self.features):
            return self.column
        return f"o{self.number}"


class Shape(msgspec.Struct, frozen=True):
    """The memories of one key."""

    number: int
    key: tuple[str, ...]
    memories: tuple[Memory, ...]

    @property
    def name(self) -> str:
        return f"key{self.number}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold the parts of the key."""
        return tuple(f"k_{entity}" for entity in self.key)


STDDEV_MOST = 10**15
"""A deviation passes over values beyond this: their squares could not be summed exactly."""


def arrange(features: Sequence[Feature]) -> tuple[Shape, ...]:
    """Return the shapes of all features that remember something; ratios are made of other features."""
    together: dict[tuple[Any, ...], list[Feature]] = {}
    for feature in features:
        if feature.aggregate is not Aggregate.RATIO:
            together.setdefault(_memory_key(feature), []).append(feature)
    shapes: dict[tuple[str, ...], list[Memory]] = {}
    for number, members in enumerate(together.values()):
        some = members[0]
        scale, bound = _taken(some)
        memory = Memory(number, some.key, some.on, some.of, some.where, scale, bound, tuple(members))
        shapes.setdefault(some.key, []).append(memory)
    return tuple(Shape(number, key, tuple(memories)) for number, (key, memories) in enumerate(shapes.items()))


def _memory_key(feature: Feature) -> tuple[Any, ...]:
    of = feature.of.sql if feature.of is not None else None
    where = feature.where.sql if feature.where is not None else None
    return feature.key, tuple(sorted(feature.on)), of, where, _taken(feature)


def _taken(feature: Feature) -> tuple[int | None, int | None]:
    """How a value is taken: the power of ten it is made whole with, and its bound."""
    is_number = feature.of is not None and feature.of.type is FactType.NUMBER
    scale = feature.scale if is_number and feature.aggregate in SCALED else None
    return scale, STDDEV_MOST if feature.aggregate is Aggregate.STDDEV else None
