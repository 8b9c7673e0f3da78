"""
Canonical addresses: mail, domains, hosts, phones, networks, URLs, countries. Pure functions, no look-ups outside.

Each `canonical_*` returns the canonical form, or a `Wrong` with a sentence a client can act on; none raises. A
canonical form is a fixed point: making it canonical again changes nothing. It answers "is this the same one?"; what was
sent is kept beside it where the two differ in more than letter case.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import idna
import msgspec
import phonenumbers
import tldextract

from goodsend.kit.errors import Problem

MAIL_CHARS = 320
"""Longest mail address read: 64 of the local part, `@`, 255 of the domain (RFC 5321 section 4.5.3.1)."""
URL_CHARS = 8192
"""Longest URL read; own starting value, above what browsers and servers commonly take."""

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_UNWANTED = re.compile(r"[\x00-\x20\x7f<>(),;:\\\"\[\]@\ud800-\udfff]")
_ATOM = re.compile(r"[^\x00-\x20\x7f<>(),;:\\\"\[\]@\ud800-\udfff]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_URL_NOISE = re.compile(r"[\t\n\r]")
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_PHONE = re.compile(r"\+[0-9 ()./\u00a0\u2010-\u2015-]{5,40}", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
_BARE_SCHEMES = frozenset({"mailto", "tel", "sms", "data", "javascript", "vbscript", "blob", "about", "whatsapp"})

_suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # the bundled list: never fetched, never written


class Wrong(msgspec.Struct, frozen=True):
    """Why a text is not what it should be, and what to send instead."""

    reason: str
    hint: str | None = None


class Provider(msgspec.Struct, frozen=True):
    """How one mail provider reads local parts; see packs/core/addresses.toml for what each member says."""

    name: str
    mailbox: str | None = None
    tags: str = ""
    ignored: str = ""
    folded: dict[str, str] = {}
    subdomains: bool = False


class AddressRules(msgspec.Struct, frozen=True):
    """What is data about addresses: providers by mail domain, country codes, their aliases."""

    providers: dict[str, Provider]
    countries: frozenset[str]
    country_aliases: dict[str, str]


class Mail(msgspec.Struct, frozen=True):
    """
    A mail address: `canonical` is for identity, `raw` for writing to it. `tag` is what the provider does not look at.

    Local parts are compared without letter case: RFC 5321 section 2.4 lets a server tell case apart and advises
    against it; nobody does, and an unsubscribed person must stay so however the address is typed.
    """

    raw: str
    canonical: str
    local: str
    domain: str
    tag: str | None = None


class Url(msgspec.Struct, frozen=True):
    """A URL in canonical form. `host` and `registrable` are None where it has none (`mailto:`, an address as host)."""

    url: str
    scheme: str
    host: str | None
    registrable: str | None


class _ProviderTable(msgspec.Struct, forbid_unknown_fields=True):
    domains: list[str]
    source: str
    mailbox: str | None = None
    tags: str = ""
    ignored: str = ""
    folded: dict[str, str] = {}
    subdomains: bool = False


class _Countries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str = ""
    codes: str = ""
    aliases: dict[str, str] = {}
    aliases_source: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    provider: dict[str, _ProviderTable] = {}
    countries: _Countries = _Countries()


def parse_address_rules(files: Mapping[str, Mapping[str, Any]]) -> tuple[AddressRules, list[Problem]]:
    """Read decoded `addresses.toml` tables by file name; later files add to, or replace, what earlier ones say."""
    problems: list[Problem] = []
    providers: dict[str, Provider] = {}
    countries: set[str] = set()
    aliases: dict[str, str] = {}
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for name, table in read.provider.items():
            found = Provider(name, table.mailbox, table.tags, table.ignored, table.folded, table.subdomains)
            for domain in table.domains:
                if canonical_domain(domain) != domain:
                    problems.append(Problem(f"{file}: {name}", f"{domain!r} is not a canonical domain"))
                providers[domain] = found
        countries.update(read.countries.codes.split())
        aliases |= read.countries.aliases
    return AddressRules(providers, frozenset(countries), aliases), problems


# -- mail -------------------------------------------------------------------------------------------------------------


def canonical_mail(text: str, rules: AddressRules) -> Mail | Wrong:
    """
    Read a mail address: the domain as A-labels in lower case, the local part in lower case, and where the provider is
    known, without what the provider does not look at (tags, dots).

    The grammar is that of RFC 5321 section 4.1.2, read leniently: stray dots pass, because such addresses exist.
    """
    raw = text.strip()
    if len(raw) > MAIL_CHARS:
        return Wrong(f"a mail address has at most {MAIL_CHARS} characters, this one has {len(raw)}")
    local, at, host = raw.rpartition("@")
    if not at or not local or not host:
        return Wrong(
            "not a mail address: it needs a name, one @ and a domain", "send the bare address: name@example.com"
        )
    plain = _plain_local(local)
    if isinstance(plain, Wrong):
        return plain
    domain = _mail_domain(host)
    if isinstance(domain, Wrong):
        return domain
    lowered = _lower(plain)
    provider = rules.providers.get(domain)
    if provider is None:
        lowered, domain, provider = _from_subdomain(lowered, domain, rules)
    if provider is None:
        return Mail(raw, f"{lowered}@{domain}", lowered, domain)
    name, tag = _mailbox_name(lowered, provider)
    domain = provider.mailbox or domain
    return Mail(raw, f"{name}@{domain}", name, domain, tag)


def _plain_local(local: str) -> str | Wrong:
    if local[0] == local[-1] == '"' and len(local) > 2:
        inside = re.sub(r"\\(.)", r"\1", local[1:-1])
        if _ATOM.fullmatch(inside):
            return inside
        if "\0" in inside or _has_surrogate(inside):
            return Wrong("the name before the @ holds characters that no mail server takes")
        escaped = inside.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if _UNWANTED.search(local):
        return Wrong(
            "the name before the @ holds a space, a bracket, a second @ or another character that must be quoted",
            "send the bare address: name@example.com",
        )
    return local


def _mail_domain(host: str) -> str | Wrong:
    if host[0] == "[" and host[-1] == "]":
        tagged = host[1:6].lower() == "ipv6:"
        address = canonical_ip(host[6:-1] if tagged else host[1:-1])
        if isinstance(address, Wrong):
            return address
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    return canonical_domain(host)


def _from_subdomain(local: str, domain: str, rules: AddressRules) -> tuple[str, str, Provider | None]:
    user, _, parent = domain.partition(".")
    provider = rules.providers.get(parent)
    if provider is None or not provider.subdomains:
        return local, domain, None
    return f"{user}{provider.tags[:1]}{local}", parent, provider


def _mailbox_name(local: str, provider: Provider) -> tuple[str, str | None]:
    cuts = [at for at in (local.find(char, 1) for char in provider.tags) if at > 0]
    cut = min(cuts, default=len(local))
    name = local[:cut]
    for char in provider.ignored:
        name = name.replace(char, "")
    for char, other in provider.folded.items():
        name = name.replace(char, other)
    if not name:
        return local, None
    return name, local[cut + 1 :] or None if cuts else None


def _lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Composing can bring back a character that still has a lower form, so the two steps run to their fixed point.
    for _ in range(4):
        lowered = unicodedata.normalize("NFC", text.lower())
        if lowered == text:
            break
        text = lowered
    return text


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


# -- domains and hosts ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def canonical_domain(text: str) -> str | Wrong:
    """
    Read a domain name of at least two labels: lower case, A-labels, no dot at the end.

    Names that IDNA 2008 forbids but browsers resolve (emoji domains) are kept as their Punycode. Underscores pass: the
    DNS has them. Source: RFC 1035 section 2.3.4 for lengths, RFC 5890 for A-labels, UTS 46 for the mapping.
    """
    host = _host_name(text.strip())
    if isinstance(host, Wrong):
        return host
    if "." not in host:
        return Wrong("not a domain: it has no dot", "send the full name, such as example.com")
    if host.rsplit(".", 1)[1].isdigit():
        return Wrong("not a domain: the last part is a number", "send addresses in a field of type ip")
    return host


@lru_cache(maxsize=16_384)
def canonical_host(text: str) -> str | Wrong:
    """
    Read what may stand as the host of a URL: a domain name, a single label, or a network address.

    IPv4 in the forms that browsers take (`0x7f.1`, `2130706433`) becomes four decimal numbers, IPv6 stands without
    brackets. Source: WHATWG URL Standard, host parsing.
    """
    host = text.strip()
    if host[:1] == "[" and host[-1] == "]":
        host = host[1:-1]
        return canonical_ip(host) if ":" in host else Wrong("not a host: brackets hold IPv6 addresses only")
    if host.count(":") > 1:
        return canonical_ip(host)
    if "%" in host:
        host = unquote(host, errors="replace")
    name = _host_name(host)
    if isinstance(name, str) and (number := name.rsplit(".", 1)[-1]) and (number.isdigit() or _is_hex(number)):
        return _ipv4_of_numbers(name)
    return name


def _host_name(host: str) -> str | Wrong:
    if not host:
        return Wrong("the host is empty")
    if len(host) > 1000:
        return Wrong("a host name has at most 253 characters")
    if not host.isascii():
        if _has_surrogate(host):
            return Wrong("not a host name: it holds broken Unicode")
        found = _a_labels(host)
        if isinstance(found, Wrong):
            return found
        host = found
    host = host.lower().removesuffix(".")
    if len(host) > 253:
        return Wrong(f"a host name has at most 253 characters, this one has {len(host)}")
    for label in host.split("."):
        if not _LABEL.fullmatch(label):
            return Wrong(_label_fault(label))
    return host


def _label_fault(label: str) -> str:
    if not label:
        return "not a host name: two dots stand together or the name begins with one"
    if len(label) > 63:
        return "not a host name: a part between dots is longer than 63 characters"
    return "not a host name: a part between dots holds something other than letters, digits and inner hyphens"


def _a_labels(host: str) -> str | Wrong:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (UnicodeError, IndexError):
        pass
    try:
        labels = re.split(r"[.\u3002\uff0e\uff61]", unicodedata.normalize("NFKC", host).lower())
        return ".".join(
            label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in labels
        )
    except UnicodeError:
        return Wrong("not a host name: it holds characters that no domain has")


def _is_hex(label: str) -> bool:
    return label[:2] == "0x" and all(char in "0123456789abcdef" for char in label[2:])


def _ipv4_of_numbers(name: str) -> str | Wrong:
    wrong = Wrong("not a host: it ends in a number but is not an IPv4 address")
    parts = name.split(".")
    if len(parts) > 4:
        return wrong
    numbers = []
    for part in parts:
        base = 16 if part[:2] == "0x" else 8 if len(part) > 1 and part[0] == "0" else 10
        try:
            numbers.append(int(part[2:] or "0" if base == 16 else part, base))
        except ValueError:
            return wrong
    *head, last = numbers
    if any(number > 255 for number in head) or last >= 256 ** (5 - len(numbers)):
        return wrong
    value = last + sum(number << (8 * (3 - place)) for place, number in enumerate(head))
    return str(ipaddress.IPv4Address(value))


@lru_cache(maxsize=65_536)
def registrable_domain(host: str) -> str | None:
    """
    Return the part of a canonical host that somebody registered (`a.shop.co.uk` → `shop.co.uk`), None where nobody did.

    Suffixes of the list's private part count (`me.github.io` is one owner's, `github.io` another's): what matters
    here is who is behind a name. A private suffix standing alone is its operator's own domain. The list is the one
    bundled with tldextract; an ending it does not know counts as one label (its default rule, `*`), so that reserved
    and new endings work too. Source: publicsuffix.org/list, algorithm, step 2.
    """
    found = _suffixes.extract_str(host, include_psl_private_domains=True)
    if found.top_domain_under_public_suffix:
        return found.top_domain_under_public_suffix
    if found.is_private:
        return _suffixes.extract_str(host, include_psl_private_domains=False).top_domain_under_public_suffix or None
    if found.suffix or not found.subdomain or found.domain.isdigit() or ":" in host:
        return None
    return f"{found.subdomain.rpartition('.')[2]}.{found.domain}"


# -- phones, networks, countries --------------------------------------------------------------------------------------


def canonical_phone(text: str) -> str | Wrong:
    """
    Read a phone number with its country code as E.164: `+` and at most 15 digits.

    There is no default country: a number without `+` could be anybody's. Extensions are refused. Source: ITU-T E.164.
    """
    number = text.strip()
    if not _PHONE.fullmatch(number):
        return Wrong("not an international phone number", "send + and the country code first, such as +34911234567")
    for _ in range(3):  # a national prefix that is cut off can uncover another one
        try:
            parsed = phonenumbers.parse(number, None)
        except phonenumbers.NumberParseException:
            return Wrong("not a phone number: no country has this code or the length is impossible")
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        if written == number:
            break
        number = written
    else:
        return Wrong("not a phone number: it is nothing but prefixes")
    if not 7 <= len(number) - 1 <= 15:
        return Wrong("not a phone number: with the country code it has 7 to 15 digits")
    return number


def phone_country(number: str) -> str | None:
    """Return the ISO 3166 code of the country an E.164 number belongs to, None where it belongs to none or several."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return None
    return region if region and region.isalpha() else None


def canonical_ip(text: str) -> str | Wrong:
    """
    Read an IPv4 or IPv6 address: IPv6 compressed in lower case, IPv4 mapped into IPv6 unwrapped, no zone.

    Source: RFC 5952 for the text of IPv6, RFC 4291 section 2.5.5.2 for mapped addresses.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return Wrong("not an IPv4 or IPv6 address", "send the bare address, without port, brackets or prefix length")
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if address.scope_id is not None:
            return str(ipaddress.IPv6Address(int(address)))
    return str(address)


def ip_prefix(address: str) -> str | None:
    """
    Return the network a canonical address is usually judged by: /24 of IPv4, /64 of IPv6; None for anything else.

    A subscriber of IPv6 has at least a /64 (RFC 6177), so single addresses there say nothing.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return f"{ipaddress.IPv4Address(int(parsed) >> 8 << 8)}/24"
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


def canonical_country(text: str, rules: AddressRules) -> str | Wrong:
    """Read an ISO 3166-1 alpha-2 code, in any letter case."""
    code = text.strip().upper()
    code = rules.country_aliases.get(code, code)
    if code in rules.countries:
        return code
    return Wrong("not a country code", "send two letters of ISO 3166-1, such as ES")


# -- URLs -------------------------------------------------------------------------------------------------------------


def canonical_url(text: str) -> Url | Wrong:
    """
    Read a URL as a browser would: scheme and host in lower case, A-labels, no default port, `/` as the least path.

    User, path, query and fragment stay as they are. Without a scheme `http` is assumed, because people type
    `example.com`. Source: WHATWG URL Standard (tabs and line ends vanish, backslashes are slashes before the path).
    """
    url = _URL_NOISE.sub("", text.strip("\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f \x1f\x7f\u00a0"))
    if len(url) > URL_CHARS:
        return Wrong(f"a URL has at most {URL_CHARS} characters, this one has {len(url)}")
    if "\0" in url or _has_surrogate(url):
        return Wrong("not a URL: it holds characters that no URL has")
    found = _SCHEME.match(url)
    scheme = found.group(1).lower() if found else ""
    rest = url[found.end() :] if found else url
    if scheme in _BARE_SCHEMES:
        return Url(f"{scheme}:{rest}", scheme, None, None)
    slashes = rest[:2].replace("\\", "/")
    if found and slashes != "//" and ("." in scheme or _PORT.match(rest) or scheme not in _DEFAULT_PORTS):
        scheme, rest, found = "", url, None  # `example.com:8080/x` is a host with a port
    if not found and slashes != "//" and slashes[:1] in ("", "/", "?", "#"):
        return Wrong("not a URL: it has no host", "send the whole URL, such as https://example.com/path")
    return _with_authority(scheme or "http", rest)


def _with_authority(scheme: str, rest: str) -> Url | Wrong:
    rest = rest.lstrip("/\\") if scheme in _DEFAULT_PORTS else rest.removeprefix("//")
    ends = [at for at in (rest.find(char) for char in "/\\?#") if at >= 0]
    cut = min(ends, default=len(rest))
    authority, tail = rest[:cut], rest[cut:]
    user, at, place = authority.rpartition("@")
    name, port = _split_port(place)
    host = canonical_host(name)
    if isinstance(host, Wrong):
        return Wrong(f"not a URL: {host.reason}")
    if port and not (_PORT.fullmatch(port) and int(port) < 65_536):
        return Wrong("not a URL: the port is not a number below 65536")
    if port:
        port = str(int(port))
    if port == _DEFAULT_PORTS.get(scheme):
        port = ""
    if tail[:1] == "\\":
        tail = "/" + tail[1:]
    elif tail[:1] != "/":
        tail = "/" + tail
    shown = f"[{host}]" if ":" in host else host
    return Url(f"{scheme}://{user}{at}{shown}{':' if port else ''}{port}{tail}", scheme, host, registrable_domain(host))


def _split_port(place: str) -> tuple[str, str]:
    if place[:1] == "[":
        name, bracket, port = place.partition("]")
        return name + bracket, port.removeprefix(":")
    name, _, port = place.partition(":")
    return name, port
