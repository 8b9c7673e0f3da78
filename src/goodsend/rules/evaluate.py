"""Judge one row of facts by a rule set. What hits lead to is for `decisions`."""

import hashlib

from goodsend.expr.functions import Lists
from goodsend.facts import Facts
from goodsend.rules.groups import suppress
from goodsend.rules.model import Evaluation, Hit, Mode, Rule
from goodsend.rules.reason import fill
from goodsend.rules.ruleset import Ruleset


def evaluate(ruleset: Ruleset, kind: str, facts: Facts, lists: Lists, account: str | None) -> Evaluation:
    """
    Return the rules that fired on this row, in id order, and which facts kept others from being known.

    A rule outside its rollout share of accounts, in shadow, or behind another of its group is recorded as a hit that
    does not act.
    """
    judged = ruleset.by_kind.get(kind)
    if judged is None:
        return _NOTHING
    rules, row = judged
    truths = row(facts, lists)
    if True not in truths and None not in truths:
        return _NOTHING
    hits = []
    unknown = {}
    for rule, truth in zip(rules, truths, strict=True):
        if truth is True:
            hits.append(_hit(rule, ruleset.reads[rule.id], facts, account))
        elif truth is None:
            unknown[rule.id] = tuple([name for name in ruleset.reads[rule.id] if facts.get(name) is None])
    if len(hits) > 1 and ruleset.groups:
        return Evaluation(suppress(hits, ruleset.groups, ruleset.orders), unknown)
    return Evaluation(tuple(hits), unknown)


_NOTHING = Evaluation((), {})


def _hit(rule: Rule, read: tuple[str, ...], facts: Facts, account: str | None) -> Hit:
    return Hit(
        rule=rule.id,
        version=rule.version,
        policy=rule.policy,
        severity=rule.severity,
        mode=rule.mode,
        verdict=rule.verdict,
        reason=fill(rule.reason, facts),
        values={name: facts.get(name) for name in read},
        actions=rule.actions,
        weight=rule.weight,
        acts=rule.mode is Mode.LIVE and is_in_share(rule.id, account, rule.share),
        group=rule.group,
        labels=rule.labels,
    )


def is_in_share(rule: str, account: str | None, share: float) -> bool:
    """
    Say whether this account is in the rule's rollout share (0…1): the same answer every time, independent per rule.

    An event without an account is in the share only when it is the whole.
    """
    if share >= 1 or account is None:
        return share >= 1
    digest = hashlib.blake2b(f"{rule}\0{account}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def failing_cases(ruleset: Ruleset, lists: Lists) -> list[tuple[str, str, bool | None, bool | None]]:
    """Run the cases beside the rules; return (rule, case name, expected, got) for each that does not hold."""
    failing = []
    for rule in ruleset.rules.values():
        for number, case in enumerate(rule.cases, 1):
            got = ruleset.expressions[rule.id].evaluate(dict(case.given), lists)
            if got is not case.fires:
                failing.append((rule.id, case.name or f"case {number}", case.fires, got))
    return failing  # type: ignore[return-value]
