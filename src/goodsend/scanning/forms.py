"""Signals of form entries, and how an entry becomes content to scan."""

from collections.abc import Iterator, Mapping

from goodsend.events.model import Content
from goodsend.facts import Value
from goodsend.kit.ids import digest_of
from goodsend.kit.text import shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.material import Material, span_of
from goodsend.scanning.model import Signal


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """
    Find links where a person's name belongs: forms that answer by mail are abused to carry them to strangers.

    An entry is text with one `field: value` a line, as `form_content` writes it.
    """
    text = material.message.text or ""
    for target in material.targets:
        if target.host is None or target.link.part != "text":
            continue
        line = text[text.rfind("\n", 0, target.link.start) + 1 : target.link.start]
        name = line.partition(":")[0].strip().lower()
        if name in scanner.words.name_fields:
            evidence = f"the field {name} holds a link: {shorten(target.link.url, 80)}"
            yield Signal("FORM_URL_IN_NAME", evidence, span_of(target))
            return


def form_content(fields: Mapping[str, Value]) -> Content | None:
    """Return the texts of a form entry as content for a scan on channel `form`, one line a field; None without any."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in fields.items() if isinstance(value, str) and value]
    if not lines:
        return None
    body = "\n".join(lines).encode("utf-8", "replace")
    return Content(digest_of(body), "text/plain", body)
