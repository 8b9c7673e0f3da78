"""
What a proof found: whether facts and truths computed again by the set path are those that decisions were made by.

Comparing is the archive's. Floats that are stated to be exact only within a bound are held to it, all else is exact.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Literal

import msgspec

from goodsend.facts import Value
from goodsend.features.definitions import Aggregate, Feature
from goodsend.kit.clock import Micros

RELATIVE = {Aggregate.STDDEV: 1e-12}
ABSOLUTE = {Aggregate.ENTROPY: 1e-9}
"""How far apart two floats of these may lie, as docs/explanation/windows.md states; of everything else, not at all."""


class Found(Enum):
    """What a proof says. `NOTHING`: nothing was compared, so it says nothing. `PARTLY`: some could not be compared."""

    EQUAL = "equal"
    PARTLY = "partly"
    NOTHING = "nothing"
    DIFFERENT = "different"


class Reason(Enum):
    """Why something could not be compared, as people read it."""

    UNKNOWN = "decided by a pack whose definitions are not at hand"
    CHANGED = "decided by a definition that has changed since, or was not there yet"
    LACKING = "what was looked back on is in files of the archive that were left out"


class Difference(msgspec.Struct, frozen=True):
    """One fact or truth that is not the same twice. `stored` is what the decision was made by, `computed` the other."""

    event_id: str
    arrival: int
    what: Literal["fact", "rule"]
    name: str
    stored: Value
    computed: Value


class Proof(msgspec.Struct, frozen=True):
    """
    One comparison of the row path with an engine, over events with a time in [since, until), µs (None: no bound).

    `facts` and `truths` count what was compared, NULLs included. `not_comparable` counts those that were not, `reasons`
    the same by reason (see Reason; empty in proofs of older versions). `samples` are some of the differences.
    """

    tenant: str
    engine: str
    pack: str
    since: Micros | None
    until: Micros | None
    events: int
    facts: int
    truths: int
    differences: int
    not_comparable: int
    names: dict[str, int] = {}
    samples: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    ran_at: Micros | None = None
    seconds: float | None = None
    reasons: dict[str, int] = {}

    @property
    def found(self) -> Found:
        """What it says."""
        if self.differences:
            return Found.DIFFERENT
        if not self.facts + self.truths:
            return Found.NOTHING
        return Found.PARTLY if self.not_comparable or self.lacks_files else Found.EQUAL

    @property
    def lacks_files(self) -> bool:
        """Whether files of the archive were left out, as its notes say."""
        return any("left out" in note for note in self.notes)


def bound_of(feature: Feature | None) -> tuple[float, float] | None:
    """Return the (relative, absolute) bound of a feature, None where it is exact."""
    if feature is None or feature.aggregate not in (*RELATIVE, *ABSOLUTE):
        return None
    return RELATIVE.get(feature.aggregate, 0.0), ABSOLUTE.get(feature.aggregate, 0.0)


def lines_of(proof: Proof, most: int = 20) -> list[str]:
    """Return a proof in words; the last line is `N differences`, or that nothing was compared."""
    lines = [
        f"{proof.engine}: {proof.events:,} events, {proof.facts:,} facts and {proof.truths:,} truths of rules compared"
    ]
    lines += [f"{count:,} not compared: {reason}" for reason, count in proof.reasons.items()]
    lines += proof.notes
    lines += [f"{name}: {count:,} differences" for name, count in worst(proof.names)[:most]]
    for one in proof.samples[:most]:
        lines.append(f"event {one.event_id}: {one.name} was {_shown(one.stored)}, computed {_shown(one.computed)}")
    nothing = proof.found is Found.NOTHING
    lines.append("nothing was compared, so nothing is proven" if nothing else f"{proof.differences} differences")
    return lines


def worst(names: dict[str, int]) -> list[tuple[str, int]]:
    """Return names by how often they differ, most first."""
    return sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))


def _shown(value: object) -> str:
    return "NULL" if value is None else repr(value)


def merged(proofs: Sequence[Proof]) -> int:
    """Return the differences of several proofs together."""
    return sum(proof.differences for proof in proofs)
