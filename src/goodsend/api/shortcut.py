"""
The short way to a decision: the one call that platforms make for every message goes past the framework's routing.

It is the handler of `decisions.py` with the same guard, the same reading and the same answer; a request with a query
takes the long way. (Measured: benchmarks/decisions_http.py.)
"""

from typing import Any

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from goodsend.api import problems
from goodsend.api.access import Keyring, allow
from goodsend.api.decisions import SCOPE, decided
from goodsend.api.headers import answer_headers
from goodsend.wiring import Installation

_PATH = "/v1/decisions"
_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


def with_shortcut(app: ASGIApp, installation: Installation, keyring: Keyring) -> ASGIApp:
    """Return an application that answers `POST /v1/decisions` itself and leaves everything else to this one."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] != "POST"
            or scope["path"] != _PATH
            or scope["query_string"]
        ):
            await app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["installation"], state["keyring"] = installation, keyring
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        try:
            await allow(request, SCOPE)
            body = _encode(await decided(request, with_facts=False))
        except Exception as error:  # noqa: BLE001 - told to the client, and logged where it is ours
            response = problems.answer(request, error)
            await response.to_asgi_response(None, request)(scope, receive, send)
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in answer_headers(scope).items()]
        headers += [_JSON, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return answered
