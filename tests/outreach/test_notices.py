"""Notices drafted from templates."""

from typing import Any

from goodsend.outreach.notices import draft, parse_notices
from tests.cases.test_triage import POLICIES
from tests.decisions.test_decide import ACTIONS, decided, make_hit

TABLE: dict[str, Any] = {
    "how_to_appeal": {"en": "Reply to this message.", "de": "Antworten Sie auf diese Nachricht."},
    "languages": {"DE": "de"},
    "notice": {
        "warn_en": {"for_actions": ["warn_account"], "language": "en", "subject": "Clause {policy_clause}",
                    "body": "Dear {account}\n{facts}\n{how_to_appeal}"},
        "warn_de": {"for_actions": ["warn_account"], "language": "de", "subject": "Klausel {policy_clause}",
                    "body": "Guten Tag {account}\n{facts}\n{how_to_appeal}"},
    },
}  # fmt: skip
OUTREACH, _ = parse_notices({"core/notices/x.toml": TABLE}, ACTIONS)


def test_a_notice_says_what_why_and_how_to_answer() -> None:
    """The facts are those of the rules that asked for the action, each once."""
    decision = decided(make_hit(), make_hit(rule="b"), make_hit(rule="c", reason="Unrelated.", actions=()))

    notice = draft(decision, OUTREACH, POLICIES, ACTIONS, "FR")

    assert notice is not None
    assert notice.subject == "Clause 1"
    assert notice.body == "Dear acc_1\n- Many addresses.\nReply to this message."


def test_the_language_follows_the_country() -> None:
    """German for Germany; English where the pack knows nothing better."""
    notice = draft(decided(make_hit()), OUTREACH, POLICIES, ACTIONS, "DE")

    assert notice is not None
    assert notice.body.startswith("Guten Tag")


def test_text_from_outside_is_not_a_template() -> None:
    """A reason that looks like a variable stays as it is."""
    notice = draft(decided(make_hit(reason="Subject: {account}")), OUTREACH, POLICIES, ACTIONS, None)

    assert notice is not None
    assert "- Subject: {account}\n" in notice.body


def test_nothing_done_means_nothing_to_tell() -> None:
    """Without an action, or without a template for it, there is no notice."""
    assert draft(decided(), OUTREACH, POLICIES, ACTIONS, None) is None
    assert draft(decided(make_hit(actions=("hold_campaign",)), campaign="c"), OUTREACH, POLICIES, ACTIONS, None) is None


def test_unknown_variables_and_actions_are_problems() -> None:
    """Checked when the pack is read, not when somebody waits for the notice."""
    table = {"notice": {"x": {"for_actions": ["warn_acount"], "language": "en", "subject": "s", "body": "{acount}"}}}

    _, problems = parse_notices({"local/notices/x.toml": table}, ACTIONS)

    assert [(problem.message, problem.hint) for problem in problems] == [
        ("no action is named 'warn_acount'", "did you mean 'warn_account'?"),
        ("no variable is named 'acount'", "did you mean {account}?"),
    ]
