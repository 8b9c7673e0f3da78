"""Which standing an account moves to: a table of moves as expressions over facts, and what actions imply."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.model import Decision
from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions import Function, Lists
from goodsend.facts import Catalog, Facts, FactType, Value
from goodsend.kit.errors import Problem
from goodsend.rules.reason import check_template, fill
from goodsend.standing.model import STANDINGS, Move

FIRST = STANDINGS[0]
"""Where an account that was never seen before stands."""


class _State(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    messages_per_day: int | None = None
    source: str = "own starting value"


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    from_: list[str] = msgspec.field(name="from")
    to: str
    when: str
    reason: str
    on: list[str] = []
    source: str = "own starting value"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    state: dict[str, _State] = {}
    move: list[_Step] = []


class State(msgspec.Struct, frozen=True):
    """One standing: what it means, and how many messages a day it may send (None: no cap of its own)."""

    name: str
    doc: str
    messages_per_day: int | None
    source: str


class Step(msgspec.Struct, frozen=True):
    """One allowed move by expression, in the order in which they are tried."""

    before: frozenset[str]
    after: str
    when: str
    reason: str


_Tried = tuple[tuple[Step, ...], Callable[[Facts, Lists], tuple[Value, ...]]]


class Lifecycle(msgspec.Struct, frozen=True):
    """The states; by kind of event and standing the steps that may be taken, with one function that judges them all."""

    states: dict[str, State]
    steps: tuple[Step, ...]
    by_place: dict[tuple[str, str], _Tried]


def parse_lifecycle(
    files: Mapping[str, Mapping[str, Any]],
    catalog: Catalog,
    functions: Mapping[str, Function],
    lists: Collection[str],
    kinds: Collection[str],
) -> tuple[Lifecycle, list[Problem]]:
    """Read standing.toml; a later file adds moves after the earlier ones and replaces states of the same name."""
    problems: list[Problem] = []
    states: dict[str, State] = {}
    steps: list[tuple[Step, frozenset[str], Any]] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for name, state in read.state.items():
            if name not in STANDINGS:
                problems.append(Problem(f"{file}: {name}", "is not a standing", f"known: {', '.join(STANDINGS)}"))
            states[name] = State(name, state.doc, state.messages_per_day, state.source)
        for number, table in enumerate(read.move, 1):
            place = f"{file}: move {number}"
            unknown = [name for name in (*table.from_, table.to) if name not in STANDINGS]
            problems += [Problem(place, f"{name!r} is not a standing") for name in unknown]
            scope = catalog.for_kinds(table.on)
            found = compile_expression(table.when, scope, functions, lists, FactType.BOOLEAN)
            if isinstance(found, list):
                problems += [problem.at(f"{place}: when") for problem in found]
                continue
            problems += [problem.at(f"{place}: reason") for problem in check_template(table.reason, scope)]
            step = Step(frozenset(table.from_), table.to, table.when, table.reason)
            steps.append((step, frozenset(table.on), found))
    by_place: dict[tuple[str, str], _Tried] = {}
    rows: dict[tuple[int, ...], _Tried] = {}
    for kind in kinds:
        for standing in STANDINGS:
            chosen = tuple(
                number
                for number, (step, on, _) in enumerate(steps)
                if standing in step.before and (not on or kind in on)
            )
            if not chosen:
                continue
            if chosen not in rows:
                row = build_row({str(number): steps[number][2] for number in chosen})
                rows[chosen] = tuple(steps[number][0] for number in chosen), row
            by_place[kind, standing] = rows[chosen]
    return Lifecycle(states, tuple(step for step, _, _ in steps), by_place), problems


def next_move(
    lifecycle: Lifecycle,
    actions: Mapping[str, ActionKind],
    decision: Decision,
    standing: str,
    facts: Facts,
    lists: Lists,
) -> Move | None:
    """
    Return the move this event causes for its account, or None.

    What an action implies comes first and only ever makes the standing stricter; then the first step of the table
    whose expression is true.
    """
    if decision.account is None:
        return None
    implied = [(STANDINGS.index(kind.standing), action) for action in decision.actions
               if (kind := actions[action.name]).standing is not None] if decision.actions else ()  # fmt: skip
    if implied:
        rank, action = max(implied, key=lambda found: found[0])
        if rank > STANDINGS.index(standing):
            because = next(hit.reason for hit in decision.hits if hit.rule in action.because)
            return Move(decision.account, standing, STANDINGS[rank], decision.at, because, decision.id)
    tried = lifecycle.by_place.get((decision.kind, standing))
    if tried is None:
        return None
    steps, row = tried
    truths = row(facts, lists)
    if True not in truths:
        return None
    step = steps[truths.index(True)]
    return Move(decision.account, standing, step.after, decision.at, fill(step.reason, facts), decision.id)
