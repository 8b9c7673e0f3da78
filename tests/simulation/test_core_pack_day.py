"""The shipped pack over a simulated day: each abuse is caught for its own reason, honest senders are left alone."""

from collections import defaultdict
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

import pytest

from goodsend.events.canonical import EventLimits, Reader
from goodsend.features.compute import Windows
from goodsend.kit.clock import DAY, parse_time
from goodsend.kit.errors import Rejection
from goodsend.pack import Pack, build_pack
from goodsend.pipeline import Known, process
from goodsend.rules.evaluate import failing_cases
from goodsend.rules.model import Verdict
from goodsend.simulation.world import accounts_truth, simulate

START = parse_time("2026-11-20T06:00:00Z")

CATCHES = {
    "stolen_card": ({"stolen_card"}, Verdict.HOLD),
    "account_takeover": ({"account_takeover"}, Verdict.HOLD),
    "purchased_list": ({"purchased_list"}, Verdict.HOLD),
    "subscription_bombing": ({"subscription_bombing"}, Verdict.HOLD),
    "phishing": ({"phishing"}, Verdict.REJECT),
    "smishing": ({"smishing"}, Verdict.REJECT),
    "snowshoe": ({"snowshoe"}, Verdict.HOLD),
    "prohibited_vertical": ({"prohibited_vertical"}, Verdict.HOLD),
    "form_relay": ({"form_relay"}, Verdict.REJECT),
    "phishing_page": ({"phishing_page"}, Verdict.REJECT),
}
"""By abuse type: the policies whose rules must fire on it, and the verdict that must be reached at least."""

RESTRICTING = {
    "throttle_account",
    "hold_message",
    "hold_campaign",
    "block_page",
    "freeze_logins_and_keys",
    "restrict_channel",
    "suspend_account",
}


def _files(folder: Traversable, path: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}/{entry.name}"
        found |= _files(entry, name) if entry.is_dir() else {name: entry.read_bytes()}
    return found


@lru_cache(maxsize=1)
def core_pack() -> Pack:
    """The shipped pack alone."""
    pack, problems = build_pack(_files(resources.files("goodsend.packs").joinpath("core"), "core"))
    assert [problem.render() for problem in problems] == []
    assert pack is not None
    return pack


class Seen:
    """What was decided, by truth and by account."""

    def __init__(self) -> None:
        self.rules: dict[str, set[str]] = defaultdict(set)
        self.policies: dict[str, set[str]] = defaultdict(set)
        self.verdicts: dict[str, set[Verdict]] = defaultdict(set)
        self.actions: dict[str, set[str]] = defaultdict(set)
        self.honest_rules: dict[str, set[str]] = defaultdict(set)


@lru_cache(maxsize=4)
def judged(seed: int) -> Seen:
    """One day of forty accounts, judged event by event without a database."""
    pack = core_pack()
    reader = Reader(pack.kinds, EventLimits(), pack.address_rules)
    windows = Windows(pack.plan, lists=pack.list_values)
    known = Known(lists=pack.list_values)
    seen, ids = Seen(), set()
    for event, label in simulate(seed, START, accounts=40):
        if event["id"] in ids:
            continue
        ids.add(event["id"])
        arrived = reader.read(event, "demo", START + DAY)
        assert not isinstance(arrived, Rejection)
        outcome = process(arrived, known, windows, pack)
        known.learn(outcome)
        truth, decision = label["label"], outcome.decision
        acting = [hit for hit in decision.hits if hit.acts]
        seen.rules[truth] |= {hit.rule for hit in acting}
        seen.policies[truth] |= {hit.policy for hit in acting}
        seen.verdicts[truth].add(decision.verdict)
        if decision.account is not None:
            seen.actions[decision.account] |= {action.name for action in decision.actions}
        if truth == "honest" and acting:
            seen.honest_rules[label["persona"]] |= {hit.rule for hit in acting}
    return seen


def test_the_shipped_pack_has_no_problems_and_its_cases_hold() -> None:
    """Every definition compiles, and every rule case ends as written."""
    pack = core_pack()

    assert failing_cases(pack.ruleset, pack.list_values) == []


def test_every_rule_has_a_case_that_fires_and_one_that_does_not() -> None:
    """A rule without both says too little about what it means."""
    for rule in core_pack().ruleset.rules.values():
        assert {True, False} <= {case.fires for case in rule.cases}, rule.id
        assert rule.source, rule.id


@pytest.mark.parametrize("seed", [7, 8])
@pytest.mark.parametrize("abuse", sorted(CATCHES))
def test_each_abuse_is_caught_for_its_own_reason(abuse: str, seed: int) -> None:
    """A rule of the right policy fires on it, and it is stopped."""
    policies, verdict = CATCHES[abuse]
    seen = judged(seed)

    assert policies <= seen.policies[abuse]
    assert verdict.rank <= max(found.rank for found in seen.verdicts[abuse])


@pytest.mark.parametrize("seed", [7, 8])
def test_honest_senders_are_not_restricted(seed: int) -> None:
    """No honest account is throttled, held, stopped or frozen; only the one that is taken over."""
    honest = [truth for truth in accounts_truth(seed, 40) if truth["label"] == "honest" and not truth["suffers"]]
    actions = judged(seed).actions
    restricted = {
        truth["persona"]: sorted(actions[truth["account"]] & RESTRICTING)
        for truth in honest
        if actions[truth["account"]] & RESTRICTING
    }

    assert restricted == {}


@pytest.mark.parametrize(
    "persona", ["careless", "traveller", "agency", "application", "newcomer", "clinic", "parcel_texts"]
)
def test_those_who_look_suspicious_and_are_not(persona: str) -> None:
    """Bounces of few messages, a journey, one desk for two customers, password resets, parcels: no rule fires."""
    assert set() == judged(7).honest_rules[persona]
