"""Labels that rules put on entities."""

from hypothesis import given
from hypothesis import strategies as st

from goodsend.decisions.decide import decide
from goodsend.decisions.labels import in_force, joined, label_facts
from goodsend.decisions.model import Decision, EntityLabel
from goodsend.facts import FactType
from goodsend.kit.clock import DAY, HOUR
from goodsend.rules.model import Evaluation, Hit, Labelling
from tests.conftest import NOW, make_event
from tests.decisions.test_decide import ACTIONS, THRESHOLDS, make_hit


def make_label(since: int, until: int, label: str = "suspicious") -> EntityLabel:
    """A label on an address."""
    return EntityLabel("ip", "203.0.113.9", label, since, until, ("big",), "dec_1")


def labelled(*hits: Hit) -> Decision:
    """The decision on an event that names an account and an address."""
    return decide(
        make_event(), Evaluation(hits, {}), thresholds=THRESHOLDS, actions=ACTIONS,
        entities={"account": "acc_1", "ip": "203.0.113.9"}, versions={}, late=False,
    )  # fmt: skip


def test_an_acting_rule_labels_the_entities_its_event_names() -> None:
    """From the event on, for as long as the rule says; an entity the event does not name is left out."""
    decision = labelled(make_hit(labels=(Labelling("ip", "suspicious", 7 * DAY), Labelling("card", "tried", DAY))))

    assert decision.labels == (
        EntityLabel("ip", "203.0.113.9", "suspicious", NOW, NOW + 7 * DAY, ("big",), decision.id),
    )


def test_two_rules_that_set_one_label_set_it_once_for_the_longer_time() -> None:
    """Both are named."""
    short = make_hit(rule="a", labels=(Labelling("ip", "suspicious", HOUR),))
    long = make_hit(rule="b", labels=(Labelling("ip", "suspicious", DAY),))

    (label,) = labelled(short, long).labels

    assert (label.until, label.because) == (NOW + DAY, ("a", "b"))


def test_a_rule_in_shadow_labels_nothing() -> None:
    """Shadow has no effect."""
    assert labelled(make_hit(acts=False, labels=(Labelling("ip", "suspicious", DAY),))).labels == ()


def test_a_label_is_in_force_from_its_event_until_it_expires() -> None:
    """The first moment counts, the last does not; a late event from before does not see it."""
    labels = [make_label(10, 20), make_label(15, 30, "tried")]

    assert [in_force(labels, at) for at in (9, 10, 19, 20, 30)] == [
        (), ("suspicious",), ("suspicious", "tried"), ("tried",), (),
    ]  # fmt: skip


def test_labels_that_meet_become_one_and_others_stay_apart() -> None:
    """A renewed label goes on; one that had ended before leaves its own time behind."""
    old, other = make_label(10, 20), make_label(12, 13, "tried")

    renewed, met = joined([old, other], make_label(15, 40))
    apart, none = joined([old], make_label(21, 30))

    assert (renewed, met) == ([other, make_label(10, 40)], [old])
    assert (apart, none) == ([old, make_label(21, 30)], [])


SPANS = st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda span: make_label(span[0], span[0] + span[1]))


@given(st.lists(SPANS, max_size=8), st.integers(-1, 45))
def test_joining_never_changes_what_is_in_force(spans: list[EntityLabel], at: int) -> None:
    """In whatever order labels come, a time is covered exactly when one of them covers it."""
    kept: list[EntityLabel] = []
    for span in spans:
        kept, _ = joined(kept, span)

    assert in_force(kept, at) == in_force(spans, at)
    assert len({(label.since, label.until) for label in kept}) == len(kept)


def test_the_facts_are_named_after_the_entity_types() -> None:
    """One column for each type that some event carries."""
    (fact,) = label_facts(["ip", "card"], {"ip": frozenset({"account.logged_in"}), "card": frozenset()})

    assert (fact.name, fact.type, fact.kinds, fact.personal) == (
        "l.ip_labels", FactType.TEXTS, frozenset({"account.logged_in"}), False,
    )  # fmt: skip
