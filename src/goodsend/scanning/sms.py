"""Signals of text messages."""

from collections.abc import Iterator

from goodsend.kit.text import shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.material import Material, locate, span_of
from goodsend.scanning.model import Signal


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find parcel, toll and prize lures, and advertising without a way out (CTIA Messaging Principles, 2023, 5.1.3)."""
    lure = material.matches.get("parcel_or_toll")
    link = next((target for target in material.targets if target.host), None)
    if lure is not None and link is not None and scanner.brands.owner(link.host or "") is None:
        phrase, _ = locate(material, lure.found)
        evidence = f"speaks of “{shorten(phrase, 60)}” and leads to {link.host}"
        yield Signal("SMS_PARCEL_OR_TOLL", evidence, span_of(link))
    prize = material.matches.get("prize")
    if prize is not None:
        phrase, span = locate(material, prize.found)
        yield Signal("SMS_PRIZE", f"promises a prize or points to a paid number: “{shorten(phrase, 60)}”", span)
    advert = material.matches.get("advertising")
    if advert is not None and "opt_out" not in material.matches:
        phrase, span = locate(material, advert.found)
        evidence = f"reads like advertising (“{shorten(phrase, 60)}”) and does not say how to stop"
        yield Signal("SMS_NO_OPT_OUT", evidence, span)
