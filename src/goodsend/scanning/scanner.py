"""The scan itself: every family over one content, in a fixed order. What was found is judged by rules, not here."""

from collections.abc import Callable, Iterator

from goodsend.events.mime import read_content
from goodsend.events.model import Content
from goodsend.facts import Value
from goodsend.scanning import files, forms, identity, links, markup, pages, sms, wording
from goodsend.scanning.definitions import Scanner, parse_scanner
from goodsend.scanning.material import Material, open_message
from goodsend.scanning.model import Scan, Signal
from goodsend.scanning.signals import SIGNALS, signal_facts

__all__ = ["Scanner", "channel_of", "parse_scanner", "scan", "signal_facts"]

FAMILIES: tuple[tuple[frozenset[str], Callable[[Material, Scanner], Iterator[Signal]]], ...] = (
    (frozenset({"email", "sms", "page", "form"}), links.find),
    (frozenset({"email"}), identity.find),
    (frozenset({"email", "sms", "page", "form"}), markup.find),
    (frozenset({"email", "sms", "page", "form"}), wording.find),
    (frozenset({"sms"}), sms.find),
    (frozenset({"page"}), pages.find),
    (frozenset({"form"}), forms.find),
    (frozenset({"email"}), files.find),
)
"""Channels and the function of each family."""

_CHANNELS = {"message/rfc822": "email", "text/plain": "sms", "text/html": "page"}


def channel_of(media_type: str, known_channel: str | None) -> str:
    """Return the channel whose signals apply: the known one where there are any for it, else what the type suggests."""
    if known_channel in ("email", "sms", "page", "form") and media_type != "message/rfc822":
        return known_channel
    return _CHANNELS.get(media_type, "email")


def scan(content: Content, scanner: Scanner, known_channel: str | None = None) -> Scan:
    """
    Scan one content; never raises on it. Signals come in the order of families, one id several times where it is.

    `known_channel` is the event's; a mail is scanned as mail on any channel (a complaint may carry one).
    """
    channel = channel_of(content.media_type, known_channel)
    message = read_content(content.media_type, content.body, scanner.limits)
    material = open_message(message, scanner, channel)
    wanted = {id_ for id_, kind in SIGNALS.items() if channel in kind.channels}
    signals = tuple(
        signal
        for channels, find in FAMILIES
        if channel in channels
        for signal in find(material, scanner)
        if signal.id in wanted
    )
    facts: dict[str, Value] = {f"s.{id_}": False for id_ in SIGNALS if id_ in wanted}
    facts.update((f"s.{signal.id}", True) for signal in signals)
    facts.update(_measures(material, scanner, len({signal.id for signal in signals})))
    return Scan(signals, facts, tuple(material.notes), _error(material))


def _measures(material: Material, scanner: Scanner, signal_count: int) -> dict[str, Value]:
    message, page, targets = material.message, material.page, material.targets
    facts: dict[str, Value] = {
        "s.link_count": len(targets),
        "s.link_hosts": tuple(dict.fromkeys(target.host for target in targets if target.host)),
        "s.link_domains": tuple(dict.fromkeys(target.domain for target in targets if target.domain)),
        "s.lookalike_hosts": tuple(material.lookalikes),
        "s.urls": tuple(target.link.url[:2000] for target in targets[:100]),
        "s.subject": material.subject,
        "s.text": material.clean[: scanner.limits.fact_chars] or None,
        "s.text_chars": len(material.clean),
        "s.html_chars": len(message.html or ""),
        "s.hidden_chars": markup.hidden_chars(material),
        "s.image_count": len(page.images),
        "s.verticals": wording.verticals(material),
        "s.brands": _brands(material, scanner),
        "s.note_count": len(material.notes),
        "s.signal_count": signal_count,
    }
    if material.channel == "email":
        facts |= {
            "s.from_name": message.from_name,
            "s.from_domain": material.from_host,
            "s.reply_domain": material.reply_host,
            "s.part_count": len(message.parts),
            "s.attachment_count": len(message.attachments),
            "s.attachment_types": tuple(file.sniffed or file.content_type for file in message.attachments),
        }
    return facts


def _brands(material: Material, scanner: Scanner) -> tuple[str, ...]:
    found = [like.brand for like in material.lookalikes.values()]
    if material.channel == "email":
        claimed, _ = identity.claimed_brand(material, scanner)
        found += [claimed] if claimed is not None else []
    elif material.channel == "page":
        shown = pages.page_brand(material, scanner)
        found += [shown] if shown is not None else []
    return tuple(dict.fromkeys(brand.id for brand in found))


def _error(material: Material) -> str | None:
    """Say so when there is nothing to judge."""
    message = material.message
    if message.text is None and message.html is None and not message.headers and not message.attachments:
        return "the content is empty"
    return None
