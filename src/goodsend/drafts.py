"""
Rules as they are written: the members of a form, the TOML they become, the problems found in it, and what it would hit.

A draft is checked against a pack without building that pack again, so that it can be done while somebody types. What
only shows with all definitions together (a circle of rules, say) is found when the whole pack is built.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import re2  # type: ignore[import-untyped]

from goodsend.expr.explain import Clause, explain, what_would_change
from goodsend.expr.functions import Lists
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Facts, Value
from goodsend.kit.clock import Micros, format_duration
from goodsend.kit.errors import Problem
from goodsend.pack import FUNCTIONS, Pack
from goodsend.rules.composites import PREFIX, rule_facts
from goodsend.rules.evaluate import failing_cases, is_in_share
from goodsend.rules.model import Mode, Rule, RuleCase
from goodsend.rules.ruleset import References, Ruleset, compile_rules, parse_rules

FILE: Final = "draft"
SAMPLES: Final = 10
"""Events named as examples of what a draft would hit. Own value."""


_LONG_KEY: Final = re2.compile(r"""(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){128}""")
"""A dotted key of so many parts: reading one costs the square of their number in time and memory. Own value."""


def toml_of(text: str) -> dict[str, Any]:
    """Return a text that somebody typed as TOML. Raises ValueError with a sentence, whatever it is."""
    if _LONG_KEY.search(text):
        raise ValueError("more than 128 names stand in a row with points between them")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class Draft(msgspec.Struct, frozen=True):
    """
    The members of a rule as a form holds them. `cases` is TOML: `[[case]]` tables; `labels` one a line:
    `account suspicious 7d`. `severity`, `weight`, `share`, `order` are texts, as typed.
    """

    id: str = ""
    doc: str = ""
    owner: str = ""
    policy: str = ""
    severity: str = "3"
    on: tuple[str, ...] = ()
    when: str = ""
    verdict: str = "review"
    reason: str = ""
    actions: tuple[str, ...] = ()
    weight: str = "0"
    mode: str = "shadow"
    share: str = "1"
    source: str = ""
    group: str = ""
    order: str = "0"
    labels: str = ""
    cases: str = ""


class Checked(msgspec.Struct, frozen=True):
    """
    What was found about a draft. `rule` and `expression` are None where problems keep them from existing; `failing`
    are the cases that do not hold: (name, expected, got). `ruleset` holds the rule and those it is made of.
    """

    problems: tuple[Problem, ...]
    rule: Rule | None = None
    expression: Expression | None = None
    failing: tuple[tuple[str, bool | None, bool | None], ...] = ()
    ruleset: Ruleset | None = None

    @property
    def wrong(self) -> tuple[Problem, ...]:
        """The problems with what is written."""
        return tuple(one for one in self.problems if one.message != EMPTY)

    @property
    def missing(self) -> tuple[Problem, ...]:
        """The problems with what is not written yet."""
        return tuple(one for one in self.problems if one.message == EMPTY)

    @property
    def is_sound(self) -> bool:
        """Whether it could be put to work as far as can be told alone."""
        return self.rule is not None and not self.problems and not self.failing


class Tried(msgspec.Struct, frozen=True):
    """
    A draft judged on one event that was decided: its truth, why, what would change it, and what was not known.

    `in_looks` is False where the draft does not look at such events at all.
    """

    truth: bool | None
    clause: Clause
    changes: list[str]
    unknown: tuple[str, ...]
    is_looked_at: bool
    in_share: bool


class Row(msgspec.Struct, frozen=True):
    """One event that was decided: its facts as they were, what was answered, and which rules fired."""

    event_id: str
    kind: str
    at: Micros
    account: str | None
    verdict: str
    rules: tuple[str, ...]
    facts: Facts


class Predicted(msgspec.Struct, frozen=True):
    """
    What a draft would have hit among the latest events that were decided, facts taken as they were.

    `events` of its kinds were looked at, from `since` to `until`; `hits` and `unknown` of them, on `accounts` distinct
    accounts. `acting` of the hits would act: the draft is live, and the account inside its `share` (0…1). `verdicts`
    are the answers the hit events had. `live` counts the hits of the rule that is live under the same id, judged on the
    same events, `new` and `lost` against them; `live_acting`, `new_acting`, `lost_acting` the same of what acts (None
    where that was not counted). `is_whole` is False where time ran out.
    """

    events: int
    hits: int
    acting: int
    unknown: int
    accounts: int
    live: int
    new: int
    lost: int
    since: Micros | None
    until: Micros | None
    verdicts: dict[str, int]
    samples: tuple[str, ...]
    is_whole: bool = True
    backtest: str | None = None
    mode: Mode | None = None
    share: float = 1.0
    acting_accounts: int | None = None
    live_acting: int | None = None
    new_acting: int | None = None
    lost_acting: int | None = None


# -- writing ----------------------------------------------------------------------------------------------------------


def draft_of(rule: Rule) -> Draft:
    """Return a rule as the members of a form."""
    return Draft(
        id=rule.id,
        doc=rule.doc,
        owner=rule.owner,
        policy=rule.policy,
        severity=str(rule.severity),
        on=tuple(sorted(rule.on)),
        when=rule.when,
        verdict=rule.verdict.value,
        reason=rule.reason,
        actions=rule.actions,
        weight=f"{rule.weight:g}",
        mode=rule.mode.value,
        share=f"{rule.share:g}",
        source=rule.source or "",
        group=rule.group or "",
        order=str(rule.order),
        labels="\n".join(f"{one.entity} {one.label} {format_duration(one.lasts)}" for one in rule.labels),
        cases="\n".join(_case_text("case", case) for case in rule.cases),
    )


def body_of(draft: Draft) -> tuple[str, list[Problem]]:
    """Return the draft as TOML, and what in it could not be written (a number that is none, cases that are no TOML)."""
    problems: list[Problem] = []
    members: dict[str, Any] = {
        "doc": draft.doc.strip(),
        "owner": draft.owner.strip(),
        "policy": draft.policy,
        "severity": _number("severity", draft.severity, int, problems),
        "on": list(draft.on),
        "when": draft.when.strip(),
        "verdict": draft.verdict,
        "actions": list(draft.actions),
        "weight": _number("weight", draft.weight, float, problems),
        "mode": draft.mode,
        "share": _number("share", draft.share, float, problems),
        "reason": draft.reason.strip(),
        "source": draft.source.strip() or None,
        "group": draft.group.strip() or None,
        "order": _number("order", draft.order or "0", int, problems) or None,
    }
    lines = [f"[rule.{_key(draft.id)}]"]
    lines += [f"{name} = {written(value)}" for name, value in members.items() if value is not None]
    for line in filter(None, (line.strip() for line in draft.labels.splitlines())):
        entity, _, rest = line.partition(" ")
        label, _, lasts = rest.strip().partition(" ")
        if not lasts:
            hint = "the entity, the label, how long: account suspicious 7d"
            problems.append(Problem("labels", f"{line!r} is not a label", hint))
            continue
        lines.append(f"[[rule.{_key(draft.id)}.labels]]")
        lines += [f"entity = {_text(entity)}", f"label = {_text(label)}", f"for = {_text(lasts.strip())}"]
    lines += _cases(draft, problems)
    return "\n".join(lines) + "\n", problems


def _cases(draft: Draft, problems: list[Problem]) -> list[str]:
    source = draft.cases.replace("\r\n", "\n")
    try:
        cases = toml_of(source).get("case", [])
    except ValueError as error:
        problems.append(Problem("case", f"cannot be read: {error}", _CASE_HINT))
        return []
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        problems.append(Problem("case", "is not a list of tables", _CASE_HINT))
        return []
    lines = []
    for case in cases:
        lines.append(f"[[rule.{_key(draft.id)}.case]]")
        lines += [f"{_key(str(name))} = {written(value)}" for name, value in case.items()]
    return lines


_CASE_HINT = 'write [[case]], then name = "…", given = { "e.recipients" = 5000 }, fires = true'


def _case_text(table: str, case: RuleCase) -> str:
    given = ", ".join(f"{_text(name)} = {written(value)}" for name, value in case.given.items())
    fires = {True: "true", False: "false", None: '"unknown"'}[case.fires]
    return f"[[{table}]]\nname = {_text(case.name)}\ngiven = {{ {given} }}\nfires = {fires}\n"


def _number(name: str, typed: str, type_: type[int] | type[float], problems: list[Problem]) -> float | int:
    try:
        value = type_(typed.strip())
        if not -1e15 < value < 1e15:
            raise ValueError
    except ValueError:
        problems.append(Problem(name, f"{typed[:40]!r} is not a number", "digits only, with a point for parts: 0.25"))
        return 1 if name in ("severity", "share") else 0
    return value


def _key(name: str) -> str:
    return name if name and all(char.isascii() and (char.isalnum() or char in "_-") for char in name) else _text(name)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def written(value: Any) -> str:
    """Return a value as TOML; a text of several lines stands on several lines."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        text = value.replace("\r\n", "\n")
        if "\n" not in text:
            return _text(text)
        return '"""\n' + "\n".join(_text(line)[1:-1] for line in text.split("\n")) + '"""'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(str(name))} = {written(item)}" for name, item in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return _text(str(value))  # a date in a case: told as text, and refused as that


# -- checking ---------------------------------------------------------------------------------------------------------


def references_of(pack: Pack) -> References:
    """Return what rules of this pack may refer to."""
    carriers = {
        entity: frozenset(kind for kind, fields in pack.entity_fields.items() if entity in fields)
        for entity in pack.kinds.entities
    }
    actions = {name: carriers.get(action.target, frozenset()) for name, action in pack.actions.items()}
    return References(pack.policies, actions, pack.kinds.kinds, pack.ruleset.groups, carriers)


EMPTY: Final = "is empty"
"""What is said of a member that is still to be written."""

_WANTED: Final = {
    "doc": "one sentence: what it looks for, and why",
    "owner": "who is asked about it",
    "reason": "what is said beside a hit: {e.recipients} recipients were imported at once.",
}
"""Members that may not be empty in what a second person approves."""


def check_rule(pack: Pack, id_: str, body: str) -> Checked:
    """Check the text of one rule against a pack. Places of problems are the members of the rule: `when`, `case: …`."""
    try:
        table = toml_of(body)
    except ValueError as error:
        return Checked((Problem("", f"is not TOML: {error}"),))
    rules, problems = parse_rules({FILE: table}, references_of(pack))
    problems += holds_only(table, "rule", id_)
    if id_ not in rules:
        return Checked(tuple(_inside(problem, id_) for problem in problems))
    mine = rules[id_][1]
    problems += [Problem(name, EMPTY, _WANTED[name]) for name in _WANTED if not str(getattr(mine, name)).strip()]
    compiled, found = compile_rules(
        _with_parts(id_, rules[id_], pack),
        pack.catalog.including(rule_facts(list(pack.ruleset.rules.values()))),
        FUNCTIONS,
        pack.lists,
        sorted(mine.on & pack.kinds.kinds.keys()),
        pack.ruleset.groups,
    )
    problems += found
    told = tuple(sorted((_inside(problem, id_) for problem in problems), key=_gravest))
    expression = compiled.expressions.get(id_)
    if expression is None:
        return Checked(told)
    failing = tuple(case[1:] for case in failing_cases(compiled, pack.list_values) if case[0] == id_)
    return Checked(told, compiled.rules[id_], expression, failing, compiled)


def _gravest(problem: Problem) -> int:
    """A mistake in the condition comes first; what is not written yet comes last."""
    return 2 if problem.message == EMPTY else problem.place != "when"


def holds_only(table: Mapping[str, Any], what: str, id_: str) -> list[Problem]:
    """Say so where a text defines anything but this one thing: what is approved under one name is that alone."""
    inner = table.get(what)
    if set(table) == {what} and isinstance(inner, dict) and set(inner) == {id_}:
        return []
    return [Problem("", f"must define the {what} {id_!r} and nothing else", f"one table: [{what}.{id_}]")]


def rule_in(pack: Pack, id_: str, body: str) -> Rule | None:
    """Return the rule that a text says, whether or not it could be put to work; None where it says none."""
    try:
        rules, _ = parse_rules({FILE: toml_of(body)}, references_of(pack))
    except ValueError:
        return None
    return rules[id_][1] if id_ in rules and rules[id_][1].version else None


def _with_parts(id_: str, mine: tuple[str, Rule], pack: Pack) -> dict[str, tuple[str, Rule]]:
    """Return the rule with every rule of the pack it is made of, near or far."""
    found = {id_: mine}
    waiting = [mine[1].when]
    while waiting:
        text = waiting.pop()
        for other, rule in pack.ruleset.rules.items():
            if other not in found and PREFIX + other in text:
                found[other] = (other, rule)
                waiting.append(rule.when)
    return found


_MEMBER = re.compile(r" - at `([a-z]+)[`.\[]")
"""Where a text has the wrong shape, its problem says so: - at `verdict`, - at `case[0].fires`."""


def _inside(problem: Problem, id_: str) -> Problem:
    place = problem.place.removeprefix(f"{FILE}: {id_}").removeprefix(FILE).removeprefix(": ")
    member = _MEMBER.search(problem.message)
    if not place and member:
        place = member[1]
    return msgspec.structs.replace(problem, place=place)


# -- trying -----------------------------------------------------------------------------------------------------------


def try_rule(rule: Rule, expression: Expression, row: Row, lists: Lists) -> Tried:
    """Judge a draft on one event, with the facts that were stored and the lists as they are."""
    clause = explain(expression, row.facts, lists)
    return Tried(
        clause.truth,
        clause,
        what_would_change(clause),
        expression.unknown(row.facts, lists),
        not rule.on or row.kind in rule.on,
        is_in_share(rule.id, row.account, rule.share),
    )


def predict(
    rule: Rule, expression: Expression, rows: Iterable[Row], lists: Lists, *, is_whole: bool = True,
    live: tuple[Rule, Expression] | None = None,
) -> Predicted:  # fmt: skip
    """Count what a draft would have hit among these rows, latest first; `live` is what is live under its id."""
    count: Counter[str] = Counter()
    since: Micros | None = None
    until: Micros | None = None
    accounts: set[str] = set()
    acting_accounts: set[str] = set()
    verdicts: Counter[str] = Counter()
    samples: list[str] = []
    for row in rows:
        truth = _truth(rule, expression, row, lists)
        before = False if live is None else _truth(*live, row, lists) is True
        acts = truth is True and _acts(rule, row)
        acted = live is not None and before and _acts(live[0], row)
        count.update(
            {
                "live": before, "live_acting": acted, "new": truth is True and not before,
                "lost": before and truth is not True, "new_acting": acts and not acted,
                "lost_acting": acted and not acts,
            }
        )  # fmt: skip
        if rule.on and row.kind not in rule.on:
            continue
        count.update({"events": True, "hits": truth is True, "unknown": truth is None, "acting": acts})
        since = row.at if since is None else min(since, row.at)
        until = row.at if until is None else max(until, row.at)
        if truth is not True:
            continue
        verdicts[row.verdict] += 1
        if row.account is not None:
            accounts.add(row.account)
            acting_accounts.update([row.account] if acts else ())
        if len(samples) < SAMPLES:
            samples.append(row.event_id)
    return Predicted(
        count["events"], count["hits"], count["acting"], count["unknown"], len(accounts), count["live"], count["new"],
        count["lost"], since, until, dict(verdicts), tuple(samples), is_whole, mode=rule.mode, share=rule.share,
        acting_accounts=len(acting_accounts), live_acting=count["live_acting"], new_acting=count["new_acting"],
        lost_acting=count["lost_acting"],
    )  # fmt: skip


def _truth(rule: Rule, expression: Expression, row: Row, lists: Lists) -> Value:
    """Return what a rule is on an event; one that is off, or looks at other kinds, is false."""
    if rule.on and row.kind not in rule.on:
        return False
    return expression.evaluate(row.facts, lists)


def _acts(rule: Rule, row: Row) -> bool:
    return rule.mode is Mode.LIVE and is_in_share(rule.id, row.account, rule.share)


# -- words ------------------------------------------------------------------------------------------------------------


def meanings(pack: Pack, kinds: Iterable[str], catalog: Catalog | None = None) -> Catalog:
    """
    Return the catalogue with every `e.` column in the words of these kinds, where they have it (none given: of all).

    One name means different things on different kinds: `e.recipients` of an import, and of a campaign.
    """
    wanted = [pack.kinds.kinds[kind] for kind in sorted(kinds) if kind in pack.kinds.kinds]
    said: dict[str, dict[str, list[str]]] = {}
    for kind in wanted or pack.kinds.kinds.values():
        for field in kind.fields.values():
            said.setdefault(f"e.{field.name}", {}).setdefault(field.doc, []).append(kind.name)
    whole = pack.catalog if catalog is None else catalog
    return Catalog(
        msgspec.structs.replace(fact, doc=_together(said[name])) if name in said else fact
        for name, fact in whole.items()
    )


def _together(docs: Mapping[str, Sequence[str]]) -> str:
    """Return what a name means: one sentence, or one for each group of kinds."""
    if len(docs) == 1:
        return next(iter(docs))
    return "; ".join(f"{', '.join(kinds[:3])}{' …' if len(kinds) > 3 else ''}: {doc}" for doc, kinds in docs.items())


def words(pack: Pack, kinds: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Return what can be written in a condition over these kinds: facts, functions, lists, each with its meaning."""
    known = [kind for kind in kinds if kind in pack.kinds.kinds]
    names = meanings(pack, known, pack.names).for_kinds(known)
    return {
        "facts": [
            {"name": name, "type": fact.type.value + (f", {fact.unit}" if fact.unit else ""), "doc": fact.doc}
            for name, fact in sorted(names.items())
        ],
        "functions": [
            {"name": name, "type": function.signature, "doc": function.doc}
            for name, function in sorted(FUNCTIONS.items())
        ],
        "lists": [{"name": name, "type": named.type, "doc": named.doc} for name, named in sorted(pack.lists.items())],
    }
