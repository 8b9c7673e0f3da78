"""Canonical addresses: what is the same, what is wrong, and that canonical forms are fixed points."""

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.events.addresses import (
    AddressRules,
    Mail,
    Url,
    Wrong,
    canonical_country,
    canonical_domain,
    canonical_host,
    canonical_ip,
    canonical_mail,
    canonical_phone,
    canonical_url,
    ip_prefix,
    parse_address_rules,
    phone_country,
    registrable_domain,
)


def shipped_rules() -> AddressRules:
    text = resources.files("goodsend.packs").joinpath("core/addresses.toml").read_text("utf-8")
    rules, problems = parse_address_rules({"addresses.toml": tomllib.loads(text)})
    assert problems == []
    return rules


RULES = shipped_rules()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Bob@Example.COM", "bob@example.com"),
        ("  bob@example.com ", "bob@example.com"),
        ("john.doe+news@gmail.com", "johndoe@gmail.com"),
        ("J.O.H.N.doe@GoogleMail.com", "johndoe@gmail.com"),
        ("bob.x+tag@outlook.com", "bob.x@outlook.com"),
        ("bob-shop@yahoo.co.uk", "bob@yahoo.co.uk"),
        ("shop@bob.fastmail.com", "bob@fastmail.com"),
        ("bob+a@me.com", "bob@icloud.com"),
        ("b.o-b_@proton.me", "bob@proton.me"),
        ("bob.b+tag@example.com", "bob.b+tag@example.com"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("bob@Ｅxample.com", "bob@example.com"),
        ('"bob"@example.com', "bob@example.com"),
        ('"bob smith"@example.com', '"bob smith"@example.com'),
        ("bob..smith.@docomo.example", "bob..smith.@docomo.example"),
        ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
        ("bob@[IPv6:2001:DB8::1]", "bob@[IPv6:2001:db8::1]"),
        ("+x@gmail.com", "+x@gmail.com"),
        ("...@gmail.com", "...@gmail.com"),
    ],
)
def test_mail_reaches_one_form_per_mailbox(sent: str, expected: str) -> None:
    """Letter case, IDN, tags and dots vanish exactly where the provider does not look at them."""
    found = canonical_mail(sent, RULES)

    assert isinstance(found, Mail)
    assert expected == found.canonical


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "@",
        "bob",
        "bob@",
        "@example.com",
        "a b@example.com",
        "Bob <bob@example.com>",
        "a@b@example.com",
        "bob@localhost",
        "bob@exa mple.com",
        "bob@-a.com",
        "bob@a..com",
        "bob@" + "a" * 64 + ".com",
        "a" * 400 + "@example.com",
        "bob@1.2.3.4",
        "bob\0@example.com",
        "b\ud800@example.com",
        "bob@[nonsense]",
        "bob@\ud800.com",
    ],
)
def test_what_is_no_mail_address_is_told_so(sent: str) -> None:
    """A text that no mail server would take comes back as a sentence."""
    assert isinstance(canonical_mail(sent, RULES), Wrong)


def test_a_mail_keeps_what_was_sent() -> None:
    """The raw address and the tag stay beside the canonical form."""
    expected = Mail("John.Doe+Trial@gmail.com", "johndoe@gmail.com", "johndoe", "gmail.com", "trial")

    assert expected == canonical_mail("John.Doe+Trial@gmail.com", RULES)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.example.co.uk", "example.co.uk"),
        ("example.com", "example.com"),
        ("co.uk", None),
        ("me.github.io", "me.github.io"),
        ("github.io", "github.io"),
        ("localhost", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a.xn--bcher-kva.com", "xn--bcher-kva.com"),
    ],
)
def test_registrable_domain_is_what_somebody_registered(host: str, expected: str | None) -> None:
    """Public suffixes, addresses and bare names have no registrable domain; private suffixes divide owners."""
    assert expected == registrable_domain(host)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Example.COM.", "example.com"),
        ("faß.de", "xn--fa-hia.de"),
        ("i❤.ws", "xn--i-7iq.ws"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_domains_are_written_as_a_labels(sent: str, expected: str) -> None:
    """Lower case, A-labels, no last dot; names outside IDNA 2008 keep their Punycode."""
    assert expected == canonical_domain(sent)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0300.0250.1.1", "192.168.1.1"),
        ("[::FFFF:192.0.2.1]", "192.0.2.1"),
        ("%65xample.com", "example.com"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_are_read_as_browsers_read_them(sent: str, expected: str) -> None:
    """Numbers in any base are an IPv4 address, percent signs are undone."""
    assert expected == canonical_host(sent)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("+34 911 23 45 67", "+34911234567"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        (" +1-202-555-0143", "+12025550143"),
    ],
)
def test_phones_become_e164(sent: str, expected: str) -> None:
    """Spaces, brackets and national prefixes vanish."""
    assert expected == canonical_phone(sent)


@pytest.mark.parametrize(
    "sent", ["911 234 567", "0034911234567", "+999 12345678", "+1", "phone", "+" + "1" * 40, "+١٢٣٤٥٦٧٨"]
)
def test_what_is_no_phone_is_told_so(sent: str) -> None:
    """Without a country code nobody knows whose number it is."""
    assert isinstance(canonical_phone(sent), Wrong)


def test_phone_country() -> None:
    """The country of a number is known from its code; shared codes of services have none."""
    assert [phone_country("+34911234567"), phone_country("+80012345678"), phone_country("x")] == ["ES", None, None]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:0DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_network_addresses_have_one_text(sent: str, expected: str) -> None:
    """IPv6 is compressed, mapped IPv4 unwrapped, zones dropped."""
    assert expected == canonical_ip(sent)


@pytest.mark.parametrize("sent", ["", "192.0.2.1:80", "[::1]", "192.0.2.0/24", "1.2.3", "01.2.3.4", "x", "1.2.3.4\0"])
def test_what_is_no_network_address_is_told_so(sent: str) -> None:
    """Ports, brackets and prefixes are not part of an address."""
    assert isinstance(canonical_ip(sent), Wrong)


def test_prefixes() -> None:
    """IPv4 is judged by its /24, IPv6 by its /64."""
    assert [ip_prefix("192.0.2.77"), ip_prefix("2001:db8:1:2:3::4"), ip_prefix("x")] == [
        "192.0.2.0/24",
        "2001:db8:1:2::/64",
        None,
    ]


def test_countries() -> None:
    """Two letters of ISO 3166-1 in any case, with the common aliases."""
    found = [canonical_country(text, RULES) for text in ("es", "UK", "el")]

    assert found == ["ES", "GB", "GR"]
    assert isinstance(canonical_country("Spain", RULES), Wrong)
    assert isinstance(canonical_country("XX", RULES), Wrong)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("HTTP://Example.COM", Url("http://example.com/", "http", "example.com", "example.com")),
        ("example.com/a?b#c", Url("http://example.com/a?b#c", "http", "example.com", "example.com")),
        ("example.com:8080/x", Url("http://example.com:8080/x", "http", "example.com", "example.com")),
        ("https://a.b.co.uk:443/", Url("https://a.b.co.uk/", "https", "a.b.co.uk", "b.co.uk")),
        ("http:\\\\evil.example.com\\x", Url("http://evil.example.com/x", "http", "evil.example.com", "example.com")),
        ("https://paypal.com@evil.com/", Url("https://paypal.com@evil.com/", "https", "evil.com", "evil.com")),
        ("http://3221225985/", Url("http://192.0.2.1/", "http", "192.0.2.1", None)),
        ("http://[2001:DB8::1]:81/a", Url("http://[2001:db8::1]:81/a", "http", "2001:db8::1", None)),
        ("https://ex\nample.com/", Url("https://example.com/", "https", "example.com", "example.com")),
        ("mailto:Bob@x.com", Url("mailto:Bob@x.com", "mailto", None, None)),
        ("JavaScript:alert(1)", Url("javascript:alert(1)", "javascript", None, None)),
        ("//example.com/x", Url("http://example.com/x", "http", "example.com", "example.com")),
    ],
)
def test_urls_are_read_as_browsers_read_them(sent: str, expected: Url) -> None:
    """Scheme and host in lower case, backslashes and tricks undone, the user part kept."""
    assert expected == canonical_url(sent)


@pytest.mark.parametrize(
    "sent", ["", "http://", "http://a b.com/", "foo:bar", "http://x:99999/", "http://[1::", "/path", "?", "\0"]
)
def test_what_is_no_url_is_told_so(sent: str) -> None:
    """A URL without a host, or with a broken one, comes back as a sentence."""
    assert isinstance(canonical_url(sent), Wrong)


pieces = st.one_of(
    st.characters(),
    st.sampled_from(list('ab.@+-_"\\[]:/%0x1İßſΣ。．\u200d\0 ')),
    st.sampled_from(["xn--", "gmail.com", "::ffff:", "http:", "\ud800"]),
)
hostile = st.lists(pieces, max_size=20).map("".join)
domains = st.one_of(
    hostile, st.sampled_from(["gmail.com", "yahoo.com", "x.fastmail.com", "proton.me", "yandex.com", "example.com"])
)


@given(st.builds(lambda local, domain: f"{local}@{domain}", hostile, domains))
def test_canonical_mail_is_a_fixed_point(text: str) -> None:
    """Making a canonical mail address canonical again changes nothing, and nothing raises."""
    once = canonical_mail(text, RULES)

    if isinstance(once, Mail):
        twice = canonical_mail(once.canonical, RULES)
        assert isinstance(twice, Mail)
        assert once.canonical == twice.canonical


@given(hostile)
def test_canonical_names_are_fixed_points(text: str) -> None:
    """Domains, hosts, networks, phones, countries: canonical again is the same, and nothing raises."""
    for canonical in (canonical_domain, canonical_host, canonical_ip, canonical_phone):
        once = canonical(text)
        if isinstance(once, str):
            assert once == canonical(once)
    country = canonical_country(text, RULES)
    assert isinstance(country, Wrong) or country == canonical_country(country, RULES)
    assert registrable_domain(text) is None or isinstance(registrable_domain(text), str)
    assert ip_prefix(text) is None or "/" in str(ip_prefix(text))


@given(st.from_regex(r"\+[1-9][0-9 ()-]{5,18}", fullmatch=True))
def test_canonical_phones_are_fixed_points(text: str) -> None:
    """E.164 numbers stay what they are."""
    once = canonical_phone(text)

    assert isinstance(once, Wrong) or once == canonical_phone(once)


@given(st.one_of(hostile, st.builds(lambda host, tail: f"https://{host}{tail}", hostile, hostile)))
def test_canonical_urls_are_fixed_points(text: str) -> None:
    """A canonical URL stays what it is, and nothing raises."""
    once = canonical_url(text)

    if isinstance(once, Url):
        assert once == canonical_url(once.url)


def test_a_broken_table_is_a_problem() -> None:
    """A mistake in addresses.toml is told with its file; the rest is read."""
    rules, problems = parse_address_rules({"bad.toml": {"provider": {"x": {"domains": 3}}}, "ok.toml": {}})

    assert [problem.place for problem in problems] == ["bad.toml"]
    assert rules.providers == {}
