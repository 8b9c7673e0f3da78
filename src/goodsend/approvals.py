"""
Changing what a tenant is judged by: draft, check, try, propose, approve, roll back. Console and API both come here.

Nothing is put to work that the whole pack would have problems with: that is asked within the transaction that changes
it, so two changes that are sound alone cannot break the pack together.
"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from goodsend.drafts import Checked, Predicted, Row, Tried, check_rule, holds_only, predict, toml_of, try_rule
from goodsend.kit.errors import Misconfigured, Problem
from goodsend.rules.model import Mode
from goodsend.store import definitions, lists, recent
from goodsend.store.connection import Connection
from goodsend.store.definitions import BODY_CHARS, Definition, Room
from goodsend.wiring import Installation

COUNT_EVENTS: Final = 20_000
COUNT_S: Final = 2.0
"""How many of the latest events a quick count looks at, and for how long at most. Own starting values."""


def check(installation: Installation, tenant: str, room: Room, id_: str, body: str) -> Checked:
    """Check a text as far as can be done while somebody types; for features and the like: with the whole pack."""
    if len(body) > BODY_CHARS:
        return Checked((Problem("", f"is longer than {BODY_CHARS:,} characters"),))
    if room == "rules":
        return check_rule(installation.pack(tenant), id_, body)
    try:
        table = toml_of(body)
    except ValueError as error:
        return Checked((Problem("", f"is not TOML: {error}"),))
    alone = holds_only(table, "feature", id_) if room == "features" else []
    if alone:
        return Checked(tuple(alone))
    with installation.pool.connection() as connection:
        return Checked(tuple(whole(installation, connection, tenant, room, id_, body)))


def whole(
    installation: Installation, connection: Connection, tenant: str, room: str, id_: str, body: str | None
) -> list[Problem]:
    """Return the problems of the whole pack with this text live (None: without a version of the tenant)."""
    layer = definitions.layer(connection, tenant)
    path = definitions.path_of(room, id_)
    layer.pop(path, None)
    if body is not None:
        layer[path] = body.encode()
    _, problems = installation.layers.build(dict(sorted(layer.items())))
    return problems


def current_lists(installation: Installation, connection: Connection, tenant: str) -> dict[str, frozenset[str]]:
    """Return the pack's lists with the tenant's own entries, as of now."""
    values = installation.pack(tenant).list_values
    own = lists.own_values(connection, tenant, installation.now())
    return {name: values.get(name, frozenset()) | own.get(name, frozenset()) for name in values.keys() | own.keys()}


def try_on(installation: Installation, tenant: str, checked: Checked, event_id: str) -> tuple[Row, Tried] | None:
    """Judge a draft on one event; None where its problems keep it from being judged. Raises NotFound."""
    if checked.rule is None or checked.expression is None:
        return None
    with installation.pool.connection() as connection:
        row = recent.one(connection, tenant, event_id)
        return row, try_rule(checked.rule, checked.expression, row, current_lists(installation, connection, tenant))


def count(installation: Installation, tenant: str, checked: Checked) -> Predicted | None:
    """
    Count what a draft would have hit among the latest events, for at most COUNT_S; None where it has problems.

    The rule that is live under its id is judged on the same events.
    """
    rule, expression = checked.rule, checked.expression
    if rule is None or expression is None:
        return None
    ruleset = installation.pack(tenant).ruleset
    live = ruleset.rules.get(rule.id)
    beside, kinds = None, rule.on
    if live is not None and live.mode is not Mode.OFF:
        beside = (live, ruleset.expressions[live.id])
        kinds = rule.on and live.on and rule.on | live.on
    with installation.pool.connection() as connection:
        known = current_lists(installation, connection, tenant)
        rows = _Timed(recent.latest(connection, tenant, kinds, COUNT_EVENTS), COUNT_S)
        found = predict(rule, expression, rows, known, live=beside)
    return msgspec.structs.replace(found, is_whole=not rows.is_over)


class _Timed:
    """Rows until time is over; `is_over` says whether it ran out before the rows did."""

    def __init__(self, rows: Iterator[Row], seconds: float) -> None:
        self._rows = rows
        self._end = time.monotonic() + seconds
        self.is_over = False

    def __iter__(self) -> Iterator[Row]:
        while page := list(islice(self._rows, 200)):
            yield from page
            if time.monotonic() > self._end:
                self.is_over = True
                return


def draft(
    installation: Installation, tenant: str, room: Room, id_: str, body: str, *, author: str, why: str
) -> Definition:
    """Keep a new version as a draft; one with problems may be kept too, and cannot be proposed."""
    if len(body) > BODY_CHARS:
        raise Misconfigured("the text is too long", [Problem("", f"is longer than {BODY_CHARS:,} characters")])
    with installation.pool.connection() as connection:
        return definitions.add(connection, tenant, room, id_, body, author=author, why=why, at=installation.now())


def propose(
    installation: Installation, tenant: str, room: Room, id_: str, version: int, *, actor: str,
    predicted: object = None,
) -> Definition:  # fmt: skip
    """
    Ask for approval, with the hits it would have had in view (counted now where none are given).

    Raises Misconfigured with every Problem of the whole pack, NotFound, Conflict.
    """
    with installation.pool.connection() as connection:
        found = definitions.one(connection, tenant, room, id_, version)
    checked = check(installation, tenant, room, id_, found.body)
    _refuse(checked)
    if predicted is None and room == "rules":
        predicted = count(installation, tenant, checked)
    with installation.pool.connection() as connection:
        _refuse_all(whole(installation, connection, tenant, room, id_, found.body))
        return definitions.propose(
            connection, tenant, room, id_, version, actor=actor, at=installation.now(), predicted=predicted
        )


def approve(installation: Installation, tenant: str, room: Room, id_: str, version: int, *, actor: str) -> Definition:
    """Put a proposal to work: it counts from the next event on. Raises Misconfigured, NotFound, Conflict."""
    with installation.pool.connection() as connection:
        definitions.hold(connection, tenant, installation.now())
        moved = definitions.approve(connection, tenant, room, id_, version, actor=actor, at=installation.now())
        _refuse_all(whole(installation, connection, tenant, room, id_, moved.body))
    installation.layers.refresh()
    return moved


def decline(
    installation: Installation, tenant: str, room: Room, id_: str, version: int, *, actor: str, why: str
) -> Definition:
    """Send a proposal back to its author."""
    with installation.pool.connection() as connection:
        return definitions.decline(connection, tenant, room, id_, version, actor=actor, why=why, at=installation.now())


def roll_back(
    installation: Installation, tenant: str, room: Room, id_: str, version: int, *, actor: str, why: str
) -> Definition:
    """Go back to a version that was live before, in one step. Raises Misconfigured, NotFound, Conflict."""
    with installation.pool.connection() as connection:
        moved = definitions.roll_back(
            connection, tenant, room, id_, version, actor=actor, why=why, at=installation.now()
        )
        _refuse_all(whole(installation, connection, tenant, room, id_, moved.body))
    installation.layers.refresh()
    return moved


def retire(installation: Installation, tenant: str, room: Room, id_: str, *, actor: str, why: str) -> Definition:
    """Go back to what the packs say, in one step. Raises Misconfigured, Conflict."""
    with installation.pool.connection() as connection:
        moved = definitions.retire(connection, tenant, room, id_, actor=actor, why=why, at=installation.now())
        _refuse_all(whole(installation, connection, tenant, room, id_, None))
    installation.layers.refresh()
    return moved


def _refuse(checked: Checked) -> None:
    words = {True: "fires", False: "does not fire", None: "cannot know"}
    failing = [
        Problem("case", f"{name}: expected that it {words[expected]}, but it {words[got]}")
        for name, expected, got in checked.failing
    ]
    _refuse_all([*checked.problems, *failing])


def _refuse_all(problems: list[Problem]) -> None:
    if problems:
        raise Misconfigured("it has problems, so it is not put forward", problems)
