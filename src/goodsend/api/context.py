"""What a handler needs to know of its request: the installation it runs in, and who asks."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from litestar import Request
from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from goodsend.api.access import Access, Keyring
from goodsend.api.masking import Masks
from goodsend.handle import Answer
from goodsend.pack import Pack
from goodsend.store.connection import Connection
from goodsend.wiring import Installation

_AROUND_CONTENT_BYTES = 100_000
Asked = Request[Any, Any, Any]


def carry(installation: Installation, keyring: Keyring) -> Middleware:
    """Return middleware that gives requests these two. (Options of handlers cannot hold them: they are copied.)"""

    def carrier(app: ASGIApp) -> ASGIApp:
        async def carried(scope: Scope, receive: Receive, send: Send) -> None:
            state = scope.setdefault("state", {})
            state["installation"], state["keyring"] = installation, keyring
            await app(scope, receive, send)

        return carried

    return carrier


def installation_of(request: Asked) -> Installation:
    """Return the installation this server runs."""
    installation: Installation = request.scope["state"]["installation"]
    return installation


def access_of(request: Asked) -> Access:
    """Return who asks; only for operations behind a guard."""
    access: Access = request.scope["auth"]
    return access


def content_body_bytes(request: Asked) -> int:
    """Return how long a body may be that carries one content, as base64 at worst, and an object around it."""
    return installation_of(request).settings.content_limit_bytes * 4 // 3 + _AROUND_CONTENT_BYTES


@contextmanager
def database(request: Asked) -> Iterator[Connection]:
    """Lend a connection; it commits at the end, and rolls back on an exception. For handlers that run in threads."""
    with installation_of(request).pool.connection() as connection:
        yield connection


def pack_of(request: Asked) -> Pack:
    """Return the definitions in force for the tenant that asks."""
    return installation_of(request).pack(access_of(request).tenant)


def masks_of(request: Asked) -> Masks:
    """Return how the client may see personal data."""
    return Masks(pack_of(request), access_of(request).sees_personal)


async def decide(request: Asked, items: Sequence[object]) -> list[Answer]:
    """
    Hand items to the engine and return its answers, one per item in order.

    Raises Busy when too much waits already, Retryable when the database is away. A client that goes away does not
    cancel what the engine has begun.
    """
    future = installation_of(request).engine.submit(access_of(request).tenant, items)
    return await asyncio.shield(asyncio.wrap_future(future))
