"""Mail sources of simulated senders are mail."""

from email import message_from_string, policy
from email.message import EmailMessage

from goodsend.simulation.mail import Envelope, Letter, letter, mail_source

LETTER = letter(
    "de",
    "Neu eingetroffen: Winterdecken für kühle Abende, in vier Farben und ziemlich schwer",
    """
    Guten Tag,

    die neuen Decken
    sind da: Größe L & XL.
    """,
    "Ansehen",
    "https://www.shop.example/decken?a=1&b=2",
)


def envelope(**but: str) -> Envelope:
    """A shop writes to a reader, but with these fields."""
    given = {
        "from_name": "Öl & Leinen",
        "from_email": "hallo@shop.example",
        "to": "leserin@example.com",
        "message_id": "m_1@shop.example",
        "list_id": "main.shop.example",
        "unsubscribe": "https://www.shop.example/unsubscribe?r=1",
        "postal": "Öl & Leinen, 12 Example Street",
    }
    return Envelope(at=1_795_348_800_000_000, **{**given, **but})


def parsed(source: str) -> EmailMessage:
    """The source as the standard library reads it."""
    return message_from_string(source, policy=policy.default)


def test_headers_survive() -> None:
    """Names and subjects outside ASCII come back whole; the date is that of the envelope."""
    mail = parsed(mail_source(LETTER, envelope()))

    assert LETTER.subject == mail["Subject"]
    assert mail["From"].addresses[0].display_name == "Öl & Leinen"
    assert mail["Date"] == "Sun, 22 Nov 2026 12:00:00 +0000"
    assert list(mail.defects) == []


def test_both_parts_say_the_same() -> None:
    """Text and HTML both hold the paragraphs and the link."""
    mail = parsed(mail_source(LETTER, envelope()))
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    markup = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]

    assert "die neuen Decken sind da: Größe L & XL." in text
    assert "die neuen Decken sind da: Größe L &amp; XL." in markup
    assert "https://www.shop.example/decken?a=1&b=2" in text
    assert 'href="https://www.shop.example/decken?a=1&amp;b=2"' in markup


def test_bulk_mail_can_be_left() -> None:
    """Bulk mail has the one-click header and a link in its footer; other mail has neither."""
    bulk = parsed(mail_source(LETTER, envelope()))
    single = parsed(mail_source(LETTER, envelope(list_id="", unsubscribe="")))

    assert bulk["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Abmelden" in bulk.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert single["List-Unsubscribe"] is None


def test_lines_are_short_and_end_as_mail_lines_do() -> None:
    """Every line ends with CRLF and has at most 998 characters (RFC 5322 section 2.1.1)."""
    source = mail_source(LETTER, envelope())

    assert source.count("\n") == source.count("\r\n")
    assert max(map(len, source.split("\r\n"))) <= 998


def test_line_breaks_within_paragraphs_mean_nothing() -> None:
    """A text block becomes one string per paragraph."""
    assert LETTER.paragraphs == ("Guten Tag,", "die neuen Decken sind da: Größe L & XL.")
    assert isinstance(LETTER, Letter)
