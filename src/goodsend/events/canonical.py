"""
One raw item becomes one event, once: checked against its kind, every value in its canonical form. Or it is a
Rejection that names the place. No exception leaves this module, whatever comes in; nothing here reads a clock.

What is refused and what is mended:

- A field the kind does not have is refused, with the nearest name as a hint: ignoring it would lose data in silence.
- `null` is the same as leaving a field out: not known.
- Ids and keys of entities are taken as they are, and refused when they hold control characters or broken Unicode: two
  keys must never become one.
- In free text NUL and lone surrogates become U+FFFD, because neither PostgreSQL nor UTF-8 can hold them.
- Nothing is cut: what is too long is refused, and kept whole with the Rejection.
- A mail address becomes that of its mailbox; the one that was sent is kept as `<field>_raw` where more than letter case
  differs.
"""

import binascii
import hashlib
import json
import math
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import msgspec

from goodsend.events.addresses import (
    AddressRules,
    Mail,
    Url,
    Wrong,
    canonical_country,
    canonical_domain,
    canonical_ip,
    canonical_mail,
    canonical_phone,
    canonical_url,
)
from goodsend.events.kinds import Field, FieldType, Kind, Kinds
from goodsend.events.model import Arrived, Content, Event
from goodsend.facts import Value
from goodsend.kit.clock import DAY, MINUTE, Micros, format_duration, parse_time
from goodsend.kit.errors import Rejection
from goodsend.kit.ids import digest_of
from goodsend.kit.text import closest, printable, shorten

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1

MEDIA_TYPES = ("message/rfc822", "text/plain", "text/html")
"""What content may be: a mail, a text message, a page or form."""

RAW = "_raw"
"""Suffix of the field that keeps a mail address as it was sent."""


class EventLimits(msgspec.Struct, frozen=True):
    """
    How much one item may hold, and how far its time may lie from now. Own starting values.

    Characters are Unicode code points. `item_bytes` bounds one item as JSON, `content_bytes` what it carries, decoded.
    """

    horizon: Micros = 400 * DAY
    future: Micros = 5 * MINUTE
    content_bytes: int = 25_000_000
    item_bytes: int = 64_000_000
    id_chars: int = 128
    key_chars: int = 512
    text_chars: int = 32_768
    texts_count: int = 1_000


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, code: str, reason: str, hint: str | None = None, place: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint
        self.place = place


_Convert = Callable[[object], Value | Mail | Content]


class _Form:
    """One kind, ready to read: a converter by field name, the fields it must have, the one that holds content."""

    __slots__ = ("channel", "content", "convert", "kind", "required")

    def __init__(self, kind: Kind, limits: EventLimits, rules: AddressRules) -> None:
        self.kind = kind.name
        self.channel = kind.channel
        self.convert: dict[str, _Convert] = {
            field.name: _converter(field, limits, rules) for field in kind.fields.values()
        }
        self.required = tuple(field.name for field in kind.fields.values() if field.required)
        self.content = frozenset(field.name for field in kind.fields.values() if field.type is FieldType.CONTENT)


class Reader:
    """Reads items of one set of kinds. Make one per pack and keep it: kinds are prepared when first seen."""

    def __init__(self, kinds: Kinds, limits: EventLimits, rules: AddressRules) -> None:
        self._kinds = kinds
        self._limits = limits
        self._rules = rules
        self._forms: dict[str, _Form] = {}

    def read(self, item: object, tenant: str, now: Micros) -> Arrived | Rejection:
        """
        Return the event an item stands for, or why it is none.

        `item` is a decoded JSON value, or the bytes of one JSON value. `now` (µs) bounds the event's time.
        """
        raw: object = item
        if isinstance(item, (bytes, bytearray, memoryview, msgspec.Raw)):
            raw = bytes(item)
            item = _decoded(raw, self._limits.item_bytes)
            if isinstance(item, Rejection):
                return item
        try:
            return self._event(item, tenant, now)
        except _Refused as first:
            refused = _misspelt(item) or first if first.code == "missing" else first
            place, reason = printable(refused.place), printable(refused.reason)
            return Rejection(refused.code, place, reason, refused.hint, _item_id(item), _raw_bytes(raw))

    def _event(self, item: object, tenant: str, now: Micros) -> Arrived:
        if type(item) is not dict:
            raise _Refused("not_an_object", f"An event is a JSON object; {_told(item)} was sent.")
        get = item.get
        event_id = _event_id(get("id"), self._limits)
        form = self._forms.get(kind) if type(kind := get("kind")) is str else None
        if form is None:
            form = self._form(kind)
        at = _event_time(get("at"), now, self._limits)
        channel = get("channel")
        if channel is None:
            channel = form.channel
        elif type(channel) is not str or channel not in self._kinds.channels:
            raise _unknown_channel(channel, self._kinds.channels)
        data = get("data")
        if type(data) is not dict:
            raise _wrong_data(item)
        if len(item) > (5 if "channel" in item else 4):
            _check_members(item)
        values, content, digest = _values(data, form)
        return Arrived(Event(tenant, event_id, form.kind, at, channel, values, digest), content)

    def _form(self, kind: object) -> _Form:
        if kind is None:
            raise _Refused("missing", "An event needs a kind.", 'such as "kind": "account.signed_up"', "kind")
        if type(kind) is not str:
            raise _Refused("wrong_type", f"A kind is a text; {_told(kind)} was sent.", None, "kind")
        known = self._kinds.kinds.get(kind)
        if known is None:
            near = closest(shorten(kind, 100), self._kinds.kinds)
            hint = f"did you mean {near!r}?" if near else "docs/reference/event-kinds.md lists them; packs add more"
            raise _Refused("unknown_kind", f"There is no kind of event named {shorten(kind, 100)!r}.", hint, "kind")
        form = _Form(known, self._limits, self._rules)
        self._forms[kind] = form
        return form


def canonicalise(
    item: object, tenant: str, kinds: Kinds, now: Micros, limits: EventLimits, rules: AddressRules
) -> Arrived | Rejection:
    """Return the event of one item, or why it is none. For more than a few items make a `Reader` and keep it."""
    return Reader(kinds, limits, rules).read(item, tenant, now)


_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def body_hash(event: Event) -> bytes:
    """
    Return 16 bytes that follow from what an event says, without its id: two items of one id and one hash are a repeat.

    Order of fields and ways of writing one time or one address make no difference.
    """
    said = (event.kind, event.at, event.channel, event.data, event.content)
    return hashlib.blake2b(_encode(said), digest_size=16).digest()


# -- the item ---------------------------------------------------------------------------------------------------------


def _decoded(body: bytes, limit: int) -> object:
    if len(body) > limit:
        reason = f"An item has at most {limit:,} bytes; this one has {len(body):,}."
        return Rejection("too_big", "", reason, "send large content by its digest", None, body)
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        return _too_deep(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decoded_slowly(body)


def _decoded_slowly(body: bytes) -> object:
    """Lone surrogates in escapes are legal JSON (RFC 8259 section 8.2), which the fast decoder refuses."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return _broken(body, f"byte {error.start}", "the bytes there are not UTF-8")
    except json.JSONDecodeError as error:
        return _broken(body, f"line {error.lineno} column {error.colno}", error.msg[:1].lower() + error.msg[1:])
    except RecursionError:
        return _too_deep(body)
    except ValueError as error:
        return _broken(body, "", str(error))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value of JSON")


def _broken(body: bytes, place: str, reason: str) -> Rejection:
    return Rejection("broken_json", place, f"This is not JSON: {reason}.", None, None, body)


def _too_deep(body: bytes) -> Rejection:
    return Rejection("too_deep", "", "This is nested too deeply for an event.", "values are flat", None, body)


def _item_id(item: object) -> str | None:
    found = item.get("id") if isinstance(item, dict) else None
    if not isinstance(found, str) or not found:
        return None
    return shorten(_clean(found), 128)


def _raw_bytes(raw: object) -> bytes:
    if isinstance(raw, bytes):
        return raw
    try:
        return msgspec.json.encode(raw)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        pass
    try:
        return json.dumps(raw, default=repr).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        return b""


def _event_id(value: object, limits: EventLimits) -> str:
    if type(value) is str and 0 < len(value) <= limits.id_chars and value.isprintable():
        return value
    if value is None:
        raise _Refused("missing", "An event needs an id of its sender's own.", None, "id")
    hint = f"a text of 1 to {limits.id_chars} printable characters; the same id again is taken for a repeat"
    raise _Refused("bad_id", f"The id cannot be used: {_fault(value, limits.id_chars)}.", hint, "id")


def _fault(value: object, limit: int) -> str:
    if type(value) is not str:
        return f"it is {_told(value)}"
    if not value:
        return "it is empty"
    if len(value) > limit:
        return f"it has {len(value):,} characters, {limit} are the most"
    return "it holds control characters or broken Unicode"


def _event_time(value: object, now: Micros, limits: EventLimits) -> Micros:
    if value is None:
        raise _Refused("missing", "An event needs the time it happened.", "such as 2026-11-22T10:00:00Z", "at")
    try:
        at = _time(value)
    except _Refused as refused:
        refused.place = "at"
        raise
    if at > now + limits.future:
        allowed = format_duration(limits.future)
        reason = f"The time lies more than {allowed} ahead of the clock here."
        raise _Refused("in_future", reason, "check the sender's clock and time zone; whole numbers are µs", "at")
    if at < now - limits.horizon:
        allowed = format_duration(limits.horizon)
        raise _Refused("too_old", f"The time lies more than {allowed} back.", "whole numbers are µs since 1970", "at")
    return at


def _unknown_channel(channel: object, channels: Mapping[str, str]) -> _Refused:
    if type(channel) is not str:
        return _Refused("wrong_type", f"A channel is a text; {_told(channel)} was sent.", None, "channel")
    near = closest(shorten(channel, 100), channels)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(channels)}"
    return _Refused("unknown_channel", f"There is no channel named {shorten(channel, 100)!r}.", hint, "channel")


def _wrong_data(item: Mapping[str, object]) -> _Refused:
    if item.get("data") is None:
        return _Refused("missing", "An event needs `data`, an object with its fields.", None, "data")
    return _Refused("wrong_type", f"`data` is an object; {_told(item['data'])} was sent.", None, "data")


_MEMBERS = ("id", "kind", "at", "channel", "data")


def _misspelt(item: object) -> _Refused | None:
    """A member that is missing may be there under a wrong name: that is the more helpful thing to say."""
    try:
        if isinstance(item, dict):
            _check_members(item)
    except _Refused as refused:
        return refused
    return None


def _check_members(item: Mapping[str, object]) -> None:
    for name in item:
        if name not in _MEMBERS:
            near = closest(shorten(str(name), 100), _MEMBERS)
            hint = f"did you mean {near!r}?" if near else "fields of the event go into `data`"
            shown = shorten(str(name), 100)
            raise _Refused("unknown_field", f"An event has no member {shown!r}.", hint, shown)


# -- the fields -------------------------------------------------------------------------------------------------------


def _values(data: Mapping[str, object], form: _Form) -> tuple[dict[str, Value], Content | None, str | None]:
    values: dict[str, Value] = {}
    content: Content | None = None
    digest: str | None = None
    convert = form.convert
    name = ""
    try:
        for name, value in data.items():
            read = convert.get(name)
            if read is None:
                raise _unknown_field(name, form)
            if value is None:
                continue
            found = read(value)
            if found.__class__ is Mail:
                values[name] = found.canonical
                if found.raw.lower() != found.canonical and name + RAW not in convert:
                    values[name + RAW] = found.raw
            elif name in form.content:
                if digest is not None:
                    raise _Refused("too_many", "An event carries one content.", "send two events")
                if isinstance(found, Content):
                    content, digest = found, found.digest
                else:
                    digest = str(found)
                values[name] = digest
            else:
                values[name] = found  # type: ignore[assignment]
    except _Refused as refused:
        refused.place = f"data.{shorten(str(name), 100)}{refused.place}"
        raise
    for name in form.required:
        if name not in values:
            raise _Refused("missing", f"{form.kind} needs this field.", None, f"data.{name}")
    return values, content, digest


def _unknown_field(name: object, form: _Form) -> _Refused:
    shown = shorten(str(name), 100)
    near = closest(shown, form.convert)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(form.convert)}"
    return _Refused("unknown_field", f"{form.kind} has no field {shown!r}.", hint)


def _converter(field: Field, limits: EventLimits, rules: AddressRules) -> _Convert:
    match field.type:
        case FieldType.INTEGER:
            return _integer
        case FieldType.NUMBER:
            return _number
        case FieldType.BOOLEAN:
            return _boolean
        case FieldType.TIME:
            return _time
        case FieldType.TEXTS:
            return _texts_within(limits)
        case FieldType.CONTENT:
            return _content_within(limits)
        case FieldType.TEXT:
            return _key_within(limits.key_chars) if field.entity else _text_within(limits.text_chars)
        case FieldType.EMAIL:
            return _address("bad_email", "a mail address", lambda text: canonical_mail(text, rules))
        case FieldType.DOMAIN:
            return _address("bad_domain", "a domain", canonical_domain)
        case FieldType.PHONE:
            return _address("bad_phone", "a phone number", canonical_phone)
        case FieldType.IP:
            return _address("bad_ip", "a network address", canonical_ip)
        case FieldType.COUNTRY:
            return _address("bad_country", "a country code", lambda text: canonical_country(text, rules))
        case FieldType.URL:
            return _address("bad_url", "a URL", _url)


def _url(text: str) -> str | Wrong:
    found = canonical_url(text)
    return found.url if isinstance(found, Url) else found


def _address(code: str, what: str, canonical: Callable[[str], str | Mail | Wrong]) -> _Convert:
    def convert(value: object) -> Value | Mail:
        if type(value) is not str:
            raise _wrong_type(f"{what} is a text", value)
        found = canonical(value)
        if isinstance(found, Wrong):
            hint = found.hint
            if not value.strip():
                hint = "leave the field out, or send null, where it is not known"
            raise _Refused(code, f"{found.reason[:1].upper()}{found.reason[1:]}.", hint)
        return found

    return convert


def _text_within(limit: int) -> _Convert:
    def convert(value: object) -> str:
        if type(value) is not str:
            raise _wrong_type("this field is a text", value)
        if len(value) > limit:
            raise _Refused("too_long", f"The text has {len(value):,} characters, {limit:,} are the most.")
        if value.isascii() and "\0" not in value:
            return value
        return _clean(value)

    return convert


def _key_within(limit: int) -> _Convert:
    def convert(value: object) -> str:
        if type(value) is str and 0 < len(value) <= limit and value.isprintable():
            return value
        if type(value) is not str:
            raise _wrong_type("this field is a text", value)
        if len(value) > limit:
            raise _Refused("too_long", f"The key has {len(value):,} characters, {limit:,} are the most.")
        hint = None if value else "leave the field out, or send null, where it is not known"
        raise _Refused("bad_key", f"The key cannot be used: {_fault(value, limit)}.", hint)

    return convert


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _texts_within(limits: EventLimits) -> _Convert:
    convert_one = _text_within(limits.text_chars)

    def convert(value: object) -> tuple[str, ...]:
        if type(value) is not list:
            raise _wrong_type("this field is an array of texts", value)
        if len(value) > limits.texts_count:
            raise _Refused("too_many", f"The array has {len(value):,} texts, {limits.texts_count:,} are the most.")
        found = []
        for index, text in enumerate(value):
            try:
                found.append(str(convert_one(text)))
            except _Refused as refused:
                refused.place = f"[{index}]"
                raise
        return tuple(found)

    return convert


def _integer(value: object) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _wrong_type("this field is a whole number", value)
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise _Refused("out_of_range", "The number does not fit into 64 bits.")
    return value


def _number(value: object) -> float:
    if type(value) is int and INTEGER_MIN <= value <= INTEGER_MAX:
        return float(value)
    if type(value) is not float:
        if type(value) is int:
            raise _Refused("out_of_range", "The number does not fit into 64 bits.")
        raise _wrong_type("this field is a number", value)
    if not math.isfinite(value):
        raise _Refused("out_of_range", "The number is infinite, or none at all.")
    return value + 0.0  # minus zero becomes zero


def _boolean(value: object) -> bool:
    if value is True or value is False:
        return value
    raise _wrong_type("this field is true or false", value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _time(value: object) -> Micros:
    if type(value) is str:
        at = _time_of_text(value)
    elif type(value) is int:
        at = value
    else:
        raise _wrong_type("a time is an RFC 3339 text, or whole microseconds since 1970", value)
    if not _FIRST <= at <= _LAST:
        raise _Refused("bad_time", "The time lies outside the years 1 to 9999.", "whole numbers are µs since 1970")
    return at


def _time_of_text(text: str) -> Micros:
    # `fromisoformat` is ten times as fast but takes more than RFC 3339: it only gets what cannot be anything else.
    if text[-1:] == "Z" and text[10:11] == "T" and text[4:5] == "-" and text[13:14] == ":" and text[11:13] != "24":
        size = len(text)
        if (size == 20 and text[16] == ":") or (size in (24, 27) and text[16] == ":" and text[19] == "."):
            try:
                return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
            except ValueError:
                pass
    try:
        return parse_time(text)
    except ValueError as error:
        raise _Refused("bad_time", f"The time cannot be read: {error}.") from None


def _wrong_type(wanted: str, value: object) -> _Refused:
    hint = None
    if type(value) is str and "number" in wanted:
        hint = "send the number without quotes"
    elif type(value) is str and "true" in wanted:
        hint = "send true or false without quotes"
    elif type(value) in (int, float) and "text" in wanted:
        hint = "send it in quotes"
    return _Refused("wrong_type", f"{wanted[:1].upper()}{wanted[1:]}; {_told(value)} was sent.", hint)


def _told(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case int():
            return "a whole number"
        case float():
            return "a number with decimals"
        case list() | tuple():
            return "an array"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"


# -- content ----------------------------------------------------------------------------------------------------------

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_CONTENT_MEMBERS = ("type", "text", "base64", "digest")


def _content_within(limits: EventLimits) -> _Convert:
    def convert(value: object) -> Content | str:
        if type(value) is not dict:
            raise _wrong_type("content is an object with type and text, or base64, or digest", value)
        for name in value:
            if name not in _CONTENT_MEMBERS:
                near = closest(shorten(str(name), 100), _CONTENT_MEMBERS)
                hint = f"did you mean {near!r}?" if near else f"known: {', '.join(_CONTENT_MEMBERS)}"
                shown = shorten(str(name), 100)
                raise _Refused("unknown_field", f"Content has no member {shown!r}.", hint, f".{shown}")
        forms = [name for name in ("text", "base64", "digest") if value.get(name) is not None]
        if len(forms) != 1:
            told = "more than one" if forms else "none"
            raise _Refused("bad_content", f"Content has exactly one of text, base64 and digest; {told} was sent.")
        form = forms[0]
        said = value[form]
        if type(said) is not str:
            refused = _wrong_type("this is a text", said)
            refused.place = f".{form}"
            raise refused
        if form == "digest":
            return _digest(said)
        media_type = _media_type(value.get("type"))
        body = (
            _body_of_text(said, limits.content_bytes) if form == "text" else _body_of_base64(said, limits.content_bytes)
        )
        return Content(digest_of(body), media_type, body)

    return convert


def _digest(said: str) -> str:
    digest = said.lower()
    if not _DIGEST.fullmatch(digest):
        raise _Refused("bad_content", "The digest cannot be read.", "sha256: and 64 hexadecimal digits", ".digest")
    return digest


def _media_type(said: object) -> str:
    if said is None:
        raise _Refused("missing", "Content needs its media type.", f"one of {', '.join(MEDIA_TYPES)}", ".type")
    media_type = said.partition(";")[0].strip().lower() if type(said) is str else ""
    if media_type not in MEDIA_TYPES:
        raise _Refused("bad_content", "Content of this type is not read.", f"known: {', '.join(MEDIA_TYPES)}", ".type")
    return media_type


def _body_of_text(said: str, limit: int) -> bytes:
    if len(said) > limit:
        raise _content_too_big(len(said), limit, ".text")
    body = said.encode("utf-8", "surrogatepass")  # what cannot be text stays visible to the scanner
    if len(body) > limit:
        raise _content_too_big(len(body), limit, ".text")
    return body


def _body_of_base64(said: str, limit: int) -> bytes:
    if len(said) // 4 * 3 > limit + 3:
        raise _content_too_big(len(said) // 4 * 3, limit, ".base64")
    try:
        body = b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        hint = "RFC 4648 section 4: with padding, without line ends"
        raise _Refused("bad_content", "The content is not base64.", hint, ".base64") from None
    if len(body) > limit:
        raise _content_too_big(len(body), limit, ".base64")
    return body


def _content_too_big(size: int, limit: int, place: str) -> _Refused:
    return _Refused("content_too_big", f"Content has at most {limit:,} bytes; this has {size:,}.", None, place)
