"""A tenant's own additions to the lists that rules consult: who added each, why, and until when."""

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, key
from goodsend.store.paging import Page, bounded, page_of, place_of


class ListEntry(msgspec.Struct, frozen=True):
    """One value of a list. It counts until it expires or is removed."""

    list: str
    value: str
    added_by: str
    why: str
    added_at: Micros
    expires_at: Micros | None
    removed_at: Micros | None


_FIELDS = "list, value, added_by, why, added_at, expires_at, removed_at"
_IN_FORCE = "removed_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)"


def own_values(connection: Connection, tenant: str, now: Micros) -> dict[str, frozenset[str]]:
    """Return the values in force by list; lists without any are absent."""
    rows = connection.execute(
        f"SELECT list, array_agg(value) FROM list_entry WHERE tenant = %(tenant)s AND {_IN_FORCE} GROUP BY list",
        {"tenant": tenant, "now": At(now)},
    )
    return {name: frozenset(values) for name, values in rows}


def add(
    connection: Connection, tenant: str, name: str, value: str, *, actor: str, why: str, at: Micros,
    expires_at: Micros | None = None,
) -> None:  # fmt: skip
    """Put a value on a list, or renew it. The value is taken as it is: the caller makes it canonical."""
    connection.execute(
        "INSERT INTO list_entry (tenant, list, value, added_by, why, added_at, expires_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, list, value) DO UPDATE "
        "SET added_by = EXCLUDED.added_by, why = EXCLUDED.why, added_at = EXCLUDED.added_at, "
        "expires_at = EXCLUDED.expires_at, removed_at = NULL",
        (tenant, name, key(value), clean(actor), clean(why), At(at), At.of(expires_at)),
    )
    audit.append(
        connection, tenant, at, actor, "list.added", name, {"value": value, "why": why, "expires_at": expires_at}
    )


def remove(connection: Connection, tenant: str, name: str, value: str, *, actor: str, at: Micros) -> None:
    """Take a value off a list; its row stays as history. Raises NotFound when it was not in force."""
    row = connection.execute(
        "UPDATE list_entry SET removed_at = %s WHERE tenant = %s AND list = %s AND value = %s "
        "AND removed_at IS NULL RETURNING 1",
        (At(at), tenant, name, key(value)),
    ).fetchone()
    if row is None:
        raise NotFound(f"{value!r} is not among your own entries of the list {name!r}")
    audit.append(connection, tenant, at, actor, "list.removed", name, {"value": value})


def page(
    connection: Connection, tenant: str, name: str, now: Micros, *, text: str | None = None,
    cursor: str | None = None, limit: int = 50,
) -> Page[ListEntry]:  # fmt: skip
    """Return the entries of a list that are in force, latest first; `text` is looked for in the values."""
    limit = bounded(limit)
    place = place_of(cursor, int, str)
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM list_entry WHERE tenant = %(tenant)s AND list = %(name)s AND {_IN_FORCE} "
        "AND (%(text)s::text IS NULL OR strpos(lower(value), lower(%(text)s)) > 0) "
        "AND (%(value)s::text IS NULL OR (added_at, value) < (%(at)s, %(value)s)) "
        "ORDER BY added_at DESC, value DESC LIMIT %(limit)s",
        {
            "tenant": tenant, "name": name, "now": At(now), "text": clean(text) if text else None,
            "at": At.of(place[0] if place else None), "value": place[1] if place else None, "limit": limit + 1,
        },
    ).fetchall()  # fmt: skip
    items = [ListEntry(*row) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    return page_of(items, limit, last.added_at, last.value)


def counts(connection: Connection, tenant: str, now: Micros) -> dict[str, int]:
    """Return how many own entries are in force, by list."""
    rows = connection.execute(
        f"SELECT list, count(*) FROM list_entry WHERE tenant = %(tenant)s AND {_IN_FORCE} GROUP BY list",
        {"tenant": tenant, "now": At(now)},
    )
    return dict(rows.fetchall())
