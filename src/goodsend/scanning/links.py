"""Signals of links: where they lead, and whether they say so."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

from goodsend.events.addresses import Wrong, canonical_host, canonical_ip, canonical_url, registrable_domain
from goodsend.kit.text import shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.hosts import is_in
from goodsend.scanning.material import Material, Target, span_of
from goodsend.scanning.model import Signal

_SHOWN_HOST = re.compile(r"(?:https?://)?(?:[^\s/@:?#.]{1,63}\.){1,6}+[^\W\d_]{2,18}+(?::\d{1,5})?(?:[/?#]\S*)?")
_EACH = 5


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find what links give away; at most five of each kind, so that evidence stays readable."""
    count: dict[str, int] = {}
    for target in material.targets:
        for id_, evidence in _of(target, material, scanner):
            count[id_] = count.get(id_, 0) + 1
            if count[id_] <= _EACH:
                yield Signal(id_, evidence, span_of(target))


def _of(target: Target, material: Material, scanner: Scanner) -> Iterator[tuple[str, str]]:
    host, domain = target.host, target.domain
    shown = shorten(target.link.url, 120)
    if host is None:
        if target.scheme in ("javascript", "vbscript") or (target.scheme == "data" and _is_document(target.url)):
            yield "LINK_DATA_OR_SCRIPT", f"a link holds {_what(target.scheme)}: {shorten(target.link.url, 60)}"
        return
    if target.has_user:
        yield "LINK_CREDENTIALS", f"what stands before the @ is not the site: {shown} leads to {host}"
    if domain is None:
        if not isinstance(canonical_ip(host), Wrong):
            yield "LINK_IP_HOST", f"{shown} leads to the bare address {host}"
        return
    like = material.lookalikes.get(host)
    if like is not None:
        yield "LINK_LOOKALIKE_DOMAIN", f"{host} {like.how}"
    if "xn--" in host:
        yield "LINK_PUNYCODE", f"{shown} leads to {host}, a name with letters outside the Latin alphabet"
    if is_in(host, scanner.hosts.shorteners):
        yield "LINK_SHORTENER", f"{shown} hides its target behind {domain}"
    if is_in(host, scanner.hosts.free_hosting):
        yield "LINK_FREE_HOSTING", f"{shown} leads to a site on free hosting"
    if target.link.via == "a":
        other = _other_domain(target, scanner)
        if other is not None:
            yield "LINK_TEXT_MISMATCH", f"the link shows {other} and leads to {domain}"
    onward = _onward(target, scanner)
    if onward is not None:
        yield "LINK_OPEN_REDIRECT", f"{shown} passes through {host} on to {onward}"


def _is_document(url: str) -> bool:
    return not url[:40].lower().startswith(("data:image/png", "data:image/gif", "data:image/jpeg", "data:image/webp"))


def _what(scheme: str) -> str:
    return "a document of its own" if scheme == "data" else "a script"


def _other_domain(target: Target, scanner: Scanner) -> str | None:
    """Return the domain that the link text shows when it is not the one the link leads to."""
    text = target.link.text
    if "." not in text or len(text) > 300 or not _SHOWN_HOST.fullmatch(text):
        return None
    shown = canonical_url(text)
    domain = None if isinstance(shown, Wrong) or shown.host is None else registrable_domain(shown.host)
    if isinstance(shown, Wrong) or domain is None or domain == target.domain:
        return None
    if is_in(target.host, scanner.hosts.click_trackers):
        return None
    owner = scanner.brands.owner(target.host or "")
    if owner is not None and owner is scanner.brands.owner(shown.host or ""):
        return None
    return domain


def _onward(target: Target, scanner: Scanner) -> str | None:
    """Return the domain that a redirect parameter names when it is not the link's own."""
    query = target.url.partition("?")[2].partition("#")[0]
    if "http" not in query and "%2f%2f" not in query.lower() and "//" not in query:
        return None
    if is_in(target.host, scanner.hosts.click_trackers):
        return None
    for name, value in parse_qsl(query[:4000], max_num_fields=None, separator="&")[:50]:
        if name.lower() in scanner.words.redirect_parameters and value.lower().startswith(("http:", "https:", "//")):
            host = canonical_host(value.split("//", 1)[-1].split("/")[0].split("?")[0].rpartition("@")[2][:300])
            domain = registrable_domain(host) if isinstance(host, str) else None
            if domain is not None and domain != target.domain:
                return domain
    return None
