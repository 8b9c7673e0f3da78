"""Labels on entities, breakers and alarms in the database."""

import msgspec
import pytest

from goodsend.decisions.breaker import Counted
from goodsend.decisions.labels import joined
from goodsend.decisions.model import Action, Decision, EntityLabel, HeldBack
from goodsend.kit.clock import DAY, HOUR, MINUTE
from goodsend.kit.errors import NotFound
from goodsend.reports.alarms import RuleHour
from goodsend.rules.model import Verdict
from goodsend.store import alarms, audit, breaker, entity_labels, log, outbox, tenants
from goodsend.store.connection import Connection
from tests.conftest import NOW, make_event
from tests.decisions.test_decide import make_hit
from tests.decisions.test_labels import make_label

IP = ("ip", "203.0.113.9")
HOUR_NOW = NOW // HOUR * HOUR


@pytest.fixture(autouse=True)
def tenant(connection: Connection) -> None:
    """The tenant of these tests."""
    tenants.ensure(connection, "demo", "Demo", NOW)


def make_action(number: int, name: str = "warn_account") -> Action:
    """An action on one of many accounts."""
    return Action(f"act_{number}", name, "account", f"acc_{number}", {}, "bought", ("big",))


def make_decision(number: int, *, kept: int = 0, held: int = 0, at: int = NOW, hits: tuple[str, ...] = ()) -> Decision:
    """A decision that asks for the action of its number, or holds it back."""
    action = make_action(number)
    return Decision(
        f"dec_{number}", "demo", f"evt_{number}", "list.imported", at, f"acc_{number % 100}", Verdict.REVIEW, 3, 0.0,
        tuple(make_hit(rule=rule) for rule in hits), (action,) * kept, {}, {},
        held_back=(HeldBack(action, 2, "too many"),) * held,
    )  # fmt: skip


def test_labels_come_back_with_their_time(connection: Connection) -> None:
    """By entity, those that are still in force at the time asked for; a very long key is found again."""
    long = EntityLabel("user_agent", "x" * 5_000, "odd", 10, 90, ("big",), "dec_1")
    entity_labels.keep(connection, "demo", [], [make_label(10, 20), make_label(15, 40, "tried"), long])

    found = entity_labels.of(connection, "demo", [IP, ("user_agent", "x" * 5_000), ("ip", "203.0.113.1")], 20)

    assert found == {IP: [make_label(15, 40, "tried")], ("user_agent", "x" * 5_000): [long]}
    assert entity_labels.of(connection, "other", [IP], 0) == {}


def test_joined_labels_replace_what_they_were_made_of(connection: Connection) -> None:
    """One row remains of spans that meet, and the last rule and decision are known."""
    old, later = make_label(10, 20), make_label(25, 30)
    entity_labels.keep(connection, "demo", [], [old, later])
    new = msgspec.structs.replace(make_label(18, 25), because=("other",), decision="dec_2")

    labels, gone = joined(entity_labels.of(connection, "demo", [IP], 0)[IP], new)
    entity_labels.keep(connection, "demo", gone, [labels[-1]])

    (kept,) = entity_labels.of(connection, "demo", [IP], 0)[IP]
    assert (kept.since, kept.until, kept.because, kept.decision) == (10, 30, ("other",), "dec_2")


def test_a_person_can_lift_a_label(connection: Connection) -> None:
    """It ends at that moment, the audit knows, and lifting what is not there is told."""
    entity_labels.keep(connection, "demo", [], [make_label(NOW - DAY, NOW + DAY)])
    assert [label.label for label in entity_labels.on(connection, "demo", *IP, NOW)] == ["suspicious"]

    entity_labels.lift(connection, "demo", *IP, "suspicious", actor="ada", why="a shared office", now=NOW)

    assert entity_labels.on(connection, "demo", *IP, NOW) == []
    assert audit.recent(connection, "demo").items[0].act == "label.lifted"
    with pytest.raises(NotFound, match="does not have the label"):
        entity_labels.lift(connection, "demo", *IP, "suspicious", actor="ada", why="again", now=NOW)


def test_old_labels_are_forgotten(connection: Connection) -> None:
    """Those that ended before a time."""
    entity_labels.keep(connection, "demo", [], [make_label(10, 20), make_label(10, 40, "tried")])

    assert entity_labels.purge(connection, 30) == 1
    assert entity_labels.of(connection, "demo", [IP], 0) == {IP: [make_label(10, 40, "tried")]}


def test_counts_outlive_the_process(connection: Connection) -> None:
    """A new process knows of the day what the old one counted; another day is read when it comes."""
    asked = Counted({"warn_account": 2})
    decisions = [make_decision(n, kept=1) for n in range(2)] + [make_decision(9, kept=1, at=NOW - 2 * DAY)]
    for decision in decisions:
        asked.learn(decision.actions, decision.at)
    breaker.keep(connection, "demo", asked, decisions, NOW)

    again = Counted({"warn_account": 2})
    breaker.catch_up(connection, "demo", again, [NOW])
    first = dict(again.counts)
    breaker.catch_up(connection, "demo", again, [NOW - 2 * DAY, NOW])

    assert first == {("warn_account", HOUR_NOW): 2}
    assert (again.counts, again.hours) == (asked.counts, asked.hours)


def test_what_is_held_back_is_counted_and_told_once_an_hour(connection: Connection) -> None:
    """One alarm for the hour however many decisions, and one message to where the tenant wants them."""
    outbox.set_destination(connection, "demo", "webhook", "https://hooks.example/x", "secret", NOW)
    asked = Counted({"warn_account": 2})

    breaker.keep(connection, "demo", asked, [make_decision(n, held=1) for n in range(3)], NOW)
    breaker.keep(connection, "demo", asked, [make_decision(7, held=1)], NOW + MINUTE)

    (held,) = breaker.held_back(connection, "demo", HOUR_NOW)
    (alarm,) = alarms.latest(connection, "demo")
    (entry,) = outbox.page(connection, "demo").items
    assert (held.action, held.per_hour, held.decisions, held.first_decision) == ("warn_account", 2, 4, "dec_0")
    assert (alarm.kind, alarm.subject, alarm.at, alarm.body["rules"]) == ("breaker", "warn_account", HOUR_NOW, ["big"])
    assert "more than 2 times in the hour from 2026-11-22T12:00:00Z" in alarm.reason
    assert (entry.id, entry.action, entry.target, entry.payload["reason"]) == (
        alarm.id, "tell_operators", "demo", alarm.reason,
    )  # fmt: skip


def test_without_a_destination_the_console_alone_tells(connection: Connection) -> None:
    """Nothing is printed into the void."""
    breaker.keep(connection, "demo", Counted({"warn_account": 2}), [make_decision(1, held=1)], NOW)

    assert len(alarms.latest(connection, "demo", unseen=True)) == 1
    assert outbox.page(connection, "demo").items == []


def test_who_saw_an_alarm_first_stays_named(connection: Connection) -> None:
    """It leaves the unseen ones, and the audit knows."""
    breaker.keep(connection, "demo", Counted({"warn_account": 2}), [make_decision(1, held=1)], NOW)
    (alarm,) = alarms.latest(connection, "demo")

    alarms.see(connection, "demo", alarm.id, "ada", NOW)
    seen = alarms.see(connection, "demo", alarm.id, "bob", NOW + HOUR)

    assert (seen.seen_by, seen.seen_at) == ("ada", NOW)
    assert alarms.latest(connection, "demo", unseen=True) == []
    with pytest.raises(NotFound):
        alarms.see(connection, "demo", "alm_none", "ada", NOW)


def test_an_hour_is_tallied_by_rule(connection: Connection) -> None:
    """Distinct accounts that a rule fired on, of those with events it looks at; hours around it are apart."""
    decided = [
        (1, HOUR_NOW, ("big",)), (101, HOUR_NOW, ("big",)), (2, HOUR_NOW + HOUR - 1, ()),
        (3, HOUR_NOW + HOUR, ("big",)),
    ]  # fmt: skip
    rows = [
        log.LogRow(place, make_event(id=f"evt_{number}", at=at), bytes(16), {}, make_decision(number, at=at, hits=hits))
        for place, (number, at, hits) in enumerate(decided, 1)
    ]
    log.append(connection, "demo", rows, NOW)

    rules = {"big": ("rv_1", ["list.imported"]), "all": ("rv_2", []), "mails": ("rv_3", ["campaign.submitted"])}
    for _ in range(2):
        alarms.tally(connection, "demo", HOUR_NOW, rules)

    assert alarms.hours(connection, "demo", HOUR_NOW) == {
        "big": [RuleHour(HOUR_NOW, "rv_1", 2, 1, 2)],
        "all": [RuleHour(HOUR_NOW, "rv_2", 0, 0, 2)],
        "mails": [RuleHour(HOUR_NOW, "rv_3", 0, 0, 0)],
    }
    assert alarms.last_tallied(connection, "demo") == HOUR_NOW
    assert alarms.first_decided(connection, "demo", HOUR_NOW) == HOUR_NOW
