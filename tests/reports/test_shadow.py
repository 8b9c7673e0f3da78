"""What rules in shadow would have changed."""

from goodsend.decisions.model import Decision
from goodsend.reports.shadow import Change, compare, would_be
from goodsend.rules.groups import Group
from goodsend.rules.model import Hit, Mode, Verdict
from goodsend.rules.ruleset import Ruleset
from tests.decisions.test_decide import THRESHOLDS, decided, make_hit

RULES = Ruleset({}, {}, {}, {"imports": Group("imports", "Imports.", "first")}, {}, {"wide": 2, "narrow": 1})


def make_shadow(**but: object) -> Hit:
    """A hit in shadow that would hold, but with these values."""
    given = {"rule": "new", "mode": Mode.SHADOW, "acts": False, "verdict": Verdict.HOLD}
    return make_hit(**(given | but))


def test_a_stricter_rule_would_have_changed_what_is_laxer() -> None:
    """Allowed events would be held; an event that is held by another rule stays as it is."""
    allowed, held = decided(make_shadow()), decided(make_shadow(), make_hit(verdict=Verdict.HOLD))

    (found,) = compare([allowed, allowed, held], RULES, THRESHOLDS)

    assert (found.rule, found.mode, found.hits, found.accounts, found.agreed) == ("new", Mode.SHADOW, 3, 1, 1)
    assert found.live == {Verdict.ALLOW: 2, Verdict.HOLD: 1}
    assert found.changes == {(Verdict.ALLOW, Verdict.HOLD): 2}
    assert found.accounts_changed == 1
    assert found.samples[0] == Change("evt_1", allowed.id, "acc_1", Verdict.ALLOW, Verdict.HOLD)


def test_weights_count_as_they_would() -> None:
    """A rule that only weighs tips the sum over a threshold."""
    weak = make_hit(rule="weak", policy="other", weight=3.0, verdict=Verdict.ALLOW)

    decision = decided(weak, make_shadow(weight=2.0, verdict=Verdict.ALLOW))

    assert would_be(decision, "new", RULES, THRESHOLDS) is Verdict.REVIEW


def test_in_a_group_the_new_rule_may_come_first_or_be_suppressed() -> None:
    """A narrow rule that allows would take the place of a wide one that holds; the other way round nothing changes."""
    wide = make_hit(rule="wide", group="imports", verdict=Verdict.HOLD)
    narrow = make_shadow(rule="narrow", group="imports", verdict=Verdict.ALLOW)

    before = decided(wide, narrow)
    after = decided(make_shadow(rule="wide", group="imports"), make_hit(rule="narrow", group="imports"))

    assert would_be(before, "narrow", RULES, THRESHOLDS) is Verdict.ALLOW
    assert would_be(after, "wide", RULES, THRESHOLDS) is Verdict.REVIEW


def test_a_suppressed_hit_is_no_shadow() -> None:
    """It is live, and another of its group came first; a rule that acted everywhere is not told of."""
    late = make_hit(rule="wide", group="imports", acts=False, suppressed_by="narrow")

    assert compare([decided(make_hit(rule="narrow", group="imports"), late)], RULES, THRESHOLDS) == ()


def test_a_rule_with_a_share_is_told_with_what_it_did() -> None:
    """Hits out of its share are compared, those in it counted; `only` looks at one rule."""
    decisions: list[Decision] = [
        decided(make_shadow(mode=Mode.LIVE)),
        decided(make_hit(rule="new")),
        decided(make_shadow(rule="x")),
    ]

    (found,) = compare(decisions, RULES, THRESHOLDS, "new")

    assert (found.mode, found.hits, found.acting) == (Mode.LIVE, 1, 1)
