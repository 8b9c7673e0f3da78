"""
Who asks, and what they may do: API keys, their scopes, and the guard of each operation. People sign in to the console.

Keys are verified by the store; an answer is remembered for half a minute, under the key's SHA-256, so a revoked key
stops working within that time and a busy client costs one look-up per half minute.
"""

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from goodsend.api.problems import Refused
from goodsend.kit.clock import SECOND, Micros

SCOPES = {
    "events:write": "send events",
    "decisions:write": "send an event and wait for its decision",
    "scan": "scan content without an event",
    "read": "read events, decisions, cases, accounts, rejections, rules and kinds",
    "rules:write": "check and try rules, write versions of them and propose these",
    "rules:approve": "approve what another has proposed, roll back, retire",
    "personal": "see personal data in answers, which are masked without it",
    "admin": "send outbox rows again",
}
"""What a key may be allowed to do. No scope includes another."""

REMEMBER: Micros = 30 * SECOND
_MOST_REMEMBERED = 10_000
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="goodsend"'}


class Access(msgspec.Struct, frozen=True):
    """A verified key: the tenant it belongs to, and its scopes. A request reads and writes for it alone."""

    tenant: str
    key_id: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """The key's name in the audit."""
        return f"key:{self.key_id}"

    @property
    def sees_personal(self) -> bool:
        """Whether personal data is shown unmasked."""
        return "personal" in self.scopes


class Keyring:
    """
    Verified keys, remembered for REMEMBER. `verify` asks the store.

    Unknown keys are not remembered: anybody could fill the memory with them. A clock that was set back forgets.
    """

    def __init__(self, verify: Callable[[str], Access | None], now: Callable[[], Micros]) -> None:
        self._verify = verify
        self._now = now
        self._known: dict[bytes, tuple[Micros, Access]] = {}
        self._lock = threading.Lock()

    def remembered(self, key: str) -> Access | None:
        """Return the access of a key verified lately, or None."""
        found = self._known.get(_fingerprint(key))
        return found[1] if found is not None and 0 <= self._now() - found[0] < REMEMBER else None

    def look_up(self, key: str) -> Access | None:
        """Return the access of a key, asking the store, or None when it is unknown or revoked."""
        access = self._verify(key)
        with self._lock:
            if access is None:
                self._known.pop(_fingerprint(key), None)
            else:
                if len(self._known) >= _MOST_REMEMBERED:
                    self._known.clear()
                self._known[_fingerprint(key)] = (self._now(), access)
        return access


def _fingerprint(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def needs(scope: str) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """Return a guard that lets a request pass when its key has this scope, and leaves its Access as `request.auth`."""
    if scope not in SCOPES:
        raise ValueError(f"no such scope: {scope}")

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        del handler
        await allow(connection, scope)

    return guard


async def allow(connection: ASGIConnection[Any, Any, Any, Any], scope: str) -> None:
    """Leave the Access of a request as `request.auth` when its key has this scope. Raises Refused."""
    keyring: Keyring = connection.scope["state"]["keyring"]
    key = _key_of(connection)
    access = keyring.remembered(key) or await asyncio.to_thread(keyring.look_up, key)
    if access is None:
        raise Refused(
            "unauthenticated",
            "The API key is not known here, or was revoked.",
            headers={"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'},
        )
    if scope not in access.scopes:
        raise Refused(
            "missing_scope",
            f"This operation needs the scope {scope}.",
            hint=f"the key has: {', '.join(sorted(access.scopes)) or 'no scope'}",
            headers={
                "WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="insufficient_scope", scope="{scope}"'
            },
        )
    connection.scope["auth"] = access


def _key_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    sent = connection.headers.get("authorization", "")
    scheme, _, key = sent.partition(" ")
    key = key.strip()
    if not sent:
        detail = "The request has no Authorization header."
    elif scheme.lower() != "bearer":
        detail = "The Authorization header is not of the scheme Bearer."
    elif not key.startswith("gsk_") or len(key) > 200 or not key.isascii():
        detail = "The Authorization header holds no API key of this product."
    else:
        return key
    raise Refused("unauthenticated", detail, hint="Authorization: Bearer gsk_<id>_<secret>", headers=_CHALLENGE)
