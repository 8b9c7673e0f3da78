"""The event itself, and the content it may carry. How a raw item becomes one lives in `canonical.py`."""

import msgspec

from goodsend.facts import Value
from goodsend.kit.clock import Micros


class Content(msgspec.Struct, frozen=True):
    """
    The message, form or page itself, as bytes, kept once under its digest.

    `media_type` is lower case without parameters: `message/rfc822`, `text/plain` (an SMS), `text/html` (a page).
    """

    digest: str
    media_type: str
    body: bytes


class Event(msgspec.Struct, frozen=True):
    """
    One thing that happened. Its id is the sender's own and makes it idempotent within the tenant.

    `data` holds the canonical values of the kind's fields, by field name; a field that was not sent is absent.
    `content` is the digest of the content sent with it, None when there was none.
    """

    tenant: str
    id: str
    kind: str
    at: Micros
    channel: str | None
    data: dict[str, Value]
    content: str | None = None


class Arrived(msgspec.Struct, frozen=True):
    """An accepted event with the content that came with it (None when it carried none, or only a digest)."""

    event: Event
    content: Content | None = None
