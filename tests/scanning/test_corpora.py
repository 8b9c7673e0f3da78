"""Real and hostile mail: every file gets an answer, quickly, and the parser agrees with the standard one."""

import csv
import email
import email.message
import lzma
import os
import random
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodsend.events.mime import parse_mail
from goodsend.scanning.scanner import Scanner, scan
from goodsend.scanning.weigh import weigh

from .made import content, mail

DATA = Path(os.environ.get("GOODSEND_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared corpora are not here (set GOODSEND_DATA)")
SECONDS = 1.0
"""What one content may cost."""


def mails(name: str, count: int | None = None) -> Iterator[tuple[str, bytes]]:
    """The mails of a corpus; a sample that is the same every time when `count` is given."""
    with tarfile.open(DATA / "mail" / f"{name}.tar.xz") as tar:
        members = [member for member in tar if member.isfile() and not member.name.endswith("labels.csv")]
        chosen = members if count is None else random.Random(7).sample(members, min(count, len(members)))
        for member in sorted(chosen, key=lambda one: one.offset):
            stream = tar.extractfile(member)
            assert stream is not None
            yield member.name, stream.read()


@needs_data
@pytest.mark.parametrize(("corpus", "count"), [("hostile", None), ("spamassassin", 200), ("phishing_pot", 100)])
def test_every_mail_gets_an_answer(scanner: Scanner, corpus: str, count: int | None) -> None:
    """No mail crashes the scan, takes longer than a second, or gives facts that cannot be stored."""
    slow = []
    scanned = 0
    for name, raw in mails(corpus, count):
        started = time.process_time()
        found = scan(content(raw), scanner)
        judged = weigh(found, scanner)
        if time.process_time() - started > SECONDS:
            slow.append(name)
        scanned += 1
        assert judged.verdict in ("allow", "review", "hold", "reject")
        for value in found.facts.values():
            for text in value if isinstance(value, tuple) else (value,):
                assert not isinstance(text, str) or ("\x00" not in text and text.encode() is not None)
        for signal in found.signals:
            assert signal.span.start is None or 0 <= signal.span.start <= (signal.span.end or 0)

    assert slow == []
    assert scanned == (count or 598)


@needs_data
def test_the_parser_agrees_with_the_standard_one(scanner: Scanner) -> None:
    """On ordinary mail the headers and the tree of parts are those that `email` finds."""
    different = []
    for name, raw in mails("spamassassin", 300):
        ours = parse_mail(raw, scanner.limits)
        theirs: email.message.Message = email.message_from_bytes(raw)
        read = [key.lower() for key, _ in ours.headers], [part.content_type for part in ours.parts]
        if read != ([key.lower() for key in theirs], [part.get_content_type() for part in theirs.walk()]):
            different.append(name)

    assert len(different) <= 2, different  # delivery reports, which `email` splits further, and empty multiparts


@needs_data
@pytest.mark.parametrize("table", ["uci", "mendeley"])
def test_every_text_message_gets_an_answer(scanner: Scanner, table: str) -> None:
    """Each row of the tables of text messages is scanned; honest ones are hardly ever for review."""
    with lzma.open(DATA / "sms" / f"{table}.csv.xz", "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[:1500]
    honest = flagged = 0
    for row in rows:
        judged = weigh(scan(content(row["text"], "text/plain"), scanner), scanner)
        if row["label"] == "ham":
            honest += 1
            flagged += judged.verdict != "allow"

    assert honest > 100
    assert flagged <= honest * 0.01


WORST = {
    "links in text": ("text/plain", b"http://paypal-x.example/?url=http://y.example " * 500_000),
    "distinct hosts": ("text/plain", b" ".join(b"http://h%d.paypal-login%d.example/" % (n, n) for n in range(400_000))),
    "dots": ("text/plain", b"a." * 10_000_000),
    "words": ("text/plain", b"verify your account " * 1_000_000),
    "mixed words": ("text/plain", "\u0430b ".encode() * 3_000_000),
    "invisible": ("text/plain", ("a\u200b" * 5_000_000).encode()),
    "composed": ("text/plain", ("a" + "\u0301" * 9_000_000).encode()),
    "compatibility": ("text/plain", ("\ufdfa" * 6_000_000).encode()),
    "page": ("text/html", b"<a href=http://x.example>paypal.com</a><input type=password>" * 300_000),
    "hidden": ("text/html", b"<i hidden>word</i> other " * 800_000),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_content_costs_little(scanner: Scanner, name: str) -> None:
    """Twenty megabytes made to hurt one family are still answered."""
    media_type, body = WORST[name]
    started = time.process_time()

    scan(content(body, media_type), scanner)

    assert time.process_time() - started < 3 * SECONDS  # below one alone; tests share their cores


def test_a_mail_of_everything_long_is_answered(scanner: Scanner) -> None:
    """Long names, subjects and parameters do not grow what they cost out of proportion."""
    long = "paypal " * 200_000
    started = time.process_time()

    scan(mail("<p>x</p>", From=f'"{long}" <a@b.example>', Subject=long, Reply_To=f"{'a' * 100_000}@b.example"), scanner)

    assert time.process_time() - started < 2 * SECONDS
