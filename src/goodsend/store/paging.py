"""Pages by keyset: where the last page ended is in its cursor, so that new rows never shift old pages."""

import base64
import binascii
from typing import Any, Generic, TypeVar

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound

MOST = 500
"""Most rows of one page."""

_FARTHEST: Micros = 250_000_000_000_000_000
"""No time of a page lies farther from 1970 (years -5952 to 9892), and no number of a row is larger."""

Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some rows, and the cursor of the page after them (None: these were the last)."""

    items: list[Item]
    next: str | None = None


def bounded(limit: int) -> int:
    """Return a limit that is at least 1 and at most MOST."""
    return max(1, min(limit, MOST))


def page_of(items: list[Item], limit: int, *place: Any) -> Page[Item]:
    """Return the first `limit` of these items; `place` is where they end, and makes the cursor when there are more."""
    if len(items) <= limit:
        return Page(items)
    raw = base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=")
    return Page(items[:limit], raw.decode())


def place_of(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """Return the place that a cursor stands for, None for the first page. Raises NotFound for one that is not ours."""
    if not cursor:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=list[int | str])
        if len(place) != len(types):
            raise ValueError("another kind of page")
        if any("\0" in part if isinstance(part, str) else abs(part) > _FARTHEST for part in place):
            raise ValueError("no place that a page ended at")
        return tuple(msgspec.convert(value, type_) for value, type_ in zip(place, types, strict=True))
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise NotFound("there is no such page: its cursor is not one that was handed out") from error
