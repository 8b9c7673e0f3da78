"""Tenants: the platforms that an installation protects. Everything else in the store belongs to exactly one."""

import re
from typing import Any

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.errors import Misconfigured, NotFound
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, encode

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Tenant(msgspec.Struct, frozen=True):
    """One tenant: its short name, the one for people, and its settings as JSON."""

    tenant: str
    name: str
    created_at: Micros
    settings: dict[str, Any]


def ensure(connection: Connection, tenant: str, name: str, now: Micros) -> bool:
    """Add a tenant and return True, or False when it is there. Raises Misconfigured for a short name that is none."""
    if not _NAME.fullmatch(tenant):
        raise Misconfigured(
            f"{tenant!r} cannot name a tenant: use lower-case letters, digits, - and _, a letter first, 63 at most"
        )
    made = connection.execute(
        "INSERT INTO tenant (tenant, name, created_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (tenant, clean(name), At(now)),
    ).fetchone()
    return made is not None


def one(connection: Connection, tenant: str) -> Tenant:
    """Return a tenant. Raises NotFound."""
    row = connection.execute(
        "SELECT tenant, name, created_at, settings FROM tenant WHERE tenant = %s", (clean(tenant),)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no tenant {tenant!r}")
    return Tenant(*row)


def names(connection: Connection) -> list[str]:
    """Return the short names of all tenants: for the engine's start and the worker, not for people of one tenant."""
    return [row[0] for row in connection.execute("SELECT tenant FROM tenant ORDER BY tenant")]


def change_settings(connection: Connection, tenant: str, settings: dict[str, Any]) -> None:
    """Merge these settings over the tenant's. Raises NotFound."""
    done = connection.execute(
        "UPDATE tenant SET settings = settings || %s WHERE tenant = %s RETURNING 1", (encode(settings), clean(tenant))
    ).fetchone()
    if done is None:
        raise NotFound(f"there is no tenant {tenant!r}")
