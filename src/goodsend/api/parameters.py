"""Query and path parameters: each is known, readable and within what the database holds; else a problem names it."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from goodsend.api.context import Asked
from goodsend.api.problems import Fault, Refused
from goodsend.kit.clock import Micros, parse_time, to_datetime
from goodsend.kit.text import closest

Limit = Annotated[int, QueryParameter(description="Most items of the page.", ge=1, le=500)]
Cursor = Annotated[
    str | None, QueryParameter(description="The `next` of the page before; absent: the first page.", max_length=2_000)
]
Since = Annotated[
    str | None,
    QueryParameter(name="from", description="From this time on (RFC 3339 with an offset).", max_length=40),
]
Until = Annotated[
    str | None,
    QueryParameter(name="to", description="Before this time (RFC 3339 with an offset).", max_length=40),
]

_EARLIEST, _LATEST = parse_time("0001-01-01T00:00:00Z"), parse_time("9999-12-31T23:59:59Z")


async def known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard: refuse parameters nobody reads (a misspelt filter would show everything), and NUL, which no id holds."""
    known = _query_names(handler)
    faults = []
    for name, value in connection.query_params.multi_items():
        if name not in known:
            near = closest(name[:100], known)
            hint = f", did you mean {near}?" if near else f"; known: {', '.join(known) or 'none'}"
            faults.append(Fault(name[:100], "is not a parameter here" + hint))
        elif "\0" in value:
            faults.append(Fault(name, "holds a NUL character"))
    faults += [
        Fault(name, "holds a NUL character") for name, value in connection.path_params.items() if "\0" in str(value)
    ]
    if faults:
        raise _bad(*faults)


def _query_names(handler: BaseRouteHandler) -> list[str]:
    names = []
    for name, field in handler.parsed_fn_signature.parameters.items():
        described = field.kwarg_definition
        if isinstance(described, QueryParameter):
            names.append(described.name or name)
    return names


def _bad(*faults: Fault) -> Refused:
    return Refused("bad_parameter", "A parameter of the request cannot be used.", errors=faults)


def time_of(name: str, text: str | None) -> Micros | None:
    """Return a time parameter. Raises Refused with the parameter's name."""
    if text is None:
        return None
    try:
        at = parse_time(text.replace(" ", "+"))  # a plus sign that was not escaped arrives as a space
        to_datetime(at)
    except (ValueError, OverflowError) as error:
        detail = str(error) if isinstance(error, ValueError) else "a year from 1 to 9999 is needed"
        raise _bad(Fault(name, detail)) from None
    return at


def checked_cursor(cursor: str | None) -> str | None:
    """Return a cursor that could be one of ours: its numbers are times, or smaller. Raises Refused for others."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=list[int | str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _bad(Fault("cursor", "was not handed out by this list")) from None
    if any("\0" in part if isinstance(part, str) else not _EARLIEST <= part <= _LATEST for part in place):
        raise _bad(Fault("cursor", "was not handed out by this list"))
    return cursor


def tail_of(request: Asked, before: str) -> str:
    """
    Return what follows `before` in the path, as it was sent: ids of senders may hold slashes, and routing folds those.

    The unfolded path is `raw_path`, which a test client may leave out.
    """
    raw: bytes = request.scope.get("raw_path") or b""
    _, found, tail = raw.decode("ascii", "replace").partition(before)
    return unquote(tail) if found else request.url.path.partition(before)[2]
