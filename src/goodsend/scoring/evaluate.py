"""How good a model is, in figures with intervals: shares of abuse found and of ham flagged at each score."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from math import sqrt

import msgspec

MARKS = (900, 950, 990)
"""The scores at which a model is measured."""
_Z = 1.959964  # two-sided 95 %


class Share(msgspec.Struct, frozen=True):
    """`part` of `whole`, with the bounds of the 95 % interval (Wilson), each 0…1; bounds are None when `whole` is 0."""

    part: int
    whole: int
    low: float | None
    high: float | None


class Figures(msgspec.Struct, frozen=True):
    """
    What a model did on labelled texts. `found` and `flagged` are the abuse and the ham at or above each of MARKS.

    `auc` is the area under the ROC curve over raw sums, `found_at_1` the share of abuse above all but 1 % of this very
    ham (whatever the calibration says), both None without both labels. A text without a score counts as not
    found, and ranks below all others.
    """

    ham: int
    abuse: int
    auc: float | None
    found_at_1: float | None
    found: dict[int, Share]
    flagged: dict[int, Share]


def measure(outcomes: Iterable[tuple[bool, float | None, int | None]]) -> Figures:
    """Return the figures of (is abuse, raw sum, score) for each text."""
    abuse: list[tuple[float, int]] = []
    ham: list[tuple[float, int]] = []
    for is_abuse, raw, score in outcomes:
        (abuse if is_abuse else ham).append((float("-inf") if raw is None else raw, -1 if score is None else score))
    return Figures(
        ham=len(ham),
        abuse=len(abuse),
        auc=_area([raw for raw, _ in abuse], [raw for raw, _ in ham]),
        found_at_1=_found_at([raw for raw, _ in abuse], [raw for raw, _ in ham], 0.01),
        found={mark: share(sum(score >= mark for _, score in abuse), len(abuse)) for mark in MARKS},
        flagged={mark: share(sum(score >= mark for _, score in ham), len(ham)) for mark in MARKS},
    )


def share(part: int, whole: int) -> Share:
    """Return a share with its Wilson interval. Source: E. B. Wilson, JASA 22 (1927)."""
    if not whole:
        return Share(part, whole, None, None)
    observed = part / whole
    centre = observed + _Z * _Z / (2 * whole)
    spread = _Z * sqrt(observed * (1 - observed) / whole + _Z * _Z / (4 * whole * whole))
    size = 1 + _Z * _Z / whole
    return Share(part, whole, max(0.0, (centre - spread) / size), min(1.0, (centre + spread) / size))


def _area(abuse: list[float], ham: list[float]) -> float | None:
    if not abuse or not ham:
        return None
    ham = sorted(ham)
    below = sum(bisect_left(ham, raw) + bisect_right(ham, raw) for raw in abuse)
    return below / (2 * len(abuse) * len(ham))


def _found_at(abuse: list[float], ham: list[float], allowed: float) -> float | None:
    if not abuse or not ham:
        return None
    bound = sorted(ham, reverse=True)[int(allowed * len(ham))]
    return sum(raw > bound for raw in abuse) / len(abuse)
