"""Each signal on content that has it and on content that only resembles it."""

import pytest

from goodsend.scanning.forms import form_content
from goodsend.scanning.hypertext import read_html
from goodsend.scanning.scanner import Scanner, scan
from goodsend.scanning.signals import SIGNALS, signal_facts

from .made import content, ids, scan_mail, scan_page, scan_sms

FOUND_IN_MAIL = [
    ("LINK_TEXT_MISMATCH", '<a href="https://evil.example.net/x">www.acme-bank.com</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://paypa1.com/login">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://dhl-parcel.example/x">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://rnicrosoft.com/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://secure.paypal.evil.example/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://www.netfliix.com/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://mypaypalaccount.shop/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://раураl.com/">here</a>', {}),
    ("LINK_IP_HOST", '<a href="http://203.0.113.9/login">here</a>', {}),
    ("LINK_IP_HOST", '<a href="http://3405803785/">here</a>', {}),
    ("LINK_PUNYCODE", '<a href="https://xn--80ak6aa92e.com/">here</a>', {}),
    ("LINK_SHORTENER", '<a href="https://bit.ly/3abc">here</a>', {}),
    ("LINK_CREDENTIALS", '<a href="https://www.paypal.com@evil.example/">here</a>', {}),
    ("LINK_DATA_OR_SCRIPT", '<a href="java\nscript:alert(1)">here</a>', {}),
    ("LINK_DATA_OR_SCRIPT", '<a href="data:text/html;base64,PGgxPg==">here</a>', {}),
    ("LINK_FREE_HOSTING", '<a href="https://login-form.pages.dev/">here</a>', {}),
    ("LINK_OPEN_REDIRECT", '<a href="https://a.example/r?url=https%3A%2F%2Fb.example%2F">here</a>', {}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": '"PayPal Service" <x@mailer.example>'}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": "=?utf-8?b?UGF5UGFs?= <x@mailer.example>"}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": "Chase Bank <x@mailer.example>"}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"Subject": "Your Netflix account is suspended"}),
    ("IDENTITY_LOOKALIKE_DOMAIN", "hello", {"From": "Billing <x@paypal-billing.example>"}),
    ("IDENTITY_ADDRESS_IN_NAME", "hello", {"From": '"service@paypal.com" <x@mailer.example.net>'}),
    ("IDENTITY_FREEMAIL_REPLY", "hello", {"Reply-To": "boss@gmail.com"}),
    ("IDENTITY_REPLY_MISMATCH", "hello", {"Reply-To": "boss@other.example.net"}),
    ("IDENTITY_NO_UNSUBSCRIBE", "hello", {"Precedence": "bulk"}),
    ("MARKUP_HIDDEN_TEXT", "<p>Hi</p><div style='display: none'>" + "meadow river stone 12345 " * 40 + "</div>", {}),
    ("MARKUP_FORM", "<form action=/x><input name=pin></form>", {}),
    ("MARKUP_SCRIPT", "<script>alert(1)</script>", {}),
    ("MARKUP_SCRIPT", "<img src=x onerror=alert(1)>", {}),
    ("MARKUP_ZERO_WIDTH", "<p>your pass\u200bword and acc\u200bount</p>", {}),
    ("MARKUP_IMAGE_ONLY", '<a href="https://x.example.net/"><img src=a.png width=600 height=900></a>', {}),
    ("WORDING_CREDENTIAL_ASK", "<p>Please <b>verify</b>\n your account now</p>", {}),
    ("WORDING_CREDENTIAL_ASK", "<p>Bitte best\u00e4tigen Sie Ihr Konto</p>", {}),
    ("WORDING_CREDENTIAL_ASK", "<p>verif\u0456que su cuenta, por favor, el banco</p>", {}),
    ("WORDING_URGENCY", "<p>Your account will be suspended.</p>", {}),
    ("WORDING_ADVANCE_FEE", "<p>I am the next of kin</p>", {}),
    ("WORDING_EXTORTION", "<p>I hacked your device; send bitcoin</p>", {}),
    ("WORDING_PROHIBITED_VERTICAL", "<p>Free spins at our online casino</p>", {}),
    ("WORDING_GIFT_CARD_OR_CRYPTO", "<p>Can you buy some gift cards for me</p>", {}),
]  # fmt: skip


@pytest.mark.parametrize(("id_", "html", "headers"), FOUND_IN_MAIL)
def test_a_mail_signal_is_found(scanner: Scanner, id_: str, html: str, headers: dict[str, str]) -> None:
    """Content that has the trait raises the signal, as a fact too, with evidence in words."""
    found = scan_mail(scanner, html, **headers)

    assert id_ in ids(found)
    assert found.facts[f"s.{id_}"] is True
    assert all(signal.evidence for signal in found.signals)


NOT_FOUND_IN_MAIL = [
    ("LINK_TEXT_MISMATCH", '<a href="https://shop.acme.example/x">www.acme.example</a>', {}),
    ("LINK_TEXT_MISMATCH", '<a href="https://acme.example/">the report.pdf is here</a>', {}),
    ("LINK_TEXT_MISMATCH", '<a href="https://abc.ct.sendgrid.net/x">www.acme.com</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://www.paypal.com/login">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://www.amazon.com.mx/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://pineapple.example/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://www.upside.example/">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://groups.example/ups">here</a>', {}),
    ("LINK_LOOKALIKE_DOMAIN", '<a href="https://zoo.example/">here</a>', {}),
    ("LINK_OPEN_REDIRECT", '<a href="https://a.example/r?url=https%3A%2F%2Fwww.a.example%2F">here</a>', {}),
    ("LINK_DATA_OR_SCRIPT", '<img src="data:image/png;base64,AAAA"><a href="mailto:a@b.example">here</a>', {}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": "PayPal <service@paypal.com>"}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": "Chase Miller <chase@miller.example>"}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"Subject": "What Netflix taught us about writing"}),
    ("IDENTITY_BRAND_MISMATCH", "hello", {"From": "The Orange Tree <hi@tree.example>"}),
    ("IDENTITY_FREEMAIL_REPLY", "hello", {"From": "Ann <ann@gmail.com>", "Reply-To": "ann@yahoo.com"}),
    ("IDENTITY_REPLY_MISMATCH", "hello", {"Reply-To": "help@support.acme.example"}),
    ("IDENTITY_NO_UNSUBSCRIBE", "hello", {"Precedence": "bulk", "List-Unsubscribe": "<https://acme.example/u>"}),
    ("IDENTITY_NO_UNSUBSCRIBE", "hello, see you tomorrow", {}),
    ("MARKUP_HIDDEN_TEXT", "<p>Hi</p><div style='display:none'>Our summer news in one line</div>", {}),
    ("MARKUP_HIDDEN_TEXT", "<p>" + "one two " * 99 + "</p><div hidden>" + "one two " * 99 + "</div>", {}),
    ("MARKUP_ZERO_WIDTH", "<p>\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a?</p>", {}),
    ("MARKUP_ZERO_WIDTH", "<p>Donau\u00addampf\u00adschiff</p>\u200c\u00a0\u200c\u00a0\u200c", {}),
    ("MARKUP_IMAGE_ONLY", "<p>Hello there</p><img src=a.png width=1 height=1>", {}),
    ("MARKUP_SCRIPT", "<p>it is on = sale</p>", {}),
    ("WORDING_URGENCY", "<p>The meeting is on Thursday at ten.</p>", {}),
    ("WORDING_ADVANCE_FEE", "<p>Our heritage: good bread since 1910, and funds for a new oven</p>", {}),
    ("WORDING_PROHIBITED_VERTICAL", "<p>Our poker night was fun</p>", {}),
]  # fmt: skip


@pytest.mark.parametrize(("id_", "html", "headers"), NOT_FOUND_IN_MAIL)
def test_a_mail_signal_is_not_found(scanner: Scanner, id_: str, html: str, headers: dict[str, str]) -> None:
    """Content that only resembles the trait does not raise the signal; the fact says it was looked for."""
    found = scan_mail(scanner, html, **headers)

    assert id_ not in ids(found)
    assert found.facts[f"s.{id_}"] is False


@pytest.mark.parametrize(
    ("id_", "text"),
    [
        ("SMS_PARCEL_OR_TOLL", "Your parcel is held at our depot, pay the fee: hxp.example/ab12"),
        ("SMS_PARCEL_OR_TOLL", "Ihr Paket konnte nicht zugestellt werden: https://zustell.example.net/x"),
        ("SMS_PRIZE", "Congratulations! You have won a prize. Claim code K7"),
        ("SMS_NO_OPT_OUT", "BIG SALE 50% off, shop now at acme.example/s"),
        ("LINK_SHORTENER", "See bit.ly/2xYz"),
        ("LINK_LOOKALIKE_DOMAIN", "USPS: your package waits, usps-redelivery.top"),
    ],
)
def test_a_text_signal_is_found(scanner: Scanner, id_: str, text: str) -> None:
    """A text message that has the trait raises the signal."""
    assert id_ in ids(scan_sms(scanner, text))


@pytest.mark.parametrize(
    ("id_", "text"),
    [
        ("SMS_PARCEL_OR_TOLL", "Your parcel is here, come and get it"),
        ("SMS_PARCEL_OR_TOLL", "Your parcel is on its way: https://www.dhl.com/track?id=1"),
        ("SMS_NO_OPT_OUT", "BIG SALE 50% off, shop now at acme.example/s. Reply STOP to opt out"),
        ("SMS_NO_OPT_OUT", "Your appointment is on Monday at 10."),
        ("SMS_PRIZE", "I won again at chess!"),
    ],
)
def test_a_text_signal_is_not_found(scanner: Scanner, id_: str, text: str) -> None:
    """An honest text message stays clean."""
    assert id_ not in ids(scan_sms(scanner, text))


def test_sentences_without_a_space_are_no_links(scanner: Scanner) -> None:
    """A dot without its space makes no link, unless the ending or a path says so."""
    assert scan_sms(scanner, "see you.so what. ok.go me.you").facts["s.link_hosts"] == ()
    assert scan_sms(scanner, "see you.so/what").facts["s.link_hosts"] == ("you.so",)


def test_a_landing_page_that_steals_is_seen_for_all_it_does(scanner: Scanner) -> None:
    """Password, card and code fields, the brand named and the foreign target each have a signal of their own."""
    page = """<html><title>PayPal login</title><form action="https://collect.example.net/x" method=post>
        <input type=password name=pw><input name="cc-number"><input autocomplete="one-time-code"></form></html>"""

    found = scan_page(scanner, page)

    assert ids(found) >= {
        "PAGE_PASSWORD_FIELD",
        "PAGE_CARD_FIELD",
        "PAGE_CODE_FIELD",
        "PAGE_FOREIGN_ACTION",
        "PAGE_BRAND_LOGIN",
    }
    assert found.facts["s.brands"] == ("paypal",)


def test_a_newsletter_form_on_a_page_is_fine(scanner: Scanner) -> None:
    """A page that asks for a mail address and posts to itself raises nothing."""
    page = "<title>Join us</title><form action='/join'><input type=email name=email><button>Join</button></form>"

    assert ids(scan_page(scanner, page)) == set()


def test_a_link_in_the_name_of_a_form_entry_is_found(scanner: Scanner) -> None:
    """Forms that answer by mail are abused to carry a link in the name; a link in the message is not that."""
    bad = form_content({"visitor_name": "You won! www.prize.example.net/x", "message_text": "hi"})
    good = form_content({"visitor_name": "Ann", "message_text": "my site is www.ann.example.net", "ip": None})
    assert bad is not None
    assert good is not None

    assert "FORM_URL_IN_NAME" in ids(scan(bad, scanner, "form"))
    assert "FORM_URL_IN_NAME" not in ids(scan(good, scanner, "form"))
    assert form_content({"fill_seconds": 3.5}) is None


def test_attached_programs_and_pages_are_found(scanner: Scanner) -> None:
    """The name of a file counts, and so do its first bytes under a harmless name."""
    raw = "\n".join(
        [
            "From: a@b.example", "Content-Type: multipart/mixed; boundary=x", "",
            "--x", "Content-Type: text/plain", "", "see attached",
            "--x", 'Content-Type: application/octet-stream; name="invoice.pdf.exe"', "", "zzz",
            "--x", 'Content-Type: image/png; name="a.png"', "Content-Transfer-Encoding: base64", "", "PGh0bWw+PGJvZHk+",
            "--x--",
        ]
    )  # fmt: skip

    found = scan(content(raw), scanner)

    assert ids(found) == {"FILE_EXECUTABLE", "FILE_WEB_PAGE"}
    assert [signal.span.part for signal in found.signals] == ["attachment:0", "attachment:1"]


def test_spans_point_at_the_evidence(scanner: Scanner) -> None:
    """The offsets of a link lie in the HTML source, those of a phrase in the text it stands in."""
    html = '<p>Hello &amp; welcome</p><a class=b href="https://bit.ly/a?b=1&amp;c=2">go</a><p>Verify  your account</p>'

    spans = {signal.id: signal.span for signal in scan_mail(scanner, html).signals}

    link, phrase = spans["LINK_SHORTENER"], spans["WORDING_CREDENTIAL_ASK"]
    assert html[link.start : link.end] == "https://bit.ly/a?b=1&amp;c=2"
    visible = read_html(html, 1000, 100).visible
    assert (phrase.part, visible[phrase.start : phrase.end]) == ("visible", "Verify your account")


def test_signals_of_other_channels_are_absent_not_false(scanner: Scanner) -> None:
    """What was not looked for is not known: the fact is missing, so rules see NULL."""
    facts = scan_sms(scanner, "hello").facts

    assert "s.IDENTITY_BRAND_MISMATCH" not in facts
    assert facts["s.LINK_SHORTENER"] is False


def test_facts_are_those_of_the_catalogue(scanner: Scanner) -> None:
    """No scan gives a fact that the catalogue does not know, and measures are of the type it says."""
    known = {fact.name for fact in signal_facts()}
    scans = [scan_mail(scanner, "<p>x</p>"), scan_sms(scanner, "x"), scan_page(scanner, "<p>x</p>")]

    assert [name for found in scans for name in found.facts if name not in known] == []
    assert len(SIGNALS) >= 16


def test_text_for_rules_is_cleaned(scanner: Scanner) -> None:
    """Look-alike letters, invisible characters and odd spaces are undone in s.text; genuine Russian stays."""
    assert scan_sms(scanner, "Ver\u0456fy\u00a0 your \uff30ass\u200bword").facts["s.text"] == "Verify your Password"
    russian = "\u041f\u0440\u043e\u0441\u0442\u043e\u0439 \u0442\u0435\u043a\u0441\u0442"
    assert scan_sms(scanner, russian).facts["s.text"] == russian
