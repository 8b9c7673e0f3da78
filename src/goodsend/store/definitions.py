"""
A tenant's own definitions, version by version: drafts, proposals, what is live. What they mean is not asked.

A version's text never changes. At most one version of a definition is live. Whoever wrote or proposed a version cannot
approve it. Every move is in the audit.
"""

from typing import Any, Literal

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, encode

Room = Literal["rules", "features", "lists", "policies"]
State = Literal["draft", "proposed", "live", "retired"]

BODY_CHARS = 60_000
"""Longest text of a version. Own starting value: a rule with a hundred cases."""

LAYER = "own"
"""The name of the layer that these definitions make, over the folders of the installation."""


class Definition(msgspec.Struct, frozen=True):
    """
    One version of one definition. `body` is TOML as a file of its room would hold it.

    `approved_by` and `approved_at` tell who put it to work first, None while nobody has. `predicted` is what it would
    have hit, as seen when it was proposed.
    """

    room: Room
    id: str
    version: int
    body: str
    state: State
    author: str
    why: str
    created_at: Micros
    proposed_by: str | None
    proposed_at: Micros | None
    predicted: dict[str, Any] | None
    approved_by: str | None
    approved_at: Micros | None

    @property
    def path(self) -> str:
        """Its file in the tenant's layer."""
        return path_of(self.room, self.id)


class Standing(msgspec.Struct, frozen=True):
    """How one definition stands: its live version (None: none), its newest, those proposed, the last that was live."""

    id: str
    live: int | None
    newest: int
    proposed: tuple[int, ...]
    was_live: int | None = None


_FIELDS = (
    "room, id, version, body, state, author, why, created_at, proposed_by, proposed_at, predicted, approved_by, "
    "approved_at"
)


def path_of(room: str, id_: str) -> str:
    """Return the file of a definition in the tenant's layer."""
    return f"{LAYER}/{room}/{id_}.toml"


# -- reading ----------------------------------------------------------------------------------------------------------


def one(connection: Connection, tenant: str, room: str, id_: str, version: int) -> Definition:
    """Return one version. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM definition WHERE tenant = %s AND room = %s AND id = %s AND version = %s",
        (tenant, room, clean(id_), min(version, 2**31 - 1)),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no version {version} of {id_!r} of your own")
    return Definition(*row)


def versions(connection: Connection, tenant: str, room: str, id_: str, limit: int = 200) -> list[Definition]:
    """Return the versions of a definition, newest first; none where it was never changed here."""
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM definition WHERE tenant = %s AND room = %s AND id = %s ORDER BY version DESC LIMIT %s",
        (tenant, room, clean(id_), limit),
    )
    return [Definition(*row) for row in rows]


def moved(connection: Connection, tenant: str, room: str, id_: str) -> dict[int, Micros]:
    """Return by version when it came to the state it is in, as the audit has it."""
    noun = _NOUNS[room]
    rows = connection.execute(
        "SELECT at, detail->'version', detail->'before' FROM audit WHERE tenant = %s AND target = %s "
        "AND detail ? 'version' AND act = ANY(%s) ORDER BY seq",
        (tenant, clean(id_), [f"{noun}.{verb}" for verb in _VERBS]),
    )
    found: dict[int, Micros] = {}
    for at, version, before in rows:
        found[version] = at
        if before is not None:  # that one went when this one came
            found[before] = at
    return found


_NOUNS = {"rules": "rule", "features": "feature", "lists": "list", "policies": "policy"}
_VERBS = ("drafted", "proposed", "declined", "approved", "rolled_back", "retired")


def waiting(connection: Connection, tenant: str, limit: int = 100) -> list[Definition]:
    """Return what waits for approval, longest waiting first."""
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM definition WHERE tenant = %s AND state = 'proposed' ORDER BY proposed_at, id LIMIT %s",
        (tenant, limit),
    )
    return [Definition(*row) for row in rows]


def standings(connection: Connection, tenant: str, room: str) -> dict[str, Standing]:
    """Return how every definition of a room stands, by id."""
    rows = connection.execute(
        "SELECT id, max(version) FILTER (WHERE state = 'live'), max(version), "
        "coalesce(array_agg(version ORDER BY version) FILTER (WHERE state = 'proposed'), '{}'), "
        "max(version) FILTER (WHERE approved_at IS NOT NULL) FROM definition "
        "WHERE tenant = %s AND room = %s GROUP BY id ORDER BY id",
        (tenant, room),
    )
    return {id_: Standing(id_, live, newest, tuple(proposed), was) for id_, live, newest, proposed, was in rows}


def generations(connection: Connection) -> dict[str, int]:
    """Return by tenant how often what is live changed; tenants without own definitions are absent."""
    return dict(connection.execute("SELECT tenant, generation FROM layer").fetchall())


def layer(connection: Connection, tenant: str) -> dict[str, bytes]:
    """Return what is live as files, in the order of their names."""
    rows = connection.execute(
        "SELECT room, id, body FROM definition WHERE tenant = %s AND state = 'live'", (tenant,)
    ).fetchall()
    return dict(sorted((path_of(room, id_), body.encode()) for room, id_, body in rows))


# -- moving -----------------------------------------------------------------------------------------------------------


def hold(connection: Connection, tenant: str, at: Micros) -> None:
    """Keep others from changing the tenant's definitions until this transaction ends."""
    connection.execute(
        "INSERT INTO layer (tenant, generation, changed_at) VALUES (%s, 0, %s) ON CONFLICT DO NOTHING", (tenant, At(at))
    )
    connection.execute("SELECT 1 FROM layer WHERE tenant = %s FOR UPDATE", (tenant,))


def add(
    connection: Connection, tenant: str, room: Room, id_: str, body: str, *, author: str, why: str, at: Micros
) -> Definition:
    """Write a new version as a draft and return it."""
    hold(connection, tenant, at)
    row = connection.execute(
        "INSERT INTO definition (tenant, room, id, version, body, state, author, why, created_at) "
        "SELECT %(tenant)s, %(room)s, %(id)s, coalesce(max(version), 0) + 1, %(body)s, 'draft', %(author)s, %(why)s, "
        "%(at)s FROM definition WHERE tenant = %(tenant)s AND room = %(room)s AND id = %(id)s "
        f"RETURNING {_FIELDS}",
        {
            "tenant": tenant, "room": room, "id": clean(id_), "body": clean(body), "author": clean(author),
            "why": clean(why), "at": At(at),
        },
    ).fetchone()  # fmt: skip
    assert row is not None  # noqa: S101 - an INSERT … RETURNING of one row
    made = Definition(*row)
    _note(connection, tenant, at, author, "drafted", made, {"why": why})
    return made


def propose(
    connection: Connection, tenant: str, room: str, id_: str, version: int, *, actor: str, at: Micros,
    predicted: object = None,
) -> Definition:  # fmt: skip
    """Ask for approval of a draft, with what it would have hit. Raises Conflict when it is no draft."""
    hold(connection, tenant, at)
    found = one(connection, tenant, room, id_, version)
    _expect(found, "draft")
    moved = _move(
        connection, tenant, found, "state = 'proposed', proposed_by = %s, proposed_at = %s, predicted = %s",
        (clean(actor), At(at), None if predicted is None else encode(predicted)),
    )  # fmt: skip
    _note(connection, tenant, at, actor, "proposed", moved, {"predicted": moved.predicted})
    return moved


def decline(
    connection: Connection, tenant: str, room: str, id_: str, version: int, *, actor: str, why: str, at: Micros
) -> Definition:
    """Take a proposal back, or send it back to its author: it is a draft again."""
    hold(connection, tenant, at)
    found = one(connection, tenant, room, id_, version)
    _expect(found, "proposed")
    moved = _move(connection, tenant, found, "state = 'draft', proposed_by = NULL, proposed_at = NULL", ())
    _note(connection, tenant, at, actor, "declined", moved, {"why": why})
    return moved


def approve(
    connection: Connection, tenant: str, room: str, id_: str, version: int, *, actor: str, at: Micros
) -> Definition:
    """Put a proposal to work in the place of the live version. Raises Conflict for its author and proposer."""
    hold(connection, tenant, at)
    found = one(connection, tenant, room, id_, version)
    _expect(found, "proposed")
    if actor in (found.author, found.proposed_by):
        raise Conflict("a second person must approve it: you wrote or proposed this version")
    before = _retire_live(connection, tenant, found)
    moved = _move(
        connection, tenant, found, "state = 'live', approved_by = %s, approved_at = %s", (clean(actor), At(at))
    )
    _changed(connection, tenant, at)
    _note(connection, tenant, at, actor, "approved", moved, {"before": before, "author": found.author})
    return moved


def roll_back(
    connection: Connection, tenant: str, room: str, id_: str, version: int, *, actor: str, why: str, at: Micros
) -> Definition:
    """Put a version to work again that was live before. Raises Conflict for one that never was."""
    hold(connection, tenant, at)
    found = one(connection, tenant, room, id_, version)
    if found.approved_at is None or found.state != "retired":
        raise Conflict("one goes back only to a version that was live before and is not now")
    before = _retire_live(connection, tenant, found)
    moved = _move(connection, tenant, found, "state = 'live'", ())
    _changed(connection, tenant, at)
    _note(connection, tenant, at, actor, "rolled_back", moved, {"before": before, "why": why})
    return moved


def retire(connection: Connection, tenant: str, room: str, id_: str, *, actor: str, why: str, at: Micros) -> Definition:
    """Take the live version out of work: what the packs say counts again, or nothing. Raises Conflict without one."""
    hold(connection, tenant, at)
    row = connection.execute(
        f"SELECT {_FIELDS} FROM definition WHERE tenant = %s AND room = %s AND id = %s AND state = 'live'",
        (tenant, room, clean(id_)),
    ).fetchone()
    if row is None:
        raise Conflict(f"no version of {id_!r} of your own is live")
    moved = _move(connection, tenant, Definition(*row), "state = 'retired'", ())
    _changed(connection, tenant, at)
    _note(connection, tenant, at, actor, "retired", moved, {"why": why})
    return moved


def refuse(connection: Connection, tenant: str, generation: int, problems: list[str], at: Micros) -> bool:
    """Note once that a layer could not be put to work; says whether this is the first time."""
    row = connection.execute(
        "UPDATE layer SET refused = %s WHERE tenant = %s AND refused < %s RETURNING 1", (generation, tenant, generation)
    ).fetchone()
    if row is not None:
        detail = {"generation": generation, "problems": problems[:20]}
        audit.append(connection, tenant, at, "goodsend", "definitions.refused", tenant, detail)
    return row is not None


def _expect(found: Definition, state: State) -> None:
    if found.state != state:
        raise Conflict(f"version {found.version} of {found.id!r} is {found.state}, not {state}")


def _retire_live(connection: Connection, tenant: str, found: Definition) -> int | None:
    row = connection.execute(
        "UPDATE definition SET state = 'retired' WHERE tenant = %s AND room = %s AND id = %s AND state = 'live' "
        "RETURNING version",
        (tenant, found.room, found.id),
    ).fetchone()
    return row[0] if row else None


def _move(connection: Connection, tenant: str, found: Definition, change: str, values: tuple[Any, ...]) -> Definition:
    row = connection.execute(
        f"UPDATE definition SET {change} WHERE tenant = %s AND room = %s AND id = %s AND version = %s "
        f"RETURNING {_FIELDS}",
        (*values, tenant, found.room, found.id, found.version),
    ).fetchone()
    assert row is not None  # noqa: S101 - the layer is held, and versions are never removed
    return Definition(*row)


def _changed(connection: Connection, tenant: str, at: Micros) -> None:
    connection.execute(
        "UPDATE layer SET generation = generation + 1, changed_at = %s WHERE tenant = %s", (At(at), tenant)
    )


def _note(
    connection: Connection, tenant: str, at: Micros, actor: str, verb: str, moved: Definition, detail: dict[str, object]
) -> None:
    audit.append(
        connection, tenant, at, actor, f"{_NOUNS[moved.room]}.{verb}", moved.id, {"version": moved.version, **detail}
    )
