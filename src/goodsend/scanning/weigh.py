"""
What content alone says: the weighted sum of its signals as points, a score and a verdict. For `goodsend scan`, where no
account is known; decisions about events are made by rules, which know more.
"""

import msgspec

from goodsend.scanning.definitions import Scanner
from goodsend.scanning.model import Scan
from goodsend.scanning.signals import SIGNALS
from goodsend.scanning.weights import Weights


class ContentJudgement(msgspec.Struct, frozen=True):
    """`verdict` is allow, review, hold or reject; `scores["content"]` 0…1000 (1000: reject); reasons heaviest first."""

    verdict: str
    points: float
    scores: dict[str, int]
    reasons: tuple[str, ...]


def weigh(scan: Scan, scanner: Scanner) -> ContentJudgement:
    """Judge a scan: each kind of signal counts once, a family no more than its cap, some pairs count extra."""
    weights = scanner.weights
    evidence: dict[str, str] = {}
    for signal in scan.signals:
        evidence.setdefault(signal.id, signal.evidence)
    reasons = [(weights.signals.get(id_, 0.0), f"{id_}: {sentence}") for id_, sentence in evidence.items()]
    by_family: dict[str, float] = {}
    for id_ in evidence:
        family = SIGNALS[id_].family
        by_family[family] = by_family.get(family, 0.0) + weights.signals.get(id_, 0.0)
    points = sum(min(total, weights.caps.get(family, total)) for family, total in by_family.items())
    for pair in weights.together:
        if all(id_ in evidence for id_ in pair.signals):
            points += pair.points
            reasons.append((pair.points, f"{' + '.join(pair.signals)}: {pair.why}"))
    points = round(points, 2)
    score = min(1000, max(0, round(1000 * points / weights.reject)))
    reasons.sort(key=lambda reason: -reason[0])
    return ContentJudgement(
        _verdict(points, weights), points, {"content": score}, tuple(sentence for weight, sentence in reasons if weight)
    )


def _verdict(points: float, weights: Weights) -> str:
    for verdict, level in (("reject", weights.reject), ("hold", weights.hold), ("review", weights.review)):
        if points >= level:
            return verdict
    return "allow"
