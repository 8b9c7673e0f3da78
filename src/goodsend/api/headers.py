"""The headers of every answer: the request's id, and what browsers may do with it. The console has its own."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Middleware, Receive, Scope, Send

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._~:+/=-]{1,128}$")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""An answer of the API is data: no browser should run, frame, sniff or keep it. There is no CORS on purpose."""

PAGE_HEADERS = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}
"""For pages that are the same for everybody; they stand in place of the ones above."""


def request_id(scope: Scope) -> str:
    """Return the id of a request: the client's own `X-Request-Id` when it is well-formed, else a new one."""
    state = scope.setdefault("state", {})
    known = state.get("request_id")
    if known is None:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = sent.decode("ascii") if _REQUEST_ID.match(sent) else uuid.uuid4().hex
        state["request_id"] = known
    return str(known)


def answer_headers(scope: Scope) -> dict[str, str]:
    """Return the headers of an answer to this request."""
    return {"X-Request-Id": request_id(scope), **SECURITY_HEADERS}


def accepts_html(request: Request[Any, Any, Any]) -> bool:
    """Say whether the client is a browser: it names text/html in Accept, as tools that ask for anything do not."""
    return "text/html" in request.headers.get("accept", "")


def stamp_with(own: Mapping[str, str]) -> Middleware:
    """Return middleware that gives answers the headers above, or these, where the handler has set none itself."""
    wanted = [(name.lower().encode(), value.encode()) for name, value in {**SECURITY_HEADERS, **own}.items()]

    def stamp(app: ASGIApp) -> ASGIApp:
        async def stamped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            known = (b"x-request-id", request_id(scope).encode())

            async def send_stamped(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = list(message["headers"])
                    present = {name.lower() for name, _ in headers}
                    message["headers"] = headers + [pair for pair in (known, *wanted) if pair[0] not in present]
                await send(message)

            await app(scope, receive, send_stamped)

        return stamped

    return stamp
