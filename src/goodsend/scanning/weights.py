"""The weights of signals, their caps and thresholds, as data. How they are summed lives in `weigh.py`."""

import msgspec

from goodsend.kit.errors import Problem
from goodsend.scanning.signals import SIGNALS, closest_signal

FAMILIES = frozenset(kind.family for kind in SIGNALS.values())


class Together(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points for signals that mean more together than the sum of each."""

    signals: list[str]
    points: float
    why: str


class Weights(msgspec.Struct, frozen=True):
    """`signals` by id, `caps` by family, and the points from which content is for review, to hold, to reject."""

    signals: dict[str, float]
    caps: dict[str, float]
    together: tuple[Together, ...]
    review: float
    hold: float
    reject: float


class _Weight(msgspec.Struct, forbid_unknown_fields=True):
    points: float
    why: str


class WeightsTable(msgspec.Struct, forbid_unknown_fields=True):
    """The table `[weights]` of a pack."""

    signal: dict[str, _Weight] = {}
    cap: dict[str, float] = {}
    together: list[Together] = []
    thresholds: dict[str, float] = {}

    def under(self, later: "WeightsTable") -> "WeightsTable":
        """Return this table with a later one laid over it."""
        return WeightsTable(
            self.signal | later.signal,
            self.cap | later.cap,
            self.together + later.together,
            self.thresholds | later.thresholds,
        )


def read_weights(table: WeightsTable | None) -> tuple[Weights, list[Problem]]:
    """Check a table of weights: every signal weighed and explained, every name known, thresholds rising."""
    table = table or WeightsTable()
    problems = [Problem(f"weights.signal.{id_}", "has no weight") for id_ in SIGNALS if id_ not in table.signal]
    named = [*table.signal, *(id_ for pair in table.together for id_ in pair.signals)]
    for id_ in dict.fromkeys(named):
        if id_ not in SIGNALS:
            near = closest_signal(id_)
            hint = f"did you mean {near!r}?" if near else None
            problems.append(Problem("weights", f"unknown signal {id_!r}", hint))
    problems += [Problem("weights.cap", f"unknown family {name!r}") for name in table.cap if name not in FAMILIES]
    levels = [table.thresholds.get(name) for name in ("review", "hold", "reject")]
    rising = [level for level in levels if level is not None]
    if len(rising) < 3 or len(table.thresholds) != 3 or not 0 < rising[0] < rising[1] < rising[2]:
        problems.append(Problem("weights.thresholds", "needs review < hold < reject, all above 0, and nothing else"))
        rising = [float("inf")] * 3
    points = {id_: weight.points for id_, weight in table.signal.items()}
    return Weights(points, table.cap, tuple(table.together), *rising), problems
