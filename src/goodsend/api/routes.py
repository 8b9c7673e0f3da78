"""Puts the API together: every handler, with the installation, the keys, the limits and the headers they share."""

from typing import Any

from litestar import Router
from litestar.types import ControllerRouterHandler

from goodsend.api import decisions, events, health, problems, reads, scans
from goodsend.api.access import Access, Keyring
from goodsend.api.context import carry
from goodsend.api.headers import stamp_with
from goodsend.store import keys
from goodsend.wiring import Installation

_OBJECT_BYTES = 100_000
"""Room in a body for what stands around its content: the object, its other fields, a mail's base64 padding."""


def build_api(installation: Installation) -> list[ControllerRouterHandler]:
    """Return the API's routes, for the server to put into its application."""
    settings = installation.settings
    shared: dict[str, Any] = {
        "exception_handlers": {Exception: problems.answer},
        "middleware": [stamp_with({}), carry(installation, keyring(installation))],
    }
    encoded = settings.content_limit_bytes * 4 // 3 + _OBJECT_BYTES
    plain = [*reads.HANDLERS, health.healthz, health.readyz, problems.list_problems, problems.explain_problem]
    return [
        Router("/", route_handlers=[events.send_events], request_max_body_size=settings.body_limit_bytes, **shared),
        Router(
            "/", route_handlers=[decisions.decide_event, scans.scan_content], request_max_body_size=encoded, **shared
        ),
        Router("/", route_handlers=plain, request_max_body_size=_OBJECT_BYTES, **shared),
    ]


def keyring(installation: Installation) -> Keyring:
    """Return the keys of an installation, verified by its store."""

    def verify(key: str) -> Access | None:
        with installation.pool.connection() as connection:
            found = keys.verify(connection, key)
        return Access(found[0], frozenset(found[1])) if found is not None else None

    return Keyring(verify, installation.now)
