"""
API keys: `gsk_<id>_<secret>`. The id is shown in lists; of the secret only SHA-256 is kept, so a key is shown once.

A fast hash is enough here: the secret has 240 random bits, so there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

import msgspec

from goodsend.kit.clock import MINUTE, Micros
from goodsend.kit.errors import NotFound
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean

_SHAPE = re.compile(r"gsk_([a-z0-9]{12})_([A-Za-z0-9-]{40})", re.ASCII)
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_SECRET_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"  # noqa: S105


class ApiKey(msgspec.Struct, frozen=True):
    """What is shown of a key. `last_used_at` is exact to the minute."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: Micros
    last_used_at: Micros | None
    revoked_at: Micros | None


class Verified(msgspec.Struct, frozen=True):
    """Whose key it is and what it may do."""

    tenant: str
    key_id: str
    scopes: frozenset[str]


def create(
    connection: Connection, tenant: str, name: str, scopes: Sequence[str], now: Micros, actor: str = "goodsend"
) -> str:
    """Make a key and return it whole: it cannot be had again."""
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(12))
    secret = "".join(secrets.choice(_SECRET_LETTERS) for _ in range(40))
    connection.execute(
        "INSERT INTO api_key (key_id, tenant, secret, name, scopes, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (key_id, tenant, _hashed(secret), clean(name), sorted(set(scopes)), At(now)),
    )
    audit.append(connection, tenant, now, actor, "key.created", key_id, {"name": name, "scopes": sorted(set(scopes))})
    return f"gsk_{key_id}_{secret}"


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def verify(connection: Connection, key: str, now: Micros | None = None) -> Verified | None:
    """
    Return whose key this is, None when it is unknown, wrong or revoked: which of them is not told, nor by time.

    With `now`, the time of use is noted, at most once a minute.
    """
    found = _SHAPE.fullmatch(key)
    key_id, secret = found.groups() if found else ("", "")
    row = connection.execute(
        "SELECT tenant, secret, scopes, last_used_at FROM api_key WHERE key_id = %s AND revoked_at IS NULL", (key_id,)
    ).fetchone()
    tenant, stored, scopes, used_at = row if row else ("", bytes(32), [], None)
    if not hmac.compare_digest(bytes(stored), _hashed(secret)) or row is None:
        return None
    if now is not None and (used_at is None or used_at <= now - MINUTE):
        connection.execute("UPDATE api_key SET last_used_at = %s WHERE key_id = %s", (At(now), key_id))
    return Verified(tenant, key_id, frozenset(scopes))


def all_of(connection: Connection, tenant: str) -> list[ApiKey]:
    """Return a tenant's keys, newest first, revoked ones last."""
    rows = connection.execute(
        "SELECT key_id, name, scopes, created_at, last_used_at, revoked_at FROM api_key WHERE tenant = %s "
        "ORDER BY revoked_at IS NOT NULL, created_at DESC, key_id",
        (tenant,),
    )
    return [ApiKey(id_, name, tuple(scopes), *rest) for id_, name, scopes, *rest in rows]


def revoke(connection: Connection, tenant: str, key_id: str, now: Micros, actor: str = "goodsend") -> None:
    """Make a key worthless; revoking it again changes nothing. Raises NotFound."""
    row = connection.execute(
        "UPDATE api_key SET revoked_at = coalesce(revoked_at, %s) WHERE tenant = %s AND key_id = %s RETURNING name",
        (At(now), tenant, key_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no key {key_id!r}")
    audit.append(connection, tenant, now, actor, "key.revoked", key_id, {"name": row[0]})


def revoke_named(connection: Connection, tenant: str, name: str, now: Micros, actor: str = "goodsend") -> int:
    """Revoke every key of this name that still counts, and return how many."""
    rows = connection.execute(
        "SELECT key_id FROM api_key WHERE tenant = %s AND name = %s AND revoked_at IS NULL", (tenant, clean(name))
    ).fetchall()
    for (key_id,) in rows:
        revoke(connection, tenant, key_id, now, actor)
    return len(rows)
