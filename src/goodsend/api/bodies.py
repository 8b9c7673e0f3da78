"""
Request bodies: read within a limit, split into items. What an item means is the canonicaliser's business.

Items stay bytes wherever possible: the engine decodes each once, and one item that is broken inside does not spoil the
others. Limits: size while it comes in, the number of items and of values here, depth
by the decoder.
"""

import asyncio
import json
from typing import Any, NoReturn

import msgspec
from litestar import Request

from goodsend.api.problems import Refused

JSON = "application/json"
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_THREAD_FROM_BYTES = 256_000
"""Larger bodies are split in a thread, so that other clients need not wait."""

_SLOWLY_UP_TO_BYTES = 4_000_000
_MOST_COMMAS = 2_000_000
"""A bound on the values of a body, and so on the memory they take: 60 MB of `[],` would be gigabytes of objects."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


class Batch(msgspec.Struct, frozen=True):
    """The items of a request in order, and where each stands in it: `` (the body itself), `events[3]` or `line 4`."""

    items: list[Any]
    places: list[str]


def media_type_of(request: Request[Any, Any, Any]) -> str:
    """Return the body's media type in lower case without parameters; `application/json` when none was named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() or JSON


async def read_body(request: Request[Any, Any, Any], limit_bytes: int) -> bytes:
    """Return the body. Raises Refused when it is encoded, or as soon as it is longer than the limit."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refused(
            "wrong_media_type", "Encoded bodies are not taken here.", hint="send the body without Content-Encoding"
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_long(limit_bytes)
    chunks = []
    total = 0
    more = True
    while more:  # not request.stream(): it asks for the route, which the short way has not looked for
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Refused("bad_request", "The client left before the body was whole.")
        if message["type"] == "http.request":
            total += len(message["body"])
            if total > limit_bytes:
                raise _too_long(limit_bytes)
            chunks.append(message["body"])
            more = message.get("more_body", False)
    return b"".join(chunks)


def _too_long(limit_bytes: int) -> Refused:
    return Refused("too_large", f"The body may have at most {limit_bytes:,} bytes.")


async def read_batch(request: Request[Any, Any, Any], limit: int, limit_bytes: int) -> Batch:
    """Return the items of a request: one object, an array, `{"events": [...]}`, or one item a line. Raises Refused."""
    media_type = media_type_of(request)
    if media_type != JSON and media_type not in NDJSON:
        raise Refused(
            "wrong_media_type", f"Events are taken as {JSON} or application/x-ndjson, not as {media_type[:100]}."
        )
    body = await read_body(request, limit_bytes)
    split = split_lines if media_type in NDJSON else split_json
    if len(body) > _THREAD_FROM_BYTES:
        return await asyncio.to_thread(split, body, limit)
    return split(body, limit)


async def read_one(request: Request[Any, Any, Any], limit_bytes: int) -> bytes:
    """Return the body when it is one JSON object. Raises Refused."""
    media_type = media_type_of(request)
    if media_type != JSON:
        raise Refused("wrong_media_type", f"This is taken as {JSON}, not as {media_type[:100]}.")
    body = await read_body(request, limit_bytes)
    if not body.strip():
        raise Refused("broken_json", "The body is empty.", hint="send one JSON object")
    if isinstance(decode(body, None if _start(body) == b"[" else _object), list):
        raise Refused("bad_body", "One object is taken here, not an array.", hint="POST /v1/events takes many events")
    return body


def _start(body: bytes) -> bytes:
    return body.lstrip(b" \t\r\n")[:1]


def split_lines(body: bytes, limit: int) -> Batch:
    """Return one item per line that is not blank; broken lines are items too, to be rejected each by itself."""
    _check_values(body)
    if body.count(b"\n") > _MOST_COMMAS:
        raise Refused("too_large", "The body holds too many lines.", hint="send several smaller requests")
    items: list[Any] = []
    places: list[str] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        stripped = line.strip()
        if stripped:
            items.append(stripped)
            places.append(f"line {number}")
            _check_count(len(items), limit)
    return Batch(items, places)


def split_json(body: bytes, limit: int) -> Batch:
    """Return the items of a JSON body. Raises Refused with the place when it is no JSON, or no object or array."""
    start = _start(body)
    if start == b"[":
        return _numbered(decode(body, _array), "", limit)
    if start != b"{":
        if start == b"":
            raise Refused("broken_json", "The body is empty.", hint='send one event, an array, or {"events": […]}')
        decode(body, None)
        raise _wrong_shape("The body is neither an object nor an array.", "")
    found = decode(body, _object)
    if "events" not in found:
        return Batch([body], [""])
    others = [name for name in found if name != "events"]
    if others:
        raise _wrong_shape(f"Unknown field {others[0][:100]!r} beside `events`.", others[0][:100])
    events = found["events"]
    if isinstance(events, list):
        return _numbered(events, "events", limit)
    raw = bytes(events)
    if raw[:1] != b"[":
        raise _wrong_shape("`events` is not an array.", "events")
    return _numbered(decode(raw, _array), "events", limit)


def _numbered(items: list[Any], prefix: str, limit: int) -> Batch:
    _check_count(len(items), limit)
    plain = [bytes(item) if isinstance(item, msgspec.Raw) else item for item in items]
    return Batch(plain, [f"{prefix}[{index}]" for index in range(len(plain))])


def _wrong_shape(detail: str, place: str) -> Refused:
    return Refused("bad_body", detail, place=place or None, hint='send one event, an array, or {"events": […]}')


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise Refused("too_large", f"A request holds at most {limit:,} events.", hint="send several smaller requests")


def decode(body: bytes, decoder: msgspec.json.Decoder[Any] | None) -> Any:
    """
    Decode a body. Raises Refused with line and byte of what is not JSON, or because it holds too many values.

    The fast decoder refuses lone surrogates such as `"\\ud800"`, which are legal JSON (RFC 8259 section 8.2), and knows
    places only nearly: what it refuses, the slower one of the standard library reads again, where it is not too long.
    """
    _check_values(body)
    try:
        return decoder.decode(body) if decoder is not None else msgspec.json.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise _wrong_shape("The body is neither an object nor an array.", "") from None
    except msgspec.DecodeError as error:
        if len(body) <= _SLOWLY_UP_TO_BYTES:
            return _decode_slowly(body)
        raise _broken(body, str(error)) from None


def _check_values(body: bytes) -> None:
    if body.count(b",") > _MOST_COMMAS:
        raise Refused("too_large", "The body holds too many values.", hint="send several smaller requests")


def _decode_slowly(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise _at(body, error.start, "this is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _at(
            body, len(error.doc[: error.pos].encode("utf-8")), f"{error.msg[:1].lower()}{error.msg[1:]}"
        ) from None
    except ValueError as error:
        raise Refused("broken_json", f"The body is not JSON: {error}.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value of JSON")


def _too_deep() -> Refused:
    return Refused("bad_body", "The body is nested too deeply.", hint="an event nests a few levels at most")


def _broken(body: bytes, message: str) -> Refused:
    reason, _, tail = message.removeprefix("JSON is malformed: ").partition(" (byte ")
    number = tail.rstrip(")")
    return _at(body, int(number), reason) if number.isdigit() else _at(body, len(body), "it cannot be read to its end")


def _at(body: bytes, offset: int, reason: str) -> Refused:
    line = body.count(b"\n", 0, offset) + 1
    return Refused(
        "broken_json",
        f"The body is not JSON: {reason}.",
        place=f"line {line}, byte {offset}",
        hint="bytes count from 0; lines that each hold one event are sent as application/x-ndjson",
    )
