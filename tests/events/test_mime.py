"""Raw bytes to a message: what real mail holds, and what hostile mail does."""

import base64
import email
import time
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.events.mime import Limits, Message, decode_text, parse_address, parse_mail, read_content, sniff

LIMITS_FILE = Path(__file__).parents[2] / "src" / "goodsend" / "packs" / "core" / "scanning" / "limits.toml"
LIMITS = msgspec.convert(tomllib.loads(LIMITS_FILE.read_text())["limits"], Limits)


def parse(raw: str | bytes, **but: int) -> Message:
    """Parse with the shipped limits, some changed."""
    limits = msgspec.structs.replace(LIMITS, **but)
    return parse_mail(raw.encode() if isinstance(raw, str) else raw, limits)


SIMPLE = """From: =?utf-8?q?J=C3=BCrgen?= <j@acme.example>
To: a@b.example
Subject: =?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?q?_aus_K=F6ln?=
Reply-To: <help@acme.example>
Return-Path: <bounce@acme.example>
Message-ID: <1@acme.example>
Date: Sun, 22 Nov 2026 10:00:00 +0000
Content-Type: multipart/mixed; boundary="out"

preamble
--out
Content-Type: multipart/alternative; boundary=in

--in
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--in
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: base64

PHA+R3LDvMOfZTwvcD4=
--in--
--out
Content-Type: application/pdf
Content-Disposition: attachment; filename*0*=utf-8''Rech; filename*1*=nung%20%C3%BC.pdf
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--out--
epilogue
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_mail_with_all_that_mails_have(line_end: str) -> None:
    """Encoded words, nested parts, transfer encodings and file names are read alike, whatever ends the lines."""
    found = parse(SIMPLE.replace("\n", line_end))

    assert (found.from_name, found.from_address) == ("Jürgen", "j@acme.example")
    assert found.subject == "Grüße aus Köln"
    assert (found.reply_to, found.return_path) == ("help@acme.example", "bounce@acme.example")
    assert (found.message_id, found.date) == ("<1@acme.example>", "Sun, 22 Nov 2026 10:00:00 +0000")
    assert (found.text, found.html) == ("Grüße", "<p>Grüße</p>")
    assert [(part.depth, part.content_type) for part in found.parts] == [
        (0, "multipart/mixed"), (1, "multipart/alternative"), (2, "text/plain"), (2, "text/html"),
        (1, "application/pdf"),
    ]  # fmt: skip
    assert [(file.part, file.filename, file.sniffed) for file in found.attachments] == [
        (4, "Rechnung ü.pdf", "application/pdf")
    ]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("a@b.example", None, "a@b.example"),
        ("Ann <a@b.example>", "Ann", "a@b.example"),
        ('"Ann, the <boss@x.example>" <a@b.example>', "Ann, the <boss@x.example>", "a@b.example"),
        ('"A \\" B" <a@b.example>', 'A " B', "a@b.example"),
        ("a@b.example (Ann)", "Ann", "a@b.example"),
        ("Ann < a @ b.example >", "Ann", "a@b.example"),
        ("=?utf-8?q?Ann_=3Ca=40b=2Eexample=3E?=", "Ann", "a@b.example"),
        ("=?utf-8?q?Ann_<x@y>?= <a@b.example>", "Ann <x@y>", "a@b.example"),
        ("Ann", "Ann", None),
        ("<>", None, None),
        ("", None, None),
        ('"unclosed <a@b.example>', '"unclosed', "a@b.example"),
        ("(" * 3000 + "a@b.example", None, None),
        ("a@b.example, c@d.example", None, "a@b.example"),
    ],
)
def test_addresses(value: str, name: str | None, address: str | None) -> None:
    """Only what stands between unquoted angle brackets is the address; display names may lie."""
    found_name, found_address = parse_address(value)

    assert found_address == address
    if name is not None:
        assert (found_name or "").strip('"') == name.strip('"')


@pytest.mark.parametrize(
    ("raw", "text", "note"),
    [
        ("no headers at all\n\nbody", "no headers at all\n\nbody", None),
        ("Subject: x\n\nhello", "hello", None),
        ("Subject: x\nno colon here\nhello", "no colon here\nhello", "a line without a colon ends the headers early"),
        ("From me Mon Jan\nSubject: x\n\nhello", "hello", None),
        ("\nbody only", "body only", None),
        (
            "Content-Type: multipart/mixed\n\n--abcd\n\nhello\n--abcd--",
            "hello",
            "a multipart names no boundary; the first line that looks like one was taken",
        ),
        ("Content-Type: multipart/mixed\n\nhello", "hello", "a multipart without a boundary was read as text"),
        (
            "Content-Type: multipart/mixed; boundary=b\n\nhello",
            "hello",
            "a multipart without any part was read as text",
        ),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nunclosed", "unclosed", None),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\nx\n--bb\n--b--\n\nafter", "x\n--bb", None),
        ("Content-Type: nonsense\n\nhello", "hello", None),
        ("Content-Type: text/plain; charset=nonsense\n\nhéllo", "héllo", None),
        ("Content-Type: text/plain; charset=zlib\n\nhello", "hello", None),
        ("Content-Transfer-Encoding: base64\n\n!!aGVs*bG8=garbage", "hello\ufffd\x03\ufffd\x06\ufffd\x1e", None),
        ("Content-Transfer-Encoding: base64\n\naGVsbG8=\naGVsbG8", "hellohello", None),
        ("Content-Transfer-Encoding: base64\n\nA", "", None),
        ("Content-Transfer-Encoding: nonsense\n\nhello", "hello", None),
        ("Subject: \x00\n\nhel\x00lo", "hel\ufffdlo", None),
    ],
)
def test_broken_mail_is_read_as_well_as_can_be(raw: str, text: str, note: str | None) -> None:
    """Nothing raises; what is odd is noted where it changes the meaning."""
    found = parse(raw)

    if "garbage" in raw:
        assert (found.text or "").startswith("hello")
    else:
        assert found.text == text
    assert found.notes == ((note,) if note else ())


def test_charsets_are_believed_where_they_fit() -> None:
    """Declared charsets, wrong ones, none, and those that are no charset at all; never a lone surrogate or a NUL."""
    assert decode_text("Grüße".encode("cp1252"), "iso-8859-1") == "Grüße"
    assert decode_text("Grüße".encode(), "us-ascii") == "Grüße"
    assert decode_text("Grüße".encode(), None) == "Grüße"
    assert decode_text("Grüße".encode("cp1252"), None) == "Grüße"
    assert decode_text("日本".encode("shift_jis"), '"Shift_JIS"') == "日本"
    assert decode_text("日本".encode("iso-2022-jp"), "ISO-2022-JP") == "日本"
    assert decode_text(b"+2AA-", "utf-7") == "\ufffd"
    assert decode_text(b"abc", "punycode") == "abc"
    assert decode_text(b"\xff\xfe\x00", "x" * 10_000) == "ÿþ\ufffd"


def test_an_attached_message_and_its_text_are_read() -> None:
    """A forwarded mail is a part of its own; its text counts, its sender does not."""
    raw = "From: a@b.example\nContent-Type: message/rfc822\n\nFrom: c@d.example\nSubject: inner\n\ninner text"

    found = parse(raw)

    assert (found.from_address, found.subject, found.text) == ("a@b.example", None, "inner text")
    assert [part.content_type for part in found.parts] == ["message/rfc822", "text/plain"]


def bomb(parts: int) -> bytes:
    """A flat multipart of many parts."""
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * parts + b"--b--"


def nest(depth: int, filler: bytes = b"") -> bytes:
    """Multiparts one inside the other, each with its own boundary."""
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n%s\n--b%d\n" % (level, filler, level) for level in range(depth)
    )
    return head + b"\n" + b"deep"


def test_limits_cut_and_say_so() -> None:
    """Each limit leaves a readable message and a note."""
    assert len(parse(bomb(10_000)).parts) == LIMITS.parts
    assert parse(bomb(10_000)).notes == ("only the first 1,000 parts were read",)
    assert max(part.depth for part in parse(nest(500)).parts) == LIMITS.depth
    assert parse(nest(500)).notes == ("parts nested deeper than 20 were not opened",)
    many = parse(b"X-Many: 1\n" * 100_000 + b"Subject: late\n\nbody")
    assert (len(many.headers), many.text) == (1000, "body")
    long = parse(b"Subject: " + b"x" * 1_000_000 + b"\n\nbody")
    assert (len(long.subject or ""), long.text) == (LIMITS.header_chars, "body")
    assert parse(b"Subject: x\n\n" + b"y" * 100, size_bytes=50).notes == ("only the first 50 bytes were read",)
    text = parse(b"Subject: x\n\n" + b"y" * 100, text_chars=10)
    assert (text.text, text.notes) == ("y" * 10, ("only the first 10 characters of text were read",))
    assert parse(b"Subject: x\n\n" + b"y" * 100, decoded_bytes=10).text == "y" * 10


HOSTILE = {
    "parts": bomb(1_000_000),
    "nest": nest(5_000, b"x" * 4_000),
    "almost boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bx\n" * 4_000_000,
    "headers": b"A: b\n" * 4_000_000,
    "continuations": b"A: b\n" + b" c\n" * 6_000_000,
    "one line": b"x" * 20_000_000,
    "line ends": b"\r" * 20_000_000,
    "encoded words": b"Subject: " + b"=?" * 5_000_000 + b"\n\n",
    "parameters": b"Content-Type: multipart/mixed; " + b'a="\\";' * 2_000_000 + b"\n\n",
    "comments": b"From: " + b"(" * 5_000_000 + b"\n\n",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"=A" * 10_000_000,
    "quoted": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=3D=\n" * 4_000_000,
    "same boundary": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_costs_little(name: str) -> None:
    """Twenty megabytes of the worst are read within the second that one mail may take."""
    started = time.process_time()

    parse(HOSTILE[name])

    assert time.process_time() - started < 1.0


def test_sniffing_names_what_files_are() -> None:
    """First bytes say more than a declared type."""
    assert sniff(b"%PDF-1.7") == "application/pdf"
    assert sniff(b"\xef\xbb\xbf  <!DOCTYPE html>") == "text/html"
    assert sniff(b'<?xml version="1.0"?><svg>') == "image/svg+xml"
    assert sniff(b"hello") is None


def test_texts_and_pages_become_messages_too() -> None:
    """A text message has text, a page has HTML in the charset it names; both are cut at the limits."""
    assert read_content("text/plain", "héllo".encode(), LIMITS).text == "héllo"
    page = read_content("text/html", "<meta charset=shift_jis>日本".encode("shift_jis"), LIMITS)
    assert page.html == "<meta charset=shift_jis>日本"
    assert read_content("text/plain", b"x" * 100, msgspec.structs.replace(LIMITS, size_bytes=10)).notes == (
        "only the first 10 bytes were read",
    )


_LINE = st.sampled_from(
    [
        b"Subject: x", b"From: a <b@c.example>", b"Content-Type: multipart/mixed; boundary=b", b"--b", b"--b--", b"",
        b" x",
        b"Content-Type: text/html", b"Content-Transfer-Encoding: base64", b"PGI+", b"=?utf-8?b?4pyT?=", b"\xff\xfe\x00",
        b"Content-Type: message/rfc822", b"Content-Disposition: attachment; filename*1=x", b"--b\t", b"; x=",
        b"Content-Transfer-Encoding: quoted-printable", b"=E2=9C=", b"Content-Type: text/plain; charset=utf-16",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(_LINE, max_size=30).map(b"\n".join)))
def test_any_bytes_are_a_message(raw: bytes) -> None:
    """No bytes raise; text never holds NUL or half a surrogate pair, so that it can be stored and shown."""
    found = parse(raw)

    for text in (found.text, found.html, found.subject, found.from_name, *(value for _, value in found.headers)):
        assert "\x00" not in (text or "")
        (text or "").encode()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="abc é\n", min_size=1, max_size=30), min_size=1, max_size=4), st.booleans())
def test_what_the_standard_library_reads_we_read(texts: list[str], encoded: bool) -> None:
    """On well-formed multiparts the texts are those that `email` finds."""
    pieces = []
    for text in texts:
        body = base64.encodebytes(text.encode()).decode() if encoded else text
        how = "base64" if encoded else "8bit"
        pieces.append(f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {how}\n\n{body}\n")
    raw = "Content-Type: multipart/mixed; boundary=limit\n\n" + "".join(f"--limit\n{piece}" for piece in pieces)
    raw += "--limit--\n"

    expected = [
        part.get_payload(decode=True).decode()
        for part in email.message_from_bytes(raw.encode()).walk()
        if not part.is_multipart()
    ]

    assert (parse(raw).text or "").split("\n") == "\n".join(expected).split("\n")
