"""Content in, what the scanner finds in it out. Nothing is kept; an event's content is scanned by the engine."""

import asyncio
import base64
import binascii
import codecs
from typing import Literal

import msgspec
from litestar import Response, post

from goodsend.api.access import needs
from goodsend.api.bodies import JSON, media_type_of, read_body, read_one
from goodsend.api.context import Asked, access_of, content_body_bytes, installation_of
from goodsend.api.describe import SCAN_BODY, faults
from goodsend.api.problems import Refused
from goodsend.api.wire import ScanAnswer, signal_answer, verdict_name
from goodsend.events.canonical import MEDIA_TYPES
from goodsend.events.model import Content
from goodsend.kit.ids import digest_of
from goodsend.pack import Pack
from goodsend.scanning.scanner import scan
from goodsend.scanning.weigh import weigh

_PLAIN_CHARSETS = ("ascii", "iso8859", "cp125", "koi8", "big5", "gb", "shift_jis", "euc", "utf")
"""Beginnings of names of character sets; codecs that are something else, such as punycode, are not taken."""


class _ScanRequest(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["message/rfc822", "text/plain", "text/html"]
    text: str | None = None
    base64: str | None = None


_requests = msgspec.json.Decoder(_ScanRequest)


@post(
    "/v1/scan",
    guards=[needs("scan")],
    status_code=200,
    operation_id="scan",
    operation_class=SCAN_BODY,
    summary="Scan content without an event",
    description=(
        "Takes a mail's source, the text of an SMS, or the HTML of a page or form, and answers with the signals found, "
        "each with its evidence and place, and a verdict on the content alone. Nothing is kept. An event that carries "
        "content is judged by its rules instead, which see its sender too."
    ),
    response_description="What was found.",
    responses=faults(400, 413, 415),
    tags=["Scans"],
)
async def scan_content(request: Asked) -> Response[ScanAnswer]:
    """Scan one content in a thread and answer with what was found."""
    installation, access = installation_of(request), access_of(request)
    content = await _read(request)
    limit = installation.settings.content_limit_bytes
    if len(content.body) > limit:
        raise Refused("too_large", f"Content has at most {limit:,} bytes; this has {len(content.body):,}.")
    return Response(await asyncio.to_thread(_scan, content, installation.pack(access.tenant)))


async def _read(request: Asked) -> Content:
    media_type = media_type_of(request)
    if media_type == JSON:
        return _from_json(await read_one(request, content_body_bytes(request)))
    if media_type not in MEDIA_TYPES:
        raise Refused("wrong_media_type", f"Content is taken as {', '.join(MEDIA_TYPES)} or as {JSON}.")
    body = await read_body(request, content_body_bytes(request))
    if media_type != "message/rfc822":
        body = _as_utf8(body, request.content_type[1].get("charset", "utf-8"))
    return Content(digest_of(body), media_type, body)


def _as_utf8(body: bytes, charset: str) -> bytes:
    """Return text in UTF-8, the one encoding of texts and pages in this house; what cannot be read becomes U+FFFD."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        name = ""
    if not name.startswith(_PLAIN_CHARSETS):
        raise Refused("wrong_media_type", f"The character set {charset[:100]!r} is not known here.", hint="send UTF-8")
    return body if name == "utf-8" else body.decode(name, "replace").encode()


def _from_json(body: bytes) -> Content:
    try:
        found = _requests.decode(body)
    except msgspec.ValidationError as error:
        detail, _, place = str(error).partition(" - at `$")
        raise Refused("bad_body", f"{detail}.", place=place.strip("`.") or None) from None
    except msgspec.DecodeError:
        raise Refused("bad_body", "The text holds half of a surrogate pair.", place="text") from None
    if (found.text is None) == (found.base64 is None):
        raise Refused("bad_body", "One of `text` and `base64` is needed, and not both.")
    raw = found.text.encode() if found.text is not None else _from_base64(found.base64 or "")
    return Content(digest_of(raw), found.type, raw)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("bad_body", "This is not base64 (RFC 4648 section 4).", place="base64") from None


def _scan(content: Content, pack: Pack) -> ScanAnswer:
    found = scan(content, pack.scanner)
    judged = weigh(found, pack.scanner)
    return ScanAnswer(
        digest=content.digest,
        type=content.media_type,
        size_bytes=len(content.body),
        verdict=verdict_name(judged.verdict),
        points=judged.points,
        scores=dict(judged.scores),
        signals=[signal_answer(signal) for signal in found.signals],
        reasons=list(judged.reasons),
        facts=dict(found.facts),
        notes=list(found.notes),
        error=found.error,
    )
