"""Signals of landing pages and hosted forms: what they ask visitors for, and where it goes."""

from collections.abc import Callable, Iterator

from goodsend.events.addresses import Wrong, canonical_url, registrable_domain
from goodsend.kit.text import printable, shorten
from goodsend.scanning.brands import Brand
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.hypertext import Field
from goodsend.scanning.material import Material
from goodsend.scanning.model import Signal, Span


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find fields for secrets, forms that post elsewhere, and brands named beside them."""
    secret: Field | None = None
    for id_, what, field in (
        ("PAGE_PASSWORD_FIELD", "a password", _first(material, _is_password)),
        (
            "PAGE_CARD_FIELD",
            "payment card data",
            _first(material, lambda field: _has(field, scanner.words.card_fields)),
        ),
        ("PAGE_CODE_FIELD", "a code or recovery words", _first(material, lambda f: _has(f, scanner.words.code_fields))),
    ):
        if field is not None:
            secret = secret or field
            name = f" (field “{shorten(printable(field.words.split()[0]), 40)}”)" if field.words.split() else ""
            yield Signal(id_, f"the page asks for {what}{name}", Span("html", field.start, field.end))
    base = canonical_url(material.page.base) if material.page.base else None
    own = registrable_domain(base.host) if base is not None and not isinstance(base, Wrong) and base.host else None
    for form in material.page.forms[:50]:
        if not form.action.lower().startswith(("http:", "https:", "//")):
            continue
        action = canonical_url(form.action)
        if not isinstance(action, Wrong) and action.host and (own is None or registrable_domain(action.host) != own):
            evidence = f"what visitors enter is sent to {action.host}"
            yield Signal("PAGE_FOREIGN_ACTION", evidence, Span("html", form.start, form.end))
            break
    brand = page_brand(material, scanner)
    if brand is not None and secret is not None:
        evidence = f"the page presents itself as {brand.name} and asks for secrets"
        yield Signal("PAGE_BRAND_LOGIN", evidence, Span("title" if material.page.title else "visible"))


def page_brand(material: Material, scanner: Scanner) -> Brand | None:
    """Return the brand that the title or the first lines name."""
    return scanner.brands.named_in(material.page.title) or scanner.brands.named_in(material.page.visible[:200])


def _first(material: Material, wanted: Callable[[Field], bool]) -> Field | None:
    return next((field for field in material.page.fields if field.type != "hidden" and wanted(field)), None)


def _is_password(field: Field) -> bool:
    return field.type == "password" or (field.type in ("text", "email") and "password" in field.words)


def _has(field: Field, words: tuple[str, ...]) -> bool:
    return any(word in field.words for word in words)
