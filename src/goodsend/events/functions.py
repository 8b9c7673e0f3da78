"""
Functions of the rule language that know what an address is, and two for rates. The language itself knows neither.

Arguments need not be canonical: what is no address gives NULL. A role address is found with a list:
`IN_LIST('role_names', EMAIL_LOCAL(e.email))`.
"""

import math

from goodsend.events.addresses import (
    Url,
    Wrong,
    canonical_domain,
    canonical_host,
    canonical_ip,
    canonical_url,
    ip_prefix,
    phone_country,
    registrable_domain,
)
from goodsend.expr.functions.model import Function, Parameter, table
from goodsend.facts import FactType

_TEXT = FactType.TEXT
_EMAIL = Parameter("email", _TEXT)
_URL = Parameter("url", _TEXT)

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided interval of 95 %."""


def _email_domain(email: str) -> str | None:
    local, _, host = email.strip().rpartition("@")
    return _known(canonical_domain(host)) if local else None


def _email_local(email: str) -> str | None:
    local, at, _ = email.strip().rpartition("@")
    return local.lower() if at and local else None


def _email_tag(email: str) -> str | None:
    local = _email_local(email)
    _, plus, tag = (local or "").partition("+")
    return tag if plus else None


def _known(found: str | Wrong) -> str | None:
    return found if isinstance(found, str) else None


def _host_of(text: str) -> str | None:
    """The host of a URL, a mail address or a bare host: what SAME_DOMAIN compares."""
    if "/" not in text and "@" in text:
        return _email_domain(text)
    if "/" in text:
        return _url_host(text)
    return _known(canonical_host(text))


def _url_host(url: str) -> str | None:
    found = canonical_url(url)
    return found.host if isinstance(found, Url) else None


def _url_domain(url: str) -> str | None:
    found = canonical_url(url)
    return found.registrable if isinstance(found, Url) else None


def _registrable(text: str) -> str | None:
    host = _host_of(text)
    return registrable_domain(host) if host is not None else None


def _same_domain(one: str, other: str) -> bool | None:
    hosts = _host_of(one), _host_of(other)
    if hosts[0] is None or hosts[1] is None:
        return None
    return (registrable_domain(hosts[0]) or hosts[0]) == (registrable_domain(hosts[1]) or hosts[1])


def _ip_prefix(ip: str) -> str | None:
    address = canonical_ip(ip)
    return ip_prefix(address) if isinstance(address, str) else None


def wilson(successes: float, trials: float) -> tuple[float, float] | None:
    """
    Return the 95 % Wilson score interval of a share, each bound 0…1, or None without trials.

    Counts of one window may come apart (a complaint about an older message), so more successes than trials count as
    all of them. Source: Wilson 1927, J. Am. Stat. Assoc. 22:209-212.
    """
    if not (trials > 0 and successes >= 0):
        return None
    share = min(successes / trials, 1.0)
    square = Z95 * Z95 / trials
    centre = (share + square / 2) / (1 + square)
    half = Z95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def _wilson_lower(successes: float, trials: float) -> float | None:
    found = wilson(successes, trials)
    return found[0] if found else None


def _wilson_upper(successes: float, trials: float) -> float | None:
    found = wilson(successes, trials)
    return found[1] if found else None


_COUNTS = (Parameter("successes", FactType.NUMBER), Parameter("trials", FactType.NUMBER))

ADDRESS_FUNCTIONS = table(
    Function(
        name="EMAIL_DOMAIN",
        family="addresses",
        doc="The domain of a mail address, in lower case, as A-labels.",
        parameters=(_EMAIL,),
        result=_TEXT,
        call=_email_domain,
        examples=(
            ("EMAIL_DOMAIN('Bob@Mail.Example.COM')", "mail.example.com"),
            ("EMAIL_DOMAIN('bob@bücher.example')", "xn--bcher-kva.example"),
            ("EMAIL_DOMAIN('bob')", None),
        ),
    ),
    Function(
        name="EMAIL_LOCAL",
        family="addresses",
        doc="What stands before the @ of a mail address, in lower case.",
        parameters=(_EMAIL,),
        result=_TEXT,
        call=_email_local,
        examples=(("EMAIL_LOCAL('Bob.Smith+x@example.com')", "bob.smith+x"), ("EMAIL_LOCAL('@example.com')", None)),
    ),
    Function(
        name="EMAIL_TAG",
        family="addresses",
        doc="What follows a plus sign before the @; NULL without one. Read `e.<field>_raw`: ignored tags are there.",
        parameters=(_EMAIL,),
        result=_TEXT,
        call=_email_tag,
        examples=(("EMAIL_TAG('bob+trial2@example.com')", "trial2"), ("EMAIL_TAG('bob@example.com')", None)),
    ),
    Function(
        name="REGISTRABLE_DOMAIN",
        family="addresses",
        doc="The part of a host, mail address or URL that somebody registered, by the Public Suffix List.",
        parameters=(Parameter("host", _TEXT),),
        result=_TEXT,
        call=_registrable,
        examples=(
            ("REGISTRABLE_DOMAIN('a.shop.example.co.uk')", "example.co.uk"),
            ("REGISTRABLE_DOMAIN('bob@mail.example.com')", "example.com"),
            ("REGISTRABLE_DOMAIN('me.github.io')", "me.github.io"),
            ("REGISTRABLE_DOMAIN('192.0.2.1')", None),
        ),
    ),
    Function(
        name="SAME_DOMAIN",
        family="addresses",
        doc="Whether two hosts, mail addresses or URLs have one registrable domain (or are one host without any).",
        parameters=(Parameter("one", _TEXT), Parameter("other", _TEXT)),
        result=FactType.BOOLEAN,
        call=_same_domain,
        examples=(
            ("SAME_DOMAIN('bob@mail.example.com', 'https://www.example.com/x')", True),
            ("SAME_DOMAIN('a.github.io', 'b.github.io')", False),
            ("SAME_DOMAIN('nonsense here', 'example.com')", None),
        ),
    ),
    Function(
        name="URL_HOST",
        family="addresses",
        doc="The host of a URL as a browser would read it; NULL where it has none.",
        parameters=(_URL,),
        result=_TEXT,
        call=_url_host,
        examples=(
            ("URL_HOST('https://bank.example@Evil.Example/login')", "evil.example"),
            ("URL_HOST('http://3221225985/')", "192.0.2.1"),
            ("URL_HOST('mailto:bob@example.com')", None),
        ),
    ),
    Function(
        name="URL_DOMAIN",
        family="addresses",
        doc="The registrable domain of a URL's host; NULL for network addresses and bare names.",
        parameters=(_URL,),
        result=_TEXT,
        call=_url_domain,
        examples=(
            ("URL_DOMAIN('https://a.b.example.co.uk/')", "example.co.uk"),
            ("URL_DOMAIN('http://localhost/')", None),
        ),
    ),
    Function(
        name="IP_PREFIX",
        family="addresses",
        doc="The network an address is judged by: /24 of IPv4, /64 of IPv6.",
        parameters=(Parameter("ip", _TEXT),),
        result=_TEXT,
        call=_ip_prefix,
        examples=(("IP_PREFIX('203.0.113.9')", "203.0.113.0/24"), ("IP_PREFIX('2001:db8::1:2:3')", "2001:db8::/64")),
    ),
    Function(
        name="PHONE_COUNTRY",
        family="addresses",
        doc="The country (ISO 3166) of a phone number in E.164; NULL where it belongs to none or several.",
        parameters=(Parameter("phone", _TEXT),),
        result=_TEXT,
        call=phone_country,
        examples=(("PHONE_COUNTRY('+34911234567')", "ES"), ("PHONE_COUNTRY('911234567')", None)),
    ),
    Function(
        name="WILSON_LOWER",
        family="rates",
        doc="The least likely share: lower bound of the 95 % Wilson interval; NULL without trials.",
        parameters=_COUNTS,
        result=FactType.NUMBER,
        call=_wilson_lower,
        examples=(
            ("ROUND(WILSON_LOWER(1, 13), 4)", 0.0137),
            ("ROUND(WILSON_LOWER(50000, 1000000), 4)", 0.0496),
            ("WILSON_LOWER(0, 0)", None),
        ),
    ),
    Function(
        name="WILSON_UPPER",
        family="rates",
        doc="The largest likely share: upper bound of the 95 % Wilson interval; NULL without trials.",
        parameters=_COUNTS,
        result=FactType.NUMBER,
        call=_wilson_upper,
        examples=(("ROUND(WILSON_UPPER(1, 13), 4)", 0.3331), ("ROUND(WILSON_UPPER(0, 10), 4)", 0.2775)),
    ),
)
"""The table, by name."""
