"""Cases: opened and joined by triage, worked by people, never by two at once without a word."""

from typing import Any

import pytest

from goodsend.cases.model import CaseChange
from goodsend.kit.clock import HOUR
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit, casework, members, outbox, tenants
from goodsend.store.casework import Case
from goodsend.store.connection import Connection
from tests.conftest import NOW
from tests.store.made import make_action


def make_change(**but: Any) -> CaseChange:
    """Triage opens a case about acc_1, but with these fields."""
    given: dict[str, Any] = {
        "id": "case_1", "opens": True, "subject_type": "account", "subject": "acc_1", "policy": "purchased_list",
        "severity": 2, "queue": "review", "title": "Purchased list: 40,000 addresses", "event_id": "evt_1",
        "decision_id": "dec_1", "at": NOW,
    }  # fmt: skip
    return CaseChange(**(given | but))


@pytest.fixture
def case(connection: Connection) -> Case:
    """An open case."""
    casework.apply_changes(connection, "demo", [make_change()], NOW)
    return casework.one(connection, "demo", "case_1")


@pytest.fixture
def ana(connection: Connection) -> int:
    """A member's id."""
    tenants.ensure(connection, "demo", "Demo", NOW)
    given = {"login": "ana", "name": "Ana", "role": "analyst", "password": "x" * 12, "at": NOW}
    return members.ensure(connection, "demo", **given).id  # type: ignore[arg-type]


def verbs(connection: Connection, case_id: str = "case_1") -> list[str]:
    return [step.verb for step in casework.timeline(connection, "demo", case_id)]


def test_opening_twice_is_opening_once(connection: Connection, case: Case) -> None:
    """The same opening again only joins; its evidence is counted."""
    casework.apply_changes(connection, "demo", [make_change()], NOW)

    found = casework.one(connection, "demo", "case_1")
    assert (found.state, found.events, found.version) == ("open", 2, 1)
    assert verbs(connection) == ["opened", "joined"]


def test_joining_raises_severity_and_counts(connection: Connection, case: Case) -> None:
    """Evidence joins within and across batches; severity only goes up; the version is left to people."""
    joins = [make_change(opens=False, event_id=f"evt_{n}", severity=n) for n in (4, 1, 3)]

    casework.apply_changes(connection, "demo", joins, NOW + 1)

    found = casework.one(connection, "demo", "case_1")
    assert (found.severity, found.events, found.version, found.updated_at) == (4, 4, 1, NOW + 1)


def test_open_and_join_in_one_batch(connection: Connection) -> None:
    """A case opened by the batch takes the evidence of the same batch."""
    changes = [make_change(), make_change(opens=False, event_id="evt_2")]

    casework.apply_changes(connection, "demo", changes, NOW)

    assert casework.one(connection, "demo", "case_1").events == 2
    assert verbs(connection) == ["opened", "joined"]


def test_a_flood_is_counted_not_listed(connection: Connection, case: Case) -> None:
    """Beyond a limit joined events only count."""
    flood = [make_change(opens=False, event_id=f"e{n}") for n in range(casework.JOINS_SHOWN + 50)]

    casework.apply_changes(connection, "demo", flood, NOW)

    assert casework.one(connection, "demo", "case_1").events == len(flood) + 1
    assert len(verbs(connection)) == casework.JOINS_SHOWN


def test_open_cases_are_those_still_worked(connection: Connection, case: Case) -> None:
    """A decided case takes no more evidence; another tenant's case is none."""
    wanted = [("account", "acc_1"), ("form", "frm_1")]
    assert [c.id for c in casework.open_cases(connection, "demo", wanted)] == ["case_1"]
    assert casework.open_cases(connection, "other", wanted) == []

    decide(connection, 1)

    assert casework.open_cases(connection, "demo", wanted) == []


def decide(connection: Connection, version: int, **but: Any) -> Case:
    given: dict[str, Any] = {"actor": "ana", "at": NOW + 9, "outcome": "confirmed", "because": "The list was bought."}
    return casework.decide(connection, "demo", "case_1", version=version, **(given | but))


def test_a_case_goes_its_way(connection: Connection, case: Case, ana: int) -> None:
    """Assigned, asked, answered, decided, closed, reopened: each step is on the timeline and in the audit."""
    at = {"actor": "ana", "at": NOW + 1}
    casework.assign(connection, "demo", "case_1", version=1, assignee=ana, **at)  # type: ignore[arg-type]
    casework.ask(connection, "demo", "case_1", version=2, text="Where from?", **at)  # type: ignore[arg-type]
    answered = casework.answer(connection, "demo", "case_1", version=3, text="Bought.", **at)  # type: ignore[arg-type]
    casework.note(connection, "demo", "case_1", text="Says so himself", **at)  # type: ignore[arg-type]
    decided = decide(connection, 4)
    closed = casework.close(connection, "demo", "case_1", version=5, **at)  # type: ignore[arg-type]
    again = casework.reopen(connection, "demo", "case_1", version=6, because="appeal", **at)  # type: ignore[arg-type]

    assert (answered.state, answered.assignee_login) == ("assigned", "ana")
    assert (decided.state, decided.outcome) == ("decided", "confirmed")
    assert (closed.state, closed.closed_at) == ("closed", NOW + 1)
    assert (again.state, again.outcome, again.closed_at, again.assignee) == ("open", None, None, None)
    steps = ["assigned", "asked", "answered", "noted", "decided", "closed", "reopened"]
    assert verbs(connection) == ["opened", *steps]
    acts = [row.act for row in audit.recent(connection, "demo", act="case.").items]
    assert acts == [f"case.{verb}" for verb in reversed(steps)]


def test_the_second_of_two_is_told_who_was_first(connection: Connection, case: Case) -> None:
    """Who acts on what is no longer so learns who changed it, and changes nothing."""
    decide(connection, 1)

    with pytest.raises(Conflict, match="ana decided this case at 2026-11-22T12:00:00"):
        decide(connection, 1, outcome="unfounded", actor="bob")

    assert casework.one(connection, "demo", "case_1").outcome == "confirmed"


def test_evidence_does_not_make_people_lose(connection: Connection, case: Case) -> None:
    """Events that join while somebody decides do not refuse the decision."""
    casework.apply_changes(connection, "demo", [make_change(opens=False, event_id="evt_2")], NOW)

    assert decide(connection, 1).state == "decided"


def test_moves_that_are_not_allowed_are_conflicts(connection: Connection, case: Case) -> None:
    """An open case cannot be closed or released."""
    with pytest.raises(Conflict, match="the case is open: it cannot be closed"):
        casework.close(connection, "demo", "case_1", version=1, actor="ana", at=NOW)
    with pytest.raises(Conflict, match="cannot be released"):
        casework.release(connection, "demo", "case_1", version=1, actor="ana", at=NOW)


def test_a_subject_has_one_open_case(connection: Connection, case: Case) -> None:
    """A closed case is not reopened beside a newer one about the same subject."""
    decide(connection, 1)
    casework.apply_changes(connection, "demo", [make_change(id="case_2")], NOW)

    with pytest.raises(Conflict, match="case_2"):
        casework.reopen(connection, "demo", "case_1", version=2, actor="ana", at=NOW, because="appeal")


def test_a_decision_labels_and_acts(connection: Connection, case: Case) -> None:
    """Deciding records the label and puts the action into the outbox, in one transaction."""
    decide(connection, 1, label="purchased_list", actions=[make_action(id="act_9", name="suspend_account")])

    (label,) = casework.labels_of(connection, "demo", "account", "acc_1")
    assert (label.label, label.certainty, label.by, label.case_id) == ("purchased_list", "confirmed", "ana", "case_1")
    entry, _ = outbox.one(connection, "demo", "act_9")
    assert (entry.action, entry.state, entry.payload["case"]) == ("suspend_account", "due", "case_1")
    assert verbs(connection)[-2:] == ["decided", "action_asked"]
    with pytest.raises(ValueError, match="maybe"):
        decide(connection, 2, outcome="maybe")


def test_pages_are_ordered_and_filtered(connection: Connection, ana: int) -> None:
    """Urgent first or changed last first, by state, queue, severity, person and text, without loss between pages."""
    changes = [
        make_change(
            id=f"case_{n}", subject=f"acc_{n}", severity=n % 3 + 1, at=NOW + n, queue=("review", "abuse")[n % 2]
        )
        for n in range(7)
    ]
    for n, change in enumerate(changes):
        casework.apply_changes(connection, "demo", [change], NOW + n * HOUR)
    casework.assign(connection, "demo", "case_3", version=1, actor="ana", at=NOW + 99 * HOUR, assignee=ana)

    def ids(**but: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = casework.page(connection, "demo", cursor=cursor, limit=2, **but)
            found += [item.id.removeprefix("case_") for item in page.items]
            cursor = page.next
            if cursor is None:
                return found

    assert ids() == ["2", "5", "1", "4", "0", "3", "6"]
    assert ids(order="recent") == ["3", "6", "5", "4", "2", "1", "0"]
    assert ids(states=["assigned"]) == ids(assignee=ana) == ["3"]
    assert ids(queue="abuse", assignee="nobody") == ["5", "1"]
    assert ids(min_severity=3) == ["2", "5"]
    assert ids(subject=("account", "acc_4")) == ids(text="ACC_4") == ["4"]
    assert ids(text="%") == []


def test_cases_are_one_tenant_s(connection: Connection, case: Case) -> None:
    """No read and no act reaches another tenant's case."""
    assert casework.page(connection, "other").items == []
    assert casework.timeline(connection, "other", "case_1") == []
    assert casework.labels_of(connection, "other", "account", "acc_1") == []
    for act in (
        lambda: casework.one(connection, "other", "case_1"),
        lambda: casework.by_number(connection, "other", case.number),
        lambda: casework.note(connection, "other", "case_1", actor="eve", at=NOW, text="x"),
        lambda: casework.close(connection, "other", "case_1", version=1, actor="eve", at=NOW),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_case_is_assigned_within_its_tenant(connection: Connection, case: Case, ana: int) -> None:
    """Nobody of another tenant is given a case."""
    casework.apply_changes(connection, "other", [make_change()], NOW)

    with pytest.raises(NotFound):
        casework.assign(connection, "other", "case_1", version=1, actor="eve", at=NOW, assignee=ana)
