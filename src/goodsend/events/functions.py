"""
Functions of the rule language that know what an address is, and two for rates. The language itself knows neither.

Arguments need not be canonical: what is no address gives NULL. A role address is found with a list:
`IN_LIST('role_names', EMAIL_LOCAL(e.email))`.
"""

import math

from sqlglot import expressions as exp

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
from goodsend.expr.nodes import Widen
from goodsend.expr.sql.model import Dialect, Site
from goodsend.expr.sql.pieces import binary, call, case, concat, is_match, number
from goodsend.expr.sql.udfs import udf_name
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


# -- as SQL -----------------------------------------------------------------------------------------------------------
# The plain cases, told by a pattern that every engine reads alike, are native; the rest asks the function itself.

_PLAIN_LABEL = "[A-Za-z0-9_]+(?:-+[A-Za-z0-9_]+)*"
_PLAIN_LOCAL = "[!-?A-~]"  # printable ASCII without space and @
_PLAIN_MAIL = f"{_PLAIN_LOCAL}+@(?:{_PLAIN_LABEL}[.])+[A-Za-z][A-Za-z0-9_]*(?:-+[A-Za-z0-9_]+)*"
_PLAIN_CHARS = 63
"""A shorter host needs no look at the lengths of its labels."""
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"


def _email_domain_sql(site: Site) -> exp.Expression | None:
    if not site.is_small:
        return None
    mail = site.args[0]
    short = binary(exp.LTE, call("LENGTH", mail.copy()), exp.Literal.number(_PLAIN_CHARS))
    plain = binary(exp.And, short, is_match(mail.copy(), _PLAIN_MAIL, site.dialect))
    host = call(_substring(site), mail.copy(), binary(exp.Add, _at_sign(mail, site), exp.Literal.number(1)))
    return case((plain, call("LOWER", host)), otherwise=call(udf_name(site.call), mail.copy()))


def _email_local_sql(site: Site) -> exp.Expression | None:
    if not site.is_small:
        return None
    mail = site.args[0]
    plain = is_match(mail.copy(), f"{_PLAIN_LOCAL}+@{_PLAIN_LOCAL}*", site.dialect)
    length = binary(exp.Sub, _at_sign(mail, site), exp.Literal.number(1))
    local = call(_substring(site), mail.copy(), exp.Literal.number(1), length)
    return case((plain, call("LOWER", local)), otherwise=call(udf_name(site.call), mail.copy()))


def _at_sign(mail: exp.Expression, site: Site) -> exp.Expression:
    return call("INSTR" if site.dialect is Dialect.SPARK else "STRPOS", mail.copy(), exp.Literal.string("@"))


def _substring(site: Site) -> str:
    return "SUBSTR" if site.dialect is Dialect.BIGQUERY else "SUBSTRING"


def _ip_prefix_sql(site: Site) -> exp.Expression | None:
    if not site.is_small:
        return None
    address = site.args[0]
    plain = is_match(address.copy(), f"{_OCTET}(?:[.]{_OCTET}){{3}}", site.dialect)
    group = [] if site.dialect is Dialect.BIGQUERY else [exp.Literal.number(1)]
    pattern = exp.Literal.string("^([0-9]+[.][0-9]+[.][0-9]+[.])")
    kept = call("REGEXP_EXTRACT", address.copy(), pattern, *group)
    network = concat([kept, exp.Literal.string("0/24")])
    return case((plain, network), otherwise=call(udf_name(site.call), address.copy()))


def _wilson_lower_sql(site: Site) -> exp.Expression | None:
    return _wilson_site(site, lower=True)


def _wilson_upper_sql(site: Site) -> exp.Expression | None:
    return _wilson_site(site, lower=False)


def _wilson_site(site: Site, *, lower: bool) -> exp.Expression | None:
    """Of whole numbers: with them no step can leave the range of floats."""
    if not site.is_small or not all(isinstance(arg, Widen) for arg in site.call.args):
        return None
    return wilson_sql(site.args[0], site.args[1], lower=lower)


def wilson_sql(successes: exp.Expression, trials: exp.Expression, *, lower: bool) -> exp.Expression:
    """
    Return a bound of `wilson` as SQL, the same steps in the same order. The arguments are DOUBLEs that hold whole
    numbers; they are copied.
    """

    def plus(left: exp.Expression, right: exp.Expression) -> exp.Expression:
        return binary(exp.Add, left, right)

    def times(left: exp.Expression, right: exp.Expression) -> exp.Expression:
        return binary(exp.Mul, left, right)

    def over(left: exp.Expression, right: exp.Expression) -> exp.Expression:
        return binary(exp.Div, left, right)

    one = number(1.0)
    share = call("LEAST", over(successes.copy(), trials.copy()), one.copy())
    square = over(number(Z95 * Z95), trials.copy())
    below = plus(one.copy(), square.copy())
    centre = over(plus(share.copy(), over(square.copy(), number(2.0))), below.copy())
    spread = over(times(share.copy(), binary(exp.Sub, one.copy(), share.copy())), trials.copy())
    root = call("SQRT", plus(spread, over(square.copy(), times(number(4.0), trials.copy()))))
    half = over(times(number(Z95), root), below)
    if lower:
        bound = call("GREATEST", number(0.0), binary(exp.Sub, centre, half))
    else:
        bound = call("LEAST", one.copy(), plus(centre, half))
    some = binary(exp.GT, trials.copy(), number(0.0))
    known = binary(exp.GTE, successes.copy(), number(0.0))
    return case((binary(exp.And, some, known), bound))


_COUNTS = (Parameter("successes", FactType.NUMBER), Parameter("trials", FactType.NUMBER))

ADDRESS_FUNCTIONS = table(
    Function(
        name="EMAIL_DOMAIN",
        family="addresses",
        doc="The domain of a mail address, in lower case, as A-labels.",
        parameters=(_EMAIL,),
        result=_TEXT,
        call=_email_domain,
        sql=_email_domain_sql,
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
        sql=_email_local_sql,
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
        sql=_ip_prefix_sql,
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
        sql=_wilson_lower_sql,
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
        sql=_wilson_upper_sql,
        examples=(("ROUND(WILSON_UPPER(1, 13), 4)", 0.3331), ("ROUND(WILSON_UPPER(0, 10), 4)", 0.2775)),
    ),
)
"""The table, by name."""
