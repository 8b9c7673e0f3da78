"""
Rules as data: `packs/*/rules/*.toml` read, checked and compiled. How one row is judged lives in `evaluate.py`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from goodsend.expr.check import compile_expression, zero_divisors
from goodsend.expr.compile import build_row
from goodsend.expr.functions import Function, Lists
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Facts, FactType, Value
from goodsend.kit.clock import DAY, MINUTE, Micros, format_duration, parse_duration
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.kit.text import closest
from goodsend.rules.composites import expand, rule_facts
from goodsend.rules.groups import Group
from goodsend.rules.model import Labelling, Mode, Rule, RuleCase, Verdict
from goodsend.rules.reason import check_template
from goodsend.rules.shape import read_table, shape_problem

Row = Callable[[Facts, Lists], tuple[Value, ...]]

LABEL_MIN: Micros = MINUTE
LABEL_MAX: Micros = 365 * DAY
"""How long a label on an entity may last; own starting values: nobody is marked for ever by a rule."""
WEIGHT_MOST = 1_000_000
"""Points a rule may add or take at most; own value, far above every threshold."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_SHOWN = 8


class _CaseTable(msgspec.Struct, forbid_unknown_fields=True):
    given: dict[str, str | int | float | bool | list[str]]
    fires: bool | Literal["unknown"]
    name: str = ""


class _LabelTable(msgspec.Struct, forbid_unknown_fields=True):
    entity: str
    label: str
    for_: str = msgspec.field(name="for")


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
    group: str | None = None
    order: int = 0
    labels: list[_LabelTable] = []
    case: list[_CaseTable] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rule: dict[str, dict[str, Any]] = {}
    group: Any = None  # read by `parse_groups`


class References(msgspec.Struct, frozen=True):
    """
    What rules may refer to: ids of policies; per action the kinds that carry its target; event kinds; groups; per
    entity type the kinds that carry it.
    """

    policies: Collection[str]
    actions: Mapping[str, frozenset[str]]
    kinds: Collection[str]
    groups: Collection[str] = ()
    entities: Mapping[str, frozenset[str]] = {}


def parse_rules(
    files: Mapping[str, Mapping[str, Any]], references: References
) -> tuple[dict[str, tuple[str, Rule]], list[Problem]]:
    """
    Read rules from decoded TOML by file name: rule id → (place, rule). A later file replaces a rule of the same id.

    What the expression means is checked by `compile_rules`; here the shape and what it refers to. A rule of a wrong
    shape has no version, and stand-ins for what cannot be read: it is there to be checked further, and only for that.
    """
    rules: dict[str, tuple[str, Rule]] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(shape_problem(file, error, _File))
            continue
        for id_, entries in read.rule.items():
            place = f"{file}: {id_}"
            table, found, instead = read_table(place, entries, _RuleTable, _stand_ins(references))
            problems += found
            told = _check_name(id_) + _check_references(table, references)
            problems += [problem.at(place) for problem in told if problem.place not in instead]
            rules[id_] = (place, _rule(id_, table, flawed=bool(found)))
    return rules, problems + _check_capitals(rules)


def _stand_ins(references: References) -> dict[str, Any]:
    """Return what stands for members that are missing or cannot be read; those with a default are left out."""
    return {
        "doc": "-", "owner": "-", "policy": next(iter(references.policies), ""), "severity": 1, "when": "TRUE",
        "verdict": "allow", "reason": "-", "case": [{"given": {}, "fires": True}],
    }  # fmt: skip


def _rule(id_: str, table: _RuleTable, *, flawed: bool = False) -> Rule:
    meaning = (
        id_, table.when, *sorted(table.on), table.verdict.value, *table.actions, table.policy,
        str(table.severity), repr(table.weight), table.mode.value, repr(table.share), table.reason,
    )  # fmt: skip
    if table.group is not None:
        meaning += ("group", table.group, str(table.order))
    for label in table.labels:
        meaning += ("label", label.entity, label.label, label.for_)
    return Rule(
        id=id_,
        version="" if flawed else derived_id("rv", *meaning)[:15],
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
        group=table.group,
        order=table.order,
        labels=tuple(Labelling(label.entity, label.label, _lasts(label) or 0) for label in table.labels),
    )


def _lasts(table: _LabelTable) -> Micros | None:
    """Return how long a label lasts, None where that is no length of time or out of bounds."""
    try:
        length = parse_duration(table.for_.replace(" ", ""))
    except ValueError:
        return None
    return length if LABEL_MIN <= length <= LABEL_MAX else None


def _check_capitals(rules: Mapping[str, tuple[str, Rule]]) -> list[Problem]:
    """SQL does not tell `Big` from `big`: each rule is a column there."""
    problems = []
    first: dict[str, str] = {}
    for id_, (place, _) in rules.items():
        other = first.setdefault(id_.lower(), id_)
        if other != id_:
            hint = "give it another id, or the very same one to replace that rule"
            problems.append(Problem(place, f"differs from the rule {other!r} in capitals alone", hint))
    return problems


def _check_name(id_: str) -> list[Problem]:
    if _NAME.fullmatch(id_):
        return []
    return [Problem("", f"{id_!r} is not a name for a rule", "letters, digits and _, a letter first: new_big_import")]


def _check_labels(table: _RuleTable, entities: Mapping[str, frozenset[str]]) -> list[Problem]:
    problems = []
    for label in table.labels:
        if label.entity not in entities:
            problems.append(_unknown("entity type", label.entity, entities))
        elif lacking := [kind for kind in table.on if kind not in entities[label.entity]]:
            hint = "label an entity that all the rule's events name, such as the account"
            problems.append(Problem("", f"{', '.join(lacking)} has no {label.entity}", hint))
        if not _NAME.fullmatch(label.label):
            problems.append(Problem("", f"{label.label!r} is not a label", "one word in small letters: suspicious"))
        if _lasts(label) is None:
            hint = f"a length of time from {format_duration(LABEL_MIN)} to {format_duration(LABEL_MAX)}, such as 7d"
            problems.append(Problem("for", f"{label.for_!r} does not do", hint))
    return [problem.at("labels") for problem in problems]


def _check_references(table: _RuleTable, references: References) -> list[Problem]:
    problems = []
    if not abs(table.weight) <= WEIGHT_MOST:  # NaN neither
        problems.append(Problem("weight", f"is not between {-WEIGHT_MOST:,} and {WEIGHT_MOST:,}", "points, such as 20"))
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
        problems.append(Problem("severity", "is not between 1 and 5", "1 is low, 5 is grave"))
    if not 0 <= table.share <= 1:
        problems.append(Problem("share", "is not between 0 and 1", "a tenth of the accounts is 0.1"))
    if table.group is not None and table.group not in references.groups:
        problems.append(_unknown("group", table.group, references.groups))
    if table.group is None and table.order:
        problems.append(Problem("order", "says nothing without a group", "give the rule a group, or leave order out"))
    problems += _check_labels(table, references.entities)
    if not table.case:
        problems.append(Problem("", "has no case", "give facts it must fire on, and facts it must not"))
    return problems


def _unknown(what: str, word: str, known: Iterable[str]) -> Problem:
    near = closest(word, known)
    some = ", ".join(sorted(known)[:_SHOWN])
    hint = f"did you mean {near!r}?" if near else f"known: {some}" if some else "there is none yet"
    return Problem(what, f"no {what} is named {word!r}", hint)


class Ruleset(msgspec.Struct, frozen=True):
    """
    Rules ready to judge rows. `expressions` are the conditions with those of others in the place of their `h.` names.
    `by_kind` holds, for each event kind, the rules evaluated for it in id order and one generated function that judges
    a row by all of them at once. `reads` are per rule the facts it reads, sorted; `orders` its place in its group.
    """

    rules: dict[str, Rule]
    expressions: dict[str, Expression]
    by_kind: dict[str, tuple[tuple[Rule, ...], Row]]
    groups: dict[str, Group] = {}
    reads: dict[str, tuple[str, ...]] = {}
    orders: dict[str, int] = {}


def compile_rules(
    rules: Mapping[str, tuple[str, Rule]],
    catalog: Catalog,
    functions: Mapping[str, Function],
    lists: Collection[str],
    kinds: Collection[str],
    groups: Mapping[str, Group] | None = None,
) -> tuple[Ruleset, list[Problem]]:
    """
    Check and compile; a rule with problems is left out of the set, and its problems are returned.

    `catalog` is that of facts; the `h.` names of the rules are added here.
    """
    problems: list[Problem] = []
    written: dict[str, Expression] = {}
    named = catalog.including(rule_facts([rule for _, rule in rules.values()]))
    for id_, (place, rule) in rules.items():
        on = rule.on if rule.on <= frozenset(kinds) else ()  # else told by parse_rules
        found = compile_expression(rule.when, named.for_kinds(on), functions, lists, FactType.BOOLEAN)
        wrong = found if isinstance(found, list) else zero_divisors(found)
        problems += [problem.at(f"{place}: when") for problem in wrong]
        problems += [problem.at(f"{place}: reason") for problem in check_template(rule.reason, catalog.for_kinds(on))]
        problems += [problem.at(f"{place}: case") for problem in _check_cases(rule, named.for_kinds(on))]
        if not isinstance(found, list) and rule.version:
            written[id_] = found
    expressions, shared, circular = expand(written)
    problems += [problem.at(f"{rules[id_][0]}: when") for id_, problem in circular]
    kept = {id_: _versioned(rules[id_][1], written[id_], expressions[id_]) for id_ in sorted(expressions)}
    by_kind = {}
    for kind in kinds:
        judged = tuple(r for r in kept.values() if r.mode is not Mode.OFF and (not r.on or kind in r.on))
        by_kind[kind] = (judged, build_row({rule.id: shared[rule.id] for rule in judged}))
    return Ruleset(
        kept,
        expressions,
        by_kind,
        dict(groups or {}),
        {id_: tuple(sorted(expression.facts)) for id_, expression in expressions.items()},
        {id_: rule.order for id_, rule in kept.items()},
    ), problems


def _versioned(rule: Rule, written: Expression, whole: Expression) -> Rule:
    """Return the rule; what is made of other rules has a version that follows theirs."""
    if written is whole:
        return rule
    return msgspec.structs.replace(rule, version=derived_id("rv", rule.version, whole.sql)[:15])


def _check_cases(rule: Rule, catalog: Catalog) -> list[Problem]:
    problems = []
    for case in rule.cases:
        for name, value in case.given.items():
            fact = catalog.get(name)
            if fact is None:
                seldom = name in catalog.whole
                message = f"the events looked at here never have {name!r}" if seldom else f"no fact is named {name!r}"
                near = closest(name, catalog)
                problems.append(Problem(case.name, message, f"did you mean {near!r}?" if near else None))
            elif not _fits(value, fact.type):
                wanted = _SHOWN_AS[fact.type]
                problems.append(
                    Problem(case.name, f"{name!r} is {fact.type.value}, so {value!r} cannot be given", wanted)
                )
    return problems


_PYTHON: dict[FactType, tuple[type, ...]] = {
    FactType.TEXT: (str,), FactType.INTEGER: (int,), FactType.TIME: (int,), FactType.NUMBER: (int, float),
    FactType.BOOLEAN: (bool,), FactType.TEXTS: (tuple,),
}  # fmt: skip
_SHOWN_AS = {
    FactType.TEXT: "text stands in quotes", FactType.INTEGER: "a whole number, without quotes",
    FactType.TIME: "microseconds since 1970, a whole number", FactType.NUMBER: "a number, without quotes",
    FactType.BOOLEAN: "true or false, without quotes", FactType.TEXTS: "several texts stand in [ ]",
}  # fmt: skip


def _fits(value: Value, type_: FactType) -> bool:
    if isinstance(value, bool):
        return type_ is FactType.BOOLEAN
    return isinstance(value, _PYTHON[type_])
