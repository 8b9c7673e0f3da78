"""Every signal a scan can find and every measure it takes, as one table. How each is found is in the family files."""

import msgspec

from goodsend.facts import Fact, FactType
from goodsend.kit.text import closest

EMAIL = frozenset({"email"})
SMS = frozenset({"sms"})
PAGE = frozenset({"page"})
FORM = frozenset({"form"})
HTML = EMAIL | PAGE
ALL = EMAIL | SMS | PAGE | FORM


class SignalKind(msgspec.Struct, frozen=True):
    """One kind of finding: what it says, its family, and the channels where it is looked for."""

    doc: str
    family: str
    channels: frozenset[str]


def _family(name: str, rows: dict[str, tuple[str, frozenset[str]]]) -> dict[str, SignalKind]:
    return {id_: SignalKind(doc, name, channels) for id_, (doc, channels) in rows.items()}


SIGNALS: dict[str, SignalKind] = {
    **_family(
        "links",
        {
            "LINK_TEXT_MISMATCH": ("a link shows one domain and leads to another", HTML),
            "LINK_LOOKALIKE_DOMAIN": ("a link leads to a domain made to look like a well-known brand's", ALL),
            "LINK_IP_HOST": ("a link leads to a bare network address instead of a name", ALL),
            "LINK_PUNYCODE": ("a link leads to a domain with non-Latin letters (Punycode)", ALL),
            "LINK_SHORTENER": ("a link hides its target behind a public URL shortener", ALL),
            "LINK_CREDENTIALS": ("a link carries a user name before the host, which hides where it leads", ALL),
            "LINK_DATA_OR_SCRIPT": ("a link holds a document or a script instead of an address", ALL),
            "LINK_FREE_HOSTING": ("a link leads to a site on free or anonymous hosting", ALL),
            "LINK_OPEN_REDIRECT": ("a link passes through one site on to another", ALL),
        },
    ),
    **_family(
        "identity",
        {
            "IDENTITY_BRAND_MISMATCH": ("name or subject claims a brand that the From domain is no part of", EMAIL),
            "IDENTITY_LOOKALIKE_DOMAIN": ("the From domain is made to look like a well-known brand's", EMAIL),
            "IDENTITY_ADDRESS_IN_NAME": ("the sender's name shows a mail address of another domain", EMAIL),
            "IDENTITY_FREEMAIL_REPLY": ("replies to a company's address go to a free mailbox", EMAIL),
            "IDENTITY_REPLY_MISMATCH": ("replies go to another domain than the sender's", EMAIL),
            "IDENTITY_NO_UNSUBSCRIBE": ("looks like bulk mail without a List-Unsubscribe header (RFC 8058)", EMAIL),
        },
    ),
    **_family(
        "markup",
        {
            "MARKUP_HIDDEN_TEXT": ("holds much text that readers do not see", HTML),
            "MARKUP_FORM": ("a mail holds a form to fill in", EMAIL),
            "MARKUP_SCRIPT": ("a mail holds code that would run: scripts, event handlers, embedded documents", EMAIL),
            "MARKUP_ZERO_WIDTH": ("words are broken by invisible characters or letters of other scripts", ALL),
            "MARKUP_IMAGE_ONLY": ("nearly everything is in a linked image, nothing in text", EMAIL),
        },
    ),
    **_family(
        "wording",
        {
            "WORDING_CREDENTIAL_ASK": ("asks to sign in, confirm or update account data", ALL),
            "WORDING_URGENCY": ("presses for time or threatens a loss", ALL),
            "WORDING_ADVANCE_FEE": ("offers a fortune, an inheritance, a prize or a partnership in one", ALL),
            "WORDING_EXTORTION": ("threatens to publish something unless money is paid", ALL),
            "WORDING_PROHIBITED_VERTICAL": ("advertises a business that sending platforms forbid or restrict", ALL),
            "WORDING_GIFT_CARD_OR_CRYPTO": ("asks for gift cards, or promises gains in cryptocurrency", ALL),
        },
    ),
    **_family(
        "sms",
        {
            "SMS_PARCEL_OR_TOLL": ("a text about a parcel, toll, fine or tax with a link to follow", SMS),
            "SMS_PRIZE": ("a text about a prize, a claim or a premium-rate number", SMS),
            "SMS_NO_OPT_OUT": ("an advertising text that does not say how to stop", SMS),
        },
    ),
    **_family(
        "pages",
        {
            "PAGE_PASSWORD_FIELD": ("asks for a password", PAGE),
            "PAGE_CARD_FIELD": ("asks for payment card data", PAGE),
            "PAGE_CODE_FIELD": ("asks for a one-time code or a wallet's recovery words", PAGE),
            "PAGE_FOREIGN_ACTION": ("sends what is entered to another site", PAGE),
            "PAGE_BRAND_LOGIN": ("names a well-known brand and asks for secrets", PAGE),
        },
    ),
    **_family(
        "forms",
        {"FORM_URL_IN_NAME": ("a link stands where a person's name belongs", FORM)},
    ),
    **_family(
        "files",
        {
            "FILE_EXECUTABLE": ("a program or script is attached", EMAIL),
            "FILE_WEB_PAGE": ("a web page or SVG drawing is attached: they carry phishing forms past filters", EMAIL),
        },
    ),
}  # fmt: skip
"""Every signal by id. A new one needs a line here, a weight, a test, and the reference page made anew."""

MEASURES: tuple[Fact, ...] = (
    Fact("s.link_count", FactType.INTEGER, "distinct links in the content", "links"),
    Fact("s.link_hosts", FactType.TEXTS, "hosts the links lead to"),
    Fact("s.link_domains", FactType.TEXTS, "registrable domains the links lead to"),
    Fact("s.lookalike_hosts", FactType.TEXTS, "hosts in links or addresses that look like a brand's"),
    Fact("s.urls", FactType.TEXTS, "the links themselves, as written", personal=True),
    Fact("s.from_name", FactType.TEXT, "display name in From", personal=True),
    Fact("s.from_domain", FactType.TEXT, "host of the From address"),
    Fact("s.reply_domain", FactType.TEXT, "host of the Reply-To address"),
    Fact("s.subject", FactType.TEXT, "subject line, or a page's title", personal=True),
    Fact("s.text", FactType.TEXT, "what a reader sees, obfuscation undone, cut to a limit", personal=True),
    Fact("s.text_chars", FactType.INTEGER, "length of what a reader sees, before the cut", "characters"),
    Fact("s.html_chars", FactType.INTEGER, "length of the HTML source, 0 without", "characters"),
    Fact("s.hidden_chars", FactType.INTEGER, "hidden text that is not also shown", "characters"),
    Fact("s.image_count", FactType.INTEGER, "images in the HTML", "images"),
    Fact("s.part_count", FactType.INTEGER, "MIME parts", "parts"),
    Fact("s.attachment_count", FactType.INTEGER, "attached files", "files"),
    Fact("s.attachment_types", FactType.TEXTS, "what the attached files are by their first bytes, else as declared"),
    Fact("s.verticals", FactType.TEXTS, "restricted lines of business the wording advertises"),
    Fact("s.brands", FactType.TEXTS, "well-known brands that sender, subject, title or links claim falsely"),
    Fact("s.note_count", FactType.INTEGER, "things that were cut or could not be read", "notes"),
    Fact("s.signal_count", FactType.INTEGER, "signals found, one per kind", "signals"),
)  # fmt: skip
"""What a scan measures beside signals; each may be NULL where the content has no such thing."""


def closest_signal(word: str) -> str | None:
    """Return the signal a writer most likely meant, None when none is near."""
    near = closest(word, (id_.lower() for id_ in SIGNALS))
    return near.upper() if near else None


def signal_facts() -> list[Fact]:
    """Return the `s.` columns of the catalogue: one flag per signal, and the measures."""
    flags = [Fact(f"s.{id_}", FactType.BOOLEAN, kind.doc) for id_, kind in SIGNALS.items()]
    return [*flags, *MEASURES]


def signals_markdown() -> str:
    """Return the reference page of signals and measures."""
    lines = [
        "# Signals",
        "",
        "Made from `goodsend.scanning.signals`; a test fails when it is out of date.",
        "",
        "A signal is one finding of the scanner in content: an id, a place and one sentence of evidence. Rules read it",
        "as `s.<ID>`: true when found, false when looked for and not found, NULL when not looked for (no content,",
        "or another channel). What fired is kept apart from what it weighs: the weights are data, in",
        "`packs/core/scanning/weights.toml`.",
    ]
    for family in dict.fromkeys(kind.family for kind in SIGNALS.values()):
        lines += ["", f"## {family}", "", "| signal | found when content … | channels |", "|---|---|---|"]
        lines += [
            f"| `{id_}` | {kind.doc} | {', '.join(sorted(kind.channels))} |"
            for id_, kind in SIGNALS.items()
            if kind.family == family
        ]
    lines += ["", "## Measures", "", "| name | type | unit | what |", "|---|---|---|---|"]
    lines += [f"| `{fact.name}` | {fact.type.value} | {fact.unit or ''} | {fact.doc} |" for fact in MEASURES]
    return "\n".join(lines) + "\n"
