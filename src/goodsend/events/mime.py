"""
Raw mail bytes as one flat `Message`, within hard limits; never raises. What the message means is judged in `scanning`.

This is our own splitter, not the standard `email` package: that one tests every line against every open boundary (so a
nest of multiparts costs depth × lines), recurses over comments in addresses, and knows no limits. Ours finds
delimiters with `bytes.find`, keeps a stack of byte ranges, and agrees with `email` on the shared corpora.

Source: RFC 5322 (headers), RFC 2045–2047 (MIME, encoded words), RFC 2231 (parameters), read leniently.
"""

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What one message may cost, all of it data (packs/core/scanning/limits.toml); what lies past is cut and noted.

    `size_bytes` of the raw message; `header_bytes` and `header_count` per header block; `header_chars` per value;
    `depth` of the part tree (the message itself is 0); `parts` in all; `decoded_bytes` of text and HTML together;
    `text_chars` and `html_chars` of each after decoding; `html_tags` looked at; `links` and `fact_chars` for what a
    scan hands on.
    """

    size_bytes: int
    header_bytes: int
    header_count: int
    header_chars: int
    depth: int
    parts: int
    decoded_bytes: int
    text_chars: int
    html_chars: int
    html_tags: int
    links: int
    fact_chars: int


class Part(msgspec.Struct, frozen=True):
    """
    One node of the part tree, in the order of the source. `depth` is 0 for the message itself.

    `content_type` is lower case without parameters, `size` the bytes of its body as sent (still encoded), `filename`
    and `disposition` None where the part names none. `encoding` is the transfer encoding, lower case.
    """

    depth: int
    content_type: str
    filename: str | None
    disposition: str | None
    encoding: str
    size: int


class Attachment(msgspec.Struct, frozen=True):
    """A part that is not shown as text: its place in `Message.parts`, and what its first bytes say it is."""

    part: int
    filename: str | None
    content_type: str
    sniffed: str | None
    size: int


class Message(msgspec.Struct, frozen=True):
    """
    A mail, an SMS, a page or a form entry in one shape.

    `headers` are (name as sent, decoded value) of the message itself, in order. `text` and `html` join every inline
    part of that type, since some clients show them all; None when there is none. Addresses are as written, trimmed;
    None when absent. `notes` say what was cut or could not be read, in plain words.
    """

    media_type: str
    headers: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    from_name: str | None = None
    from_address: str | None = None
    reply_to: str | None = None
    return_path: str | None = None
    message_id: str | None = None
    date: str | None = None
    parts: tuple[Part, ...] = ()
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case; None when the message has none of that name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def read_content(media_type: str, body: bytes, limits: Limits) -> Message:
    """Return content of any media type as a Message: mail is parsed, plain text and HTML are decoded."""
    if media_type == "message/rfc822":
        return parse_mail(body, limits)
    notes = _Notes()
    if len(body) > limits.size_bytes:
        body = body[: limits.size_bytes]
        notes.add(f"only the first {limits.size_bytes:,} bytes were read")
    is_html = media_type == "text/html"
    charset = _meta_charset(body) if is_html else None
    text = _cut(decode_text(body, charset), limits.html_chars if is_html else limits.text_chars, media_type, notes)
    part = Part(0, media_type, None, None, "8bit", len(body))
    return Message(
        media_type,
        parts=(part,),
        text=None if is_html else text,
        html=text if is_html else None,
        notes=notes.all(),
    )


def parse_mail(raw: bytes, limits: Limits) -> Message:
    """
    Return the message in these bytes, whatever they are: at worst an empty one with notes.

    Line ends of any kind count (CRLF, LF, CR). A `From ` line of an mbox at the start is skipped.
    """
    notes = _Notes()
    if len(raw) > limits.size_bytes:
        raw = raw[: limits.size_bytes]
        notes.add(f"only the first {limits.size_bytes:,} bytes were read")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw_headers, body = _headers(raw, 0, len(raw), limits, notes)
    walk = _walk(raw, raw_headers, body, limits, notes)
    headers = tuple((name, decode_header(value)) for name, value in raw_headers)
    first: dict[str, str] = {}
    for name, value in raw_headers:
        first.setdefault(name.lower(), value)
    from_name, from_address = parse_address(first.get("from", ""))
    return Message(
        "message/rfc822",
        headers,
        _decoded(first, "subject"),
        from_name,
        from_address,
        parse_address(first.get("reply-to", ""))[1],
        parse_address(first.get("return-path", ""))[1],
        _decoded(first, "message-id"),
        _decoded(first, "date"),
        tuple(walk.parts),
        _joined(walk.texts, limits.text_chars, "text", notes),
        _joined(walk.htmls, limits.html_chars, "HTML", notes),
        tuple(walk.attachments),
        notes.all(),
    )


class _Notes:
    """Notes without repeats, few enough to read."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def add(self, note: str) -> None:
        if len(self._seen) < 20:
            self._seen.setdefault(note)

    def all(self) -> tuple[str, ...]:
        return tuple(self._seen)


def _cut(text: str, limit: int, what: str, notes: _Notes) -> str:
    if len(text) <= limit:
        return text
    notes.add(f"only the first {limit:,} characters of {what} were read")
    return text[:limit]


def _joined(pieces: list[str], limit: int, what: str, notes: _Notes) -> str | None:
    return _cut("\n".join(pieces), limit, what, notes) if pieces else None


def _decoded(first: dict[str, str], name: str) -> str | None:
    return decode_header(first[name]).strip() if name in first else None


# Headers

_HEADER_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]*")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")


def _headers(raw: bytes, start: int, end: int, limits: Limits, notes: _Notes) -> tuple[list[tuple[str, str]], int]:
    """Return (name, unfolded raw value) of the block at `start`, and where the body begins; no value is decoded yet."""
    if raw.startswith(b"\n", start, end):
        return [], start + 1
    blank = raw.find(b"\n\n", start, end)
    stop, body = (blank, blank + 2) if blank >= 0 else (end, end)
    cut = min(stop, start + limits.header_bytes)
    if cut < stop:
        notes.add(f"only the first {limits.header_bytes:,} bytes of headers were read")
    found: list[tuple[str, list[bytes]]] = []
    at = start
    while at < cut:
        line_end = raw.find(b"\n", at, cut)
        if line_end < 0:
            line_end = cut
        line = raw[at:line_end]
        name = _HEADER_NAME.match(line)
        if line[:1] in (b" ", b"\t"):
            if found:
                found[-1][1].append(line)
        elif name:
            if len(found) >= limits.header_count:
                notes.add(f"only the first {limits.header_count:,} headers were read")
                break
            found.append((name.group(1).decode("ascii"), [line[name.end() :]]))
        elif not line.startswith((b"From ", b">From ")):
            if not found:
                return [], start  # no headers at all: everything is body
            notes.add("a line without a colon ends the headers early")
            return _values(found, limits), at
        at = line_end + 1
    return _values(found, limits), body


def _values(found: list[tuple[str, list[bytes]]], limits: Limits) -> list[tuple[str, str]]:
    return [(name, _header_text(b"".join(lines), limits.header_chars)) for name, lines in found]


def _header_text(value: bytes, limit: int) -> str:
    value = value[:limit]
    return value.decode("ascii") if value.isascii() else decode_text(value, None)


def decode_header(value: str) -> str:
    """Return a header value with its encoded words (RFC 2047) decoded; broken ones stay as they were."""
    if "=?" not in value:
        return value.replace("\x00", "\ufffd")
    value = _BETWEEN_WORDS.sub("", value)
    return _ENCODED_WORD.sub(_encoded_word, value).replace("\x00", "\ufffd")


def _encoded_word(found: re.Match[str]) -> str:
    charset, how, payload = found.groups()
    data = payload.encode("utf-8", "replace")
    data = _from_base64(data) if how in "bB" else binascii.a2b_qp(data.replace(b"_", b" "), header=False)
    return decode_text(data, charset.partition("*")[0])


def parse_address(value: str) -> tuple[str | None, str | None]:
    """
    Return (display name, address) of the first mailbox in a raw header value; None for what is not there.

    A quoted display name may hold anything, also an address: only what stands between unquoted angle brackets counts
    as the address. Source: RFC 5322 section 3.4, read leniently and in one pass.
    """
    value = value[:4000]
    if "@" not in value and "=?" in value:
        value = decode_header(value)  # some senders encode the whole field, address and all
    # An encoded word may hold what looks like an address, although it must not: it is part of the name.
    masked = _ENCODED_WORD.sub(lambda found: "_" * len(found.group()), value) if "=?" in value else value
    opened = _unquoted(masked, "<")
    if opened >= 0:
        closed = value.find(">", opened)
        address = value[opened + 1 : closed if closed >= 0 else len(value)]
        name = value[:opened]
    else:
        comment = value.find("(")
        address, name = (value[:comment], value[comment + 1 :].split(")")[0]) if comment >= 0 else (value, "")
        address = address.split(",")[0]
        if "@" not in address:
            name, address = name or address, ""
    name = decode_header(_unquote(name.strip())).strip().strip("\"'").strip()
    address = "".join(address.split()).strip("<>\"',;")
    return name or None, decode_header(address) or None


def _unquoted(value: str, wanted: str) -> int:
    quoted = escaped = False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == wanted and not quoted:
            return index
    return value.rfind(wanted) if quoted else -1


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


# Parameters of Content-Type and Content-Disposition

_PARAMETER = re.compile(r';\s*([^\s=;"]{1,100})\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+)|"([^;]*+))')


def _parameters(value: str) -> dict[str, str]:
    """Return the parameters after the first `;`, names lower case, RFC 2231 pieces joined; the first one counts."""
    start = value.find(";")
    if start < 0:
        return {}
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[str, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value, start)):
        if count >= 100:
            break
        name = found.group(1).lower()
        text = found.group(2)
        text = re.sub(r"\\(.)", r"\1", text) if text is not None else (found.group(3) or found.group(4) or "").strip()
        base, star, _ = name.partition("*")
        if star:
            pieces.setdefault(base, []).append((name, text))
        else:
            plain.setdefault(name, text)
    for base, parts in pieces.items():
        plain[base] = _extended(parts)
    return plain


def _extended(parts: list[tuple[str, str]]) -> str:
    """Join `name*`, `name*0*`, `name*1` … (RFC 2231), in order of their numbers."""

    def number(piece: tuple[str, str]) -> int:
        digits = piece[0].split("*")[1]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 5 else 0

    charset = None
    data = b""
    for index, (name, text) in enumerate(sorted(parts, key=number)):
        if name.endswith("*"):
            if index == 0 and text.count("'") >= 2:
                charset, _, rest = text.split("'", 2)
                data += _from_percent(rest)
            else:
                data += _from_percent(text)
        else:
            data += text.encode("utf-8", "replace")
    return decode_text(data, charset)


_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")


def _from_percent(text: str) -> bytes:
    return _PERCENT.sub(lambda found: chr(int(found.group(1), 16)), text).encode("latin-1", "replace")


# The tree of parts


class _Range(msgspec.Struct):
    """A part still to be read: its bytes, its depth, and what its type is when it names none."""

    start: int
    end: int
    depth: int
    default: str


class _Walk(msgspec.Struct):
    parts: list[Part] = []
    texts: list[str] = []
    htmls: list[str] = []
    attachments: list[Attachment] = []
    decoded: int = 0


def _walk(raw: bytes, headers: list[tuple[str, str]], body: int, limits: Limits, notes: _Notes) -> _Walk:
    """Read every part, the deepest first in the order of the source, without recursion."""
    walk = _Walk([], [], [], [])
    waiting = _part(raw, headers, _Range(body, len(raw), 0, "text/plain"), walk, limits, notes)
    while waiting:
        part = waiting.pop()
        if len(walk.parts) >= limits.parts:
            notes.add(f"only the first {limits.parts:,} parts were read")
            break
        part_headers, part_body = _headers(raw, part.start, part.end, limits, notes)
        part.start = part_body
        waiting += _part(raw, part_headers, part, walk, limits, notes)
    return walk


def _part(
    raw: bytes, headers: list[tuple[str, str]], part: _Range, walk: _Walk, limits: Limits, notes: _Notes
) -> list[_Range]:
    """Take one part; return the parts inside it, last first."""
    content_type = disposition = encoding = ""
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = content_type or value
        elif lower == "content-disposition":
            disposition = disposition or value
        elif lower == "content-transfer-encoding":
            encoding = encoding or value.strip().lower()
    kind = _type_of(content_type, part.default)
    parameters = _parameters(content_type)
    named = _parameters(disposition).get("filename") or parameters.get("name")
    filename = decode_header(named)[:255] if named else None
    how = disposition.partition(";")[0].strip().lower() or None
    inner: list[_Range] = []
    if kind.startswith("multipart/") or kind == "message/rfc822":
        if part.depth >= limits.depth:
            notes.add(f"parts nested deeper than {limits.depth} were not opened")
        elif kind == "message/rfc822":
            if encoding in ("", "7bit", "8bit", "binary"):
                inner = [_Range(part.start, part.end, part.depth + 1, "text/plain")]
        else:
            inner = _inside(raw, part, kind, parameters.get("boundary"), limits.parts - len(walk.parts), notes)
            if not inner:
                kind = "text/plain"
    walk.parts.append(Part(part.depth, kind, filename, how, encoding, part.end - part.start))
    if not inner:
        _leaf(raw, part, parameters.get("charset"), walk, limits, notes)
    inner.reverse()
    return inner


_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")


def _type_of(value: str, default: str) -> str:
    if not value:
        return default
    found = _TYPE.match(value.strip().lower())
    return found.group() if found else "text/plain"


def _inside(raw: bytes, part: _Range, kind: str, boundary: str | None, room: int, notes: _Notes) -> list[_Range]:
    """Return the parts of a multipart in order: ranges between its delimiter lines (RFC 2046 section 5.1.1)."""
    if boundary:
        mark = b"--" + boundary.rstrip().encode("utf-8", "replace")
    else:
        guess = _guessed_boundary(raw, part)
        if guess is None:
            notes.add("a multipart without a boundary was read as text")
            return []
        notes.add("a multipart names no boundary; the first line that looks like one was taken")
        mark = guess
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    inner: list[_Range] = []
    open_at = -1
    for line_start, line_end, closing in _delimiters(raw, mark, part.start, part.end):
        if open_at >= 0:
            inner.append(_Range(open_at, max(open_at, line_start - 1), part.depth + 1, default))
        open_at = line_end
        if closing or len(inner) > room:
            open_at = -1
            break
    if 0 <= open_at < part.end:
        inner.append(_Range(open_at, part.end, part.depth + 1, default))
    if not inner:
        notes.add("a multipart without any part was read as text")
    return inner


def _delimiters(raw: bytes, mark: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Give (start of line, start of next line, is closing) for each delimiter line, trailing blanks allowed."""
    lines = re.compile(rb"\n" + re.escape(mark) + rb"(--)?[ \t]*+(?=\n|\Z)")
    for found in lines.finditer(raw, max(0, start - 1), end):
        yield found.start() + 1, min(found.end() + 1, end), found.group(1) is not None


def _guessed_boundary(raw: bytes, part: _Range) -> bytes | None:
    at = part.start if raw.startswith(b"--", part.start) else raw.find(b"\n--", part.start, part.start + 4096) + 1
    if at <= 0 and not raw.startswith(b"--", part.start):
        return None
    line = raw[at : min(part.end, at + 80)].partition(b"\n")[0].rstrip(b" \t")
    return line if 4 < len(line) < 75 else None


def _leaf(raw: bytes, place: _Range, charset: str | None, walk: _Walk, limits: Limits, notes: _Notes) -> None:
    """Keep a leaf as text, as HTML, or as an attachment."""
    index = len(walk.parts) - 1
    part = walk.parts[index]
    is_text = part.content_type in ("text/plain", "text/html")
    if is_text and part.disposition != "attachment" and not (part.filename and part.disposition):
        room = limits.decoded_bytes - walk.decoded
        if part.size and room <= 0:
            notes.add(f"only the first {limits.decoded_bytes:,} bytes of text were decoded")
            return
        data = _decode(raw[place.start : min(place.end, place.start + 2 * room)], part.encoding)
        if len(data) > room:
            notes.add(f"only the first {limits.decoded_bytes:,} bytes of text were decoded")
        walk.decoded += len(data)
        (walk.htmls if part.content_type == "text/html" else walk.texts).append(decode_text(data[:room], charset))
        return
    head = _decode(raw[place.start : min(place.end, place.start + 2048)], part.encoding)[:1024]
    size = part.size * 3 // 4 if part.encoding == "base64" else part.size
    walk.attachments.append(Attachment(index, part.filename, part.content_type, sniff(head), size))


def _decode(body: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return _from_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    return body


_NOT_BASE64 = bytes(sorted(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")))


def _from_base64(data: bytes) -> bytes:
    """Decode what can be: foreign bytes are skipped, padding in the middle starts a new run, an odd rest is lost."""
    data = data.translate(None, _NOT_BASE64)
    runs = data.split(b"=", 1000)
    return b"".join(_run_from_base64(run) for run in runs if run)


def _run_from_base64(run: bytes) -> bytes:
    run = run.replace(b"=", b"")
    spare = len(run) % 4
    if spare == 1:
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


# Text


def _charsets() -> dict[str, str]:
    """Return every name a charset may have, with the codec that reads it; only real charsets, linear ones."""
    real = (
        "ascii", "utf_8", "utf_7", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le",
        "latin_1", "big5", "big5hkscs", "gb2312", "gbk", "gb18030", "hz", "euc_jp", "euc_jis_2004",
        "euc_jisx0213", "euc_kr", "johab", "cp949", "cp932", "cp950", "shift_jis", "shift_jis_2004",
        "shift_jisx0213", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_kr",
        "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9",
        "iso8859_10", "iso8859_11", "iso8859_13", "iso8859_14", "iso8859_15", "iso8859_16", "cp1250", "cp1251",
        "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp720", "cp737",
        "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp860", "cp861", "cp862", "cp863", "cp864",
        "cp865", "cp866", "cp869", "cp874", "koi8_r", "koi8_u", "koi8_t", "kz1048", "mac_roman", "mac_cyrillic",
        "mac_greek", "mac_latin2", "mac_turkish", "mac_iceland", "ptcp154", "tis_620",
    )  # fmt: skip
    known = {name: name for name in real} | {name.replace("_", ""): name for name in real}
    known |= {alias: name for alias, name in aliases.items() if name in known}
    # What calls itself Latin-1 or ASCII is read as its superset, as browsers do (WHATWG Encoding standard).
    widened = {"latin_1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "iso8859_9": "cp1254"}
    widened |= {"shift_jis": "cp932", "euc_kr": "cp949", "tis_620": "cp874", "iso8859_11": "cp874"}
    return {name: widened.get(codec, codec) for name, codec in known.items()} | {"utf8mb4": "utf_8", "binary": "utf_8"}


_CHARSETS = _charsets()
_NAME_MARKS = str.maketrans("-. :", "____")


def decode_text(data: bytes, charset: str | None) -> str:
    """
    Return bytes as text, never failing; NUL becomes U+FFFD, since no database and few readers take it.

    A declared charset is believed only where it is known and fits; else UTF-8 where it fits, else Windows-1252.
    The names are looked up in a table of our own: `codecs.lookup` would keep every invented name in memory for ever.
    """
    text = _decoded_text(data, charset)
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _decoded_text(data: bytes, charset: str | None) -> str:
    if data.isascii() and not charset:
        return data.decode("ascii")
    codec = _CHARSETS.get(charset.strip("\"' ").lower().translate(_NAME_MARKS)[:40], "") if charset else ""
    if codec in ("", "cp1252", "utf_8"):
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            if codec != "utf_8":
                return data.decode("cp1252", "replace")
    text = data.decode(codec or "utf_8", "replace")
    if codec == "utf_7":  # the one codec that lets half a surrogate pair through
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_META_CHARSET = re.compile(rb"""(?i)charset\s{0,8}=\s{0,8}["']?([a-z0-9_:.-]{1,40})""")


def _meta_charset(body: bytes) -> str | None:
    found = _META_CHARSET.search(body[:2048])
    return found.group(1).decode("ascii") if found else None


_MAGIC = (
    (b"%PDF", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"GIF8", "image/gif"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\x89PNG\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"{\\rtf", "application/rtf"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
)
_HTML_START = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<iframe")


def sniff(head: bytes) -> str | None:
    """Return what the first bytes of a file say it is, or None when they say nothing known."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "image/svg+xml"
    return "text/html" if start.startswith(_HTML_START) else None
