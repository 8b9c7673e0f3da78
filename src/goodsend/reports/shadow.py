"""
What rules that do not act yet would have done, beside what was decided. Pure: decisions come in, a comparison goes out.

A rule is looked at where its hits did not act because it is in shadow or because the account is out of its share. What
would have been decided with it is reckoned anew from the hits: groups, weights, caps and thresholds included.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from goodsend.decisions.decide import Thresholds, points_of, verdict_of
from goodsend.decisions.model import Decision
from goodsend.rules.groups import suppress
from goodsend.rules.model import Mode, Verdict
from goodsend.rules.ruleset import Ruleset

SAMPLES = 20


class Change(msgspec.Struct, frozen=True):
    """An event whose verdict would have been another."""

    event_id: str
    decision_id: str
    account: str | None
    before: Verdict
    after: Verdict


class Shadowed(msgspec.Struct, frozen=True):
    """
    One rule: `hits` that did not act, on how many accounts, `acting` ones beside (a rule with a share).

    `live` counts the verdicts of those events as they were decided; `agreed` of them were more than allowed anyway, by
    other rules. `changes` counts (before, after) pairs of verdicts that would have been different, `accounts_changed`
    the accounts of these, `samples` are the latest.
    """

    rule: str
    mode: Mode
    hits: int
    acting: int
    accounts: int
    agreed: int
    live: dict[Verdict, int]
    changes: dict[tuple[Verdict, Verdict], int]
    accounts_changed: int
    samples: tuple[Change, ...]


class _Count:
    def __init__(self) -> None:
        self.mode = Mode.SHADOW
        self.hits = self.acting = 0
        self.accounts: set[str] = set()
        self.changed: set[str] = set()
        self.live: Counter[Verdict] = Counter()
        self.changes: Counter[tuple[Verdict, Verdict]] = Counter()
        self.samples: list[Change] = []


def would_be(decision: Decision, rule: str, ruleset: Ruleset, thresholds: Thresholds) -> Verdict:
    """
    Return the verdict the event would have had, had this rule's hit acted.

    It is compared with the verdict before the circuit breaker: what is held back today is not held back tomorrow.
    """
    hits = [
        replace(hit, acts=hit.acts or hit.rule == rule or hit.suppressed_by is not None, suppressed_by=None)
        for hit in decision.hits
    ]
    acting = [hit for hit in suppress(hits, ruleset.groups, ruleset.orders) if hit.acts]
    points, by_group = points_of(acting, thresholds.cap_per_policy, ruleset.groups)
    return verdict_of(acting, points, by_group, thresholds, ruleset.groups)


def compare(
    decisions: Iterable[Decision], ruleset: Ruleset, thresholds: Thresholds, only: str | None = None
) -> tuple[Shadowed, ...]:
    """Return what each rule that did not act would have changed, most changes first; `only` looks at one rule."""
    counts: dict[str, _Count] = {}
    for decision in decisions:
        before = decision.wanted or decision.verdict
        for hit in decision.hits:
            if only is not None and hit.rule != only:
                continue
            if hit.acts:
                counts.setdefault(hit.rule, _Count()).acting += 1
                continue
            if hit.suppressed_by is not None:
                continue
            count = counts.setdefault(hit.rule, _Count())
            count.mode = hit.mode
            count.hits += 1
            count.live[before] += 1
            if decision.account is not None:
                count.accounts.add(decision.account)
            after = would_be(decision, hit.rule, ruleset, thresholds)
            if after is not before:
                _note(count, Change(decision.event_id, decision.id, decision.account, before, after))
    found = [_shadowed(rule, count) for rule, count in counts.items() if count.hits]
    return tuple(sorted(found, key=lambda one: (-sum(one.changes.values()), -one.hits, one.rule)))


def _note(count: _Count, change: Change) -> None:
    count.changes[change.before, change.after] += 1
    if change.account is not None:
        count.changed.add(change.account)
    if len(count.samples) < SAMPLES:
        count.samples.append(change)


def _shadowed(rule: str, count: _Count) -> Shadowed:
    agreed = sum(number for verdict, number in count.live.items() if verdict is not Verdict.ALLOW)
    return Shadowed(
        rule, count.mode, count.hits, count.acting, len(count.accounts), agreed, _ranked(count.live),
        dict(sorted(count.changes.items(), key=lambda pair: -pair[1])), len(count.changed), tuple(count.samples),
    )  # fmt: skip


def _ranked(counts: Mapping[Verdict, int]) -> dict[Verdict, int]:
    return dict(sorted(counts.items(), key=lambda pair: pair[0].rank))
