"""
Accounts as the console shows them, and their standings: a projection of the log, kept up to date batch by batch.

Everything but the standing can be rebuilt from the events. Which standing follows from what is `standing`'s matter.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from goodsend.kit.clock import Micros
from goodsend.rules.model import Verdict
from goodsend.standing.lifecycle import FIRST
from goodsend.standing.model import Move
from goodsend.store.connection import Asked, AsText, At, Connection, TextArray
from goodsend.store.jsonable import clean, encode, key

VERDICTS = [verdict.value for verdict in Verdict]
"""Verdicts, least restrictive first, as the database orders them."""


class Seen(msgspec.Struct, frozen=True):
    """
    What one event tells of its account (None: the event has none).

    `profile` holds the profile fields it carries, `entities` the (type, key) pairs it names, its account included.
    """

    account: str | None
    at: Micros
    verdict: str
    profile: Mapping[str, str]
    entities: Sequence[tuple[str, str]]


class _Sum(msgspec.Struct):
    first: Micros
    last: Micros
    events: int = 0
    worst: int = 0
    profile: dict[str, str] = {}


class _Link(msgspec.Struct):
    first: Micros
    last: Micros
    events: int = 0


def update(connection: Connection, tenant: str, seen: Sequence[Seen], now: Micros) -> None:
    """Add a batch of events to the accounts and to the links between accounts and other entities."""
    sums: dict[str, _Sum] = {}
    links: dict[tuple[str, str, str], _Link] = {}
    for item in sorted(seen, key=lambda item: item.at):
        if item.account is None:
            continue
        account = key(item.account)
        total = sums.setdefault(account, _Sum(item.at, item.at))
        total.last = item.at
        total.events += 1
        total.worst = max(total.worst, VERDICTS.index(item.verdict))
        total.profile |= {clean(name): clean(value) for name, value in item.profile.items()}
        for type_, entity in item.entities:
            if type_ != "account":
                link = links.setdefault((type_, key(entity), account), _Link(item.at, item.at))
                link.last = item.at
                link.events += 1
    if sums:
        _update_accounts(connection, tenant, sums, now)
    if links:
        _update_links(connection, tenant, links)


_ACCOUNTS = """
INSERT INTO account AS a (tenant, account, standing, standing_since, first_at, last_at, events, worst, profile)
SELECT %(tenant)s, account, %(first)s, %(now)s, timestamptz 'epoch' + first_at * interval '1 microsecond',
    timestamptz 'epoch' + last_at * interval '1 microsecond', events, worst, profile
FROM json_to_recordset(%(rows)s::json) AS r (
    account text, first_at int8, last_at int8, events int8, worst text, profile jsonb
)
ON CONFLICT (tenant, account) DO UPDATE SET
    first_at = LEAST(a.first_at, EXCLUDED.first_at),
    last_at = GREATEST(a.last_at, EXCLUDED.last_at),
    events = a.events + EXCLUDED.events,
    worst = CASE WHEN array_position(%(verdicts)s::text[], EXCLUDED.worst)
                 > array_position(%(verdicts)s::text[], a.worst) THEN EXCLUDED.worst ELSE a.worst END,
    -- A late event does not bring back an old profile; it only fills what was not known.
    profile = CASE WHEN EXCLUDED.last_at >= a.last_at THEN a.profile || EXCLUDED.profile
              ELSE EXCLUDED.profile || a.profile END
"""

_LINKS = """
INSERT INTO entity_link AS l (tenant, entity_type, entity, account, first_at, last_at, events)
SELECT %(tenant)s, entity_type, entity, account, timestamptz 'epoch' + first_at * interval '1 microsecond',
    timestamptz 'epoch' + last_at * interval '1 microsecond', events
FROM json_to_recordset(%(rows)s::json) AS r (
    entity_type text, entity text, account text, first_at int8, last_at int8, events int8
)
ON CONFLICT (tenant, entity_type, entity, account) DO UPDATE SET
    first_at = LEAST(l.first_at, EXCLUDED.first_at),
    last_at = GREATEST(l.last_at, EXCLUDED.last_at),
    events = l.events + EXCLUDED.events
"""


def _update_accounts(connection: Connection, tenant: str, sums: Mapping[str, _Sum], now: Micros) -> None:
    rows = [
        {
            "account": account, "first_at": s.first, "last_at": s.last, "events": s.events,
            "worst": VERDICTS[s.worst], "profile": s.profile,
        }
        for account, s in sorted(sums.items())
    ]  # fmt: skip
    connection.execute(
        _ACCOUNTS,
        {"tenant": tenant, "first": FIRST, "now": At(now), "rows": AsText(encode(rows)), "verdicts": VERDICTS},
        prepare=True,
    )


def _update_links(connection: Connection, tenant: str, links: Mapping[tuple[str, str, str], _Link]) -> None:
    rows = [
        {
            "entity_type": type_, "entity": entity, "account": account, "first_at": link.first, "last_at": link.last,
            "events": link.events,
        }
        for (type_, entity, account), link in sorted(links.items())
    ]  # fmt: skip
    connection.execute(_LINKS, {"tenant": tenant, "rows": AsText(encode(rows))}, prepare=True)


def ask_standings(connection: Connection, tenant: str, accounts: Collection[str]) -> Asked[dict[str, str]]:
    """Ask for the standings of those of these accounts that were seen before, under the names that were asked for."""
    stored = {key(account): account for account in accounts}
    cursor = connection.execute(
        "SELECT account, standing FROM account WHERE tenant = %s AND account = ANY(%s)",
        (tenant, TextArray(list(stored))), prepare=True,
    )  # fmt: skip
    return lambda: {stored[account]: standing for account, standing in cursor}


def standings(connection: Connection, tenant: str, accounts: Collection[str]) -> dict[str, str]:
    """Return the standings of those of these accounts that were seen before, under the names that were asked for."""
    return ask_standings(connection, tenant, accounts)()


def apply_moves(connection: Connection, tenant: str, moves: Sequence[Move]) -> None:
    """Move accounts, in the order given; accounts that were never seen are left out, but the move is recorded."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE account SET standing = %s, standing_since = %s WHERE tenant = %s AND account = %s",
            [(move.after, At(move.at), tenant, key(move.account)) for move in moves],
        )
        cursor.executemany(
            "INSERT INTO standing_move (tenant, account, at, before, after, reason, because) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(tenant, key(m.account), At(m.at), m.before, m.after, clean(m.reason), m.because) for m in moves],
        )


def moves_of(connection: Connection, tenant: str, account: str, limit: int = 50) -> list[Move]:
    """Return an account's moves, latest first."""
    rows = connection.execute(
        "SELECT account, before, after, at, reason, because FROM standing_move "
        "WHERE tenant = %s AND account = %s ORDER BY at DESC, move_id DESC LIMIT %s",
        (tenant, key(account), limit),
    )
    return [Move(*row) for row in rows]
