"""Which decisions need a human, and the allowed moves of a case."""

import datetime
from typing import Any

from goodsend.cases.model import CaseChange, OpenCase
from goodsend.cases.triage import case_change, parse_triage
from goodsend.cases.workflow import is_allowed
from goodsend.policies.clauses import Policy
from goodsend.rules.model import Hit, Verdict
from tests.decisions.test_decide import decided, make_hit

POLICIES = {
    name: Policy(name, "1", name.title(), "Text.", 3, 1, datetime.date(2026, 1, 1), "test")
    for name in ("bought", "phishing")
}
TABLE: dict[str, Any] = {
    "min_verdict": "review",
    "default_queue": "review",
    "subjects": ["account"],
    "queues": {"review": "All else.", "urgent": "Now."},
    "source": "test",
    "route": [{"queue": "urgent", "policies": ["phishing"], "min_severity": 4}],
}
TRIAGE, _ = parse_triage({"core/triage.toml": TABLE}, POLICIES)


def change(*hits: Hit, joined: OpenCase | None = None, account: bool = True) -> CaseChange | None:
    """What triage makes of an import by acc_1 with these hits."""
    cases = {("account", "acc_1"): joined} if joined else {}
    return case_change(decided(*hits), {"account": "acc_1"} if account else {}, cases, TRIAGE, POLICIES)


def test_what_is_allowed_needs_nobody() -> None:
    """No hit, or hits that only allow: no case."""
    assert change() is None
    assert change(make_hit(verdict=Verdict.ALLOW)) is None


def test_a_case_opens_in_the_queue_of_its_gravest_hit() -> None:
    """The gravest hit gives policy, title and queue."""
    opened = change(make_hit(), make_hit(rule="b", policy="phishing", severity=5, reason="It imitates a bank."))

    assert opened is not None
    assert (opened.opens, opened.policy, opened.queue, opened.severity) == (True, "phishing", "urgent", 5)
    assert opened.title == "Phishing: It imitates a bank."


def test_what_comes_later_joins_and_raises_severity() -> None:
    """One subject has one case at a time."""
    joined = OpenCase("case_old", "account", "acc_1", "bought", 2, "review")

    raised = change(make_hit(severity=4), joined=joined)

    assert raised is not None
    assert (raised.id, raised.opens, raised.leads, raised.severity, raised.queue) == (
        "case_old",
        False,
        True,
        4,
        "review",
    )


def test_what_is_milder_joins_without_leading() -> None:
    """A case keeps its title, policy and queue when less grave evidence joins."""
    joined = OpenCase("case_old", "account", "acc_1", "phishing", 5, "urgent")

    milder = change(make_hit(), joined=joined)

    assert milder is not None
    assert (milder.leads, milder.severity, milder.queue) == (False, 5, "urgent")


def test_a_route_may_choose_the_subject() -> None:
    """One victim of many forms is one case, not one for each form's owner."""
    table = TABLE | {"route": [{"queue": "urgent", "policies": ["bought"], "subjects": ["recipient"]}]}
    triage, _ = parse_triage({"core/triage.toml": table}, POLICIES)

    opened = case_change(decided(make_hit()), {"account": "acc_1", "recipient": "v@example.com"}, {}, triage, POLICIES)

    assert opened is not None
    assert (opened.subject_type, opened.subject, opened.queue) == ("recipient", "v@example.com", "urgent")


def test_an_event_without_account_is_its_own_subject() -> None:
    """A complaint about nobody in particular still gets a case."""
    opened = change(make_hit(), account=False)

    assert opened is not None
    assert (opened.subject_type, opened.subject) == ("event", "evt_1")


def test_a_broken_triage_table_is_told() -> None:
    """A route to a queue or policy that does not exist."""
    table = TABLE | {"route": [{"queue": "nowhere", "policies": ["bougth"]}]}

    _, problems = parse_triage({"local/triage.toml": table}, POLICIES)

    assert [problem.message for problem in problems] == ["no policy is named 'bougth'", "no queue is named 'nowhere'"]


def test_a_closed_case_is_not_decided_again() -> None:
    """Moves are a table: a closed case must be reopened first."""
    assert is_allowed("decided", "assigned", "decided")
    assert not is_allowed("decided", "closed", "decided")
    assert is_allowed("reopened", "closed", "open")
    assert not is_allowed("invented", "open", "closed")
