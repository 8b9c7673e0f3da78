"""
Rules as data: `packs/*/rules/*.toml` read, checked and compiled. How one row is judged lives in `evaluate.py`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions import Function, Lists
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Facts, FactType, Value
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.kit.text import closest
from goodsend.rules.model import Mode, Rule, RuleCase, Verdict
from goodsend.rules.reason import check_template

Row = Callable[[Facts, Lists], tuple[Value, ...]]


class _CaseTable(msgspec.Struct, forbid_unknown_fields=True):
    given: dict[str, str | int | float | bool | list[str]]
    fires: bool | Literal["unknown"]
    name: str = ""


class _RuleTable(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    owner: str
    policy: str
    severity: int
    when: str
    verdict: Verdict
    reason: str
    on: list[str] = []
    actions: list[str] = []
    weight: float = 0.0
    mode: Mode = Mode.LIVE
    share: float = 1.0
    source: str | None = None
    case: list[_CaseTable] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rule: dict[str, dict[str, Any]] = {}


class References(msgspec.Struct, frozen=True):
    """What rules may refer to: ids of policies; per action the kinds that carry its target; event kinds."""

    policies: Collection[str]
    actions: Mapping[str, frozenset[str]]
    kinds: Collection[str]


def parse_rules(
    files: Mapping[str, Mapping[str, Any]], references: References
) -> tuple[dict[str, tuple[str, Rule]], list[Problem]]:
    """
    Read rules from decoded TOML by file name: rule id → (place, rule). A later file replaces a rule of the same id.

    What the expression means is checked by `compile_rules`; here the shape and what it refers to.
    """
    rules: dict[str, tuple[str, Rule]] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for id_, entries in read.rule.items():
            place = f"{file}: {id_}"
            try:
                table = msgspec.convert(entries, _RuleTable)
            except msgspec.ValidationError as error:
                problems.append(Problem(place, str(error).replace("`$.", "`")))
                continue
            problems += [problem.at(place) for problem in _check_references(table, references)]
            rules[id_] = (place, _rule(id_, table))
    return rules, problems


def _rule(id_: str, table: _RuleTable) -> Rule:
    meaning = (
        id_, table.when, *sorted(table.on), table.verdict.value, *table.actions, table.policy,
        str(table.severity), repr(table.weight), table.mode.value, repr(table.share), table.reason,
    )  # fmt: skip
    return Rule(
        id=id_,
        version=derived_id("rv", *meaning)[:15],
        doc=table.doc,
        owner=table.owner,
        policy=table.policy,
        severity=table.severity,
        mode=table.mode,
        on=frozenset(table.on),
        when=table.when.strip(),
        verdict=table.verdict,
        reason=table.reason,
        actions=tuple(table.actions),
        weight=table.weight,
        share=table.share,
        source=table.source,
        cases=tuple(
            RuleCase(
                {name: tuple(v) if isinstance(v, list) else v for name, v in case.given.items()},
                None if case.fires == "unknown" else case.fires,
                case.name,
            )
            for case in table.case
        ),
    )


def _check_references(table: _RuleTable, references: References) -> list[Problem]:
    problems = []
    if table.policy not in references.policies:
        problems.append(_unknown("policy", table.policy, references.policies))
    problems += [_unknown("kind", kind, references.kinds).at("on") for kind in table.on if kind not in references.kinds]
    for action in table.actions:
        if action not in references.actions:
            problems.append(_unknown("action", action, references.actions).at("actions"))
            continue
        carriers = references.actions[action]
        lacking = [kind for kind in table.on if kind in references.kinds and kind not in carriers]
        if lacking:
            hint = "choose an action whose target these events name, such as the account"
            problems.append(Problem("actions", f"{action} has no target in {', '.join(lacking)}", hint))
    if not 1 <= table.severity <= 5:
        problems.append(Problem("severity", "is not between 1 and 5"))
    if not 0 <= table.share <= 1:
        problems.append(Problem("share", "is not between 0 and 1"))
    if not table.case:
        problems.append(Problem("", "has no case", "give facts it must fire on, and facts it must not"))
    return problems


def _unknown(what: str, word: str, known: Iterable[str]) -> Problem:
    near = closest(word, known)
    return Problem(what, f"no {what} is named {word!r}", f"did you mean {near!r}?" if near else None)


class Ruleset(msgspec.Struct, frozen=True):
    """
    Rules ready to judge rows. `by_kind` holds, for each event kind, the rules evaluated for it in id order and one
    generated function that judges a row by all of them at once.
    """

    rules: dict[str, Rule]
    expressions: dict[str, Expression]
    by_kind: dict[str, tuple[tuple[Rule, ...], Row]]


def compile_rules(
    rules: Mapping[str, tuple[str, Rule]],
    catalog: Catalog,
    functions: Mapping[str, Function],
    lists: Collection[str],
    kinds: Collection[str],
) -> tuple[Ruleset, list[Problem]]:
    """Check and compile; a rule with problems is left out of the set, and its problems are returned."""
    problems: list[Problem] = []
    expressions: dict[str, Expression] = {}
    for id_, (place, rule) in rules.items():
        scope = catalog.for_kinds(rule.on if rule.on <= frozenset(kinds) else ())  # else told by parse_rules
        found = compile_expression(rule.when, scope, functions, lists, FactType.BOOLEAN)
        if isinstance(found, list):
            problems += [problem.at(f"{place}: when") for problem in found]
            continue
        problems += [problem.at(f"{place}: reason") for problem in check_template(rule.reason, scope)]
        problems += [problem.at(f"{place}: case") for problem in _check_cases(rule, catalog)]
        expressions[id_] = found
    kept = {id_: rules[id_][1] for id_ in sorted(expressions)}
    by_kind = {}
    for kind in kinds:
        judged = tuple(r for r in kept.values() if r.mode is not Mode.OFF and (not r.on or kind in r.on))
        by_kind[kind] = (judged, build_row({rule.id: expressions[rule.id] for rule in judged}))
    return Ruleset(kept, expressions, by_kind), problems


def _check_cases(rule: Rule, catalog: Catalog) -> list[Problem]:
    problems = []
    for case in rule.cases:
        for name in case.given:
            if name not in catalog:
                near = closest(name, catalog)
                problems.append(
                    Problem(case.name, f"no fact is named {name!r}", f"did you mean {near!r}?" if near else None)
                )
    return problems
