"""Notices drafted from templates: `packs/*/notices/*.toml`. Sending them is for the worker, and for people."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.model import Decision
from goodsend.kit.clock import day_of
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.kit.text import closest
from goodsend.outreach.model import Notice
from goodsend.policies.clauses import Policy

_PLACE = re.compile(r"\{([a-z_]+)\}")
VARIABLES = {
    "account": "the account's id",
    "policy_clause": "number of the clause",
    "policy_title": "title of the clause",
    "policy_text": "the clause itself, as customers read it",
    "facts": "the reasons, one a line",
    "what_was_done": "the actions asked for, in words",
    "how_to_appeal": "how to answer, from the pack",
    "decision": "id of the decision, to quote in an answer",
}
"""What a template may use."""


class Template(msgspec.Struct, frozen=True):
    """One notice in one language, for the actions it explains."""

    id: str
    for_actions: frozenset[str]
    language: str
    subject: str
    body: str


class Outreach(msgspec.Struct, frozen=True):
    """Templates by (action, language), how to appeal by language, and the language of a country's senders."""

    templates: dict[tuple[str, str], Template]
    how_to_appeal: dict[str, str]
    languages: dict[str, str]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    for_actions: list[str]
    language: str
    subject: str
    body: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    notice: dict[str, _Table] = {}
    how_to_appeal: dict[str, str] = {}
    languages: dict[str, str] = {}


def parse_notices(
    files: Mapping[str, Mapping[str, Any]], actions: Mapping[str, ActionKind]
) -> tuple[Outreach, list[Problem]]:
    """Read notices from decoded TOML by file name; unknown actions and variables are Problems."""
    problems: list[Problem] = []
    outreach = Outreach({}, {}, {})
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        outreach.how_to_appeal.update(read.how_to_appeal)
        outreach.languages.update(read.languages)
        for id_, table in read.notice.items():
            template = Template(id_, frozenset(table.for_actions), table.language, table.subject, table.body)
            problems += [problem.at(f"{file}: {id_}") for problem in _check(template, actions)]
            for action in template.for_actions:
                outreach.templates[action, template.language] = template
    return outreach, problems


def _check(template: Template, actions: Mapping[str, ActionKind]) -> list[Problem]:
    problems = []
    for action in sorted(template.for_actions - actions.keys()):
        near = closest(action, actions)
        hint = f"did you mean {near!r}?" if near else None
        problems.append(Problem("for_actions", f"no action is named {action!r}", hint))
    for part, text in (("subject", template.subject), ("body", template.body)):
        for found in _PLACE.finditer(text):
            if found[1] not in VARIABLES:
                near = closest(found[1], VARIABLES)
                hint = f"did you mean {{{near}}}?" if near else f"known: {', '.join(VARIABLES)}"
                problems.append(Problem(part, f"no variable is named {found[1]!r}", hint, text, *found.span(1)))
    return problems


def draft(
    decision: Decision,
    outreach: Outreach,
    policies: Mapping[str, Policy],
    actions: Mapping[str, ActionKind],
    country: str | None,
) -> Notice | None:
    """
    Return the notice for the hardest action of a decision, or None when nothing was done or no template explains it.

    One account gets one notice of a kind a day: the id follows from both.

    The language follows the account's country where the pack knows it, English otherwise.
    """
    if decision.account is None or not decision.actions:
        return None
    action = max(decision.actions, key=lambda asked: actions[asked.name].impact)
    language = outreach.languages.get(country or "", "en")
    template = outreach.templates.get((action.name, language)) or outreach.templates.get((action.name, "en"))
    if template is None:
        return None
    policy = policies[action.policy]
    reasons = dict.fromkeys(hit.reason for hit in decision.hits if hit.acts and hit.rule in action.because)
    values = {
        "account": decision.account,
        "policy_clause": policy.clause,
        "policy_title": policy.title,
        "policy_text": policy.text,
        "facts": "\n".join(f"- {reason}" for reason in reasons),
        "what_was_done": "\n".join(f"- {actions[asked.name].doc}" for asked in decision.actions),
        "how_to_appeal": outreach.how_to_appeal.get(template.language, outreach.how_to_appeal.get("en", "")),
        "decision": decision.id,
    }
    return Notice(
        id=derived_id("ntc", decision.tenant, decision.account, template.id, day_of(decision.at)),
        account=decision.account,
        template=template.id,
        language=template.language,
        subject=_PLACE.sub(lambda found: values[found[1]], template.subject),
        body=_PLACE.sub(lambda found: values[found[1]], template.body),
        policy=action.policy,
        decision_id=decision.id,
        at=decision.at,
    )
