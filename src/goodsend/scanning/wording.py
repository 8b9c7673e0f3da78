"""Signals of wording: phrases of the pack, in the languages it has, found in subject and text."""

from collections.abc import Iterator

from goodsend.kit.text import shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.material import Material, locate
from goodsend.scanning.model import Signal
from goodsend.scanning.signals import SIGNALS


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Turn each phrase group that names a wording signal and was found into a signal with the phrase as evidence."""
    for match in material.matches.values():
        id_ = match.group.signal
        if id_ is None or SIGNALS[id_].family != "wording":
            continue
        phrase, span = locate(material, match.found)
        what = f"advertises {match.group.label}" if match.group.label else SIGNALS[id_].doc
        more = f" and {len(match.found) - 1} more phrases" if len(match.found) > 1 else ""
        yield Signal(id_, f"{what}: “{shorten(phrase, 80)}”{more}" if phrase else what, span)


def verticals(material: Material) -> tuple[str, ...]:
    """Return the restricted lines of business that the wording advertises, by the names of their groups."""
    return tuple(
        name for name, match in material.matches.items() if match.group.signal == "WORDING_PROHIBITED_VERTICAL"
    )
