"""Signals of identity: who a mail says it is from, and who answers."""

import re
from collections.abc import Iterator

from goodsend.events.addresses import registrable_domain
from goodsend.kit.text import shorten
from goodsend.scanning.brands import Brand
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.folding import fold
from goodsend.scanning.hosts import is_in
from goodsend.scanning.material import Material, mail_host
from goodsend.scanning.model import Signal, Span

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]{1,64}@((?:[a-z0-9-]{1,63}\.){1,6}+[a-z]{2,18})", re.IGNORECASE)
_FROM = Span("from")


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find what the sender's name, address and reply address give away."""
    name = material.message.from_name or ""
    host = material.from_host
    domain = registrable_domain(host) if host else None
    brand, where = claimed_brand(material, scanner)
    if brand is not None:
        whose = f"the mail is from {host}" if host else "no From address says so"
        what = "the sender's name" if where.part == "from" else "the subject"
        yield Signal("IDENTITY_BRAND_MISMATCH", f"{what} claims {brand.name}, but {whose}", where)
    like = scanner.brands.lookalike(host) if host else None
    if like is not None:
        yield Signal("IDENTITY_LOOKALIKE_DOMAIN", f"the From domain {host} {like.how}", _FROM)
    shown = _ADDRESS.search(name[:500])
    if shown and domain and registrable_domain(shown.group(1).lower()) not in (None, domain):
        evidence = f"the sender's name shows {shorten(shown.group(), 80)}, but the mail is from {host}"
        yield Signal("IDENTITY_ADDRESS_IN_NAME", evidence, _FROM)
    yield from _reply(material, scanner, host, domain)
    if _looks_bulk(material, scanner) and not material.message.header("list-unsubscribe"):
        yield Signal(
            "IDENTITY_NO_UNSUBSCRIBE", "looks like bulk mail and has no List-Unsubscribe header", Span("message")
        )


def claimed_brand(material: Material, scanner: Scanner) -> tuple[Brand | None, Span]:
    """
    Return the brand that the sender's name, or the subject in an account matter, claims without its From domain.

    A subject may name a brand for many reasons: it counts only beside words such as “your account” or “invoice”, and
    only where no link leads to the brand itself.
    """
    brands = scanner.brands
    owner = brands.owner(material.from_host) if material.from_host else None
    brand = brands.named_in(material.message.from_name or "")
    if brand is not None and brand is not owner:
        return brand, _FROM
    if brand is None and "account_matter" in material.matches and material.subject:
        brand = brands.named_in(material.subject) if _is_account_matter(material.subject, scanner) else None
        if brand is not None and brand is not owner and owner is None and not _links_to(material, brand, scanner):
            return brand, Span("subject")
    return None, _FROM


def _is_account_matter(subject: str, scanner: Scanner) -> bool:
    return any(match.group.name == "account_matter" for match in scanner.phrases.find(fold(subject[:500])))


def _links_to(material: Material, brand: Brand, scanner: Scanner) -> bool:
    return any(target.host and scanner.brands.owner(target.host) is brand for target in material.targets)


def _reply(material: Material, scanner: Scanner, host: str | None, domain: str | None) -> Iterator[Signal]:
    reply = mail_host(material.message.reply_to)
    reply_domain = registrable_domain(reply) if reply else None
    if reply_domain is None or domain is None or reply_domain == domain:
        return
    is_free = is_in(reply, scanner.hosts.free_mail)
    place = Span("header:reply-to")
    if is_free and not is_in(host, scanner.hosts.free_mail):
        yield Signal(
            "IDENTITY_FREEMAIL_REPLY", f"the mail is from {host}, answers go to a free mailbox at {reply}", place
        )
    elif not material.message.header("list-id") and not _same_owner(host, reply, scanner):
        yield Signal("IDENTITY_REPLY_MISMATCH", f"the mail is from {host}, answers go to {reply}", place)


def _same_owner(one: str | None, other: str | None, scanner: Scanner) -> bool:
    owner = scanner.brands.owner(one or "")
    return owner is not None and owner is scanner.brands.owner(other or "")


def _looks_bulk(material: Material, scanner: Scanner) -> bool:
    """True for mail that calls itself bulk, speaks of unsubscribing, or advertises with many links."""
    message = material.message
    precedence = (message.header("precedence") or "").strip().lower()
    if precedence in ("bulk", "junk") or message.header("feedback-id") or message.header("list-id"):
        return True
    if "unsubscribe" in material.matches:
        return True
    return "advertising" in material.matches and len(material.targets) >= scanner.bounds.bulk_links
