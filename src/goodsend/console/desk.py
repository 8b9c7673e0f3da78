"""
What every page needs: templates with the console's words, built assets, the headers browsers must obey, connections.

What a page shows is decided in the files of its pages; who may see it in `entry.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Request, Response
from litestar.datastructures import State
from litestar.response import Redirect
from markupsafe import Markup

from goodsend.console import wording
from goodsend.console.assets import Assets, load_assets
from goodsend.console.highlight import sql_markup
from goodsend.console.masking import PERSONAL_ENTITIES, is_masked, mask, mask_text, mask_values
from goodsend.facts import Catalog
from goodsend.kit.clock import Micros, format_time, to_datetime
from goodsend.kit.text import printable
from goodsend.pack import Pack
from goodsend.store.members import Session
from goodsend.wiring import Installation

Asked = Request[Any, Any, State]

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}
"""Nothing on a page may come from elsewhere, run inline, be framed or be kept by a shared cache."""


class Page(msgspec.Struct, frozen=True):
    """One entry of the navigation: its key after `g`, and the role it is for (empty: everybody)."""

    here: str
    name: str
    href: str
    key: str
    role: str = ""

    @property
    def icon(self) -> str:
        """The name of its icon: that of the page."""
        return self.here


class Group(msgspec.Struct, frozen=True):
    """Pages under one heading."""

    name: str
    pages: tuple[Page, ...]


NAVIGATION: Final = (
    Group(
        "",
        (
            Page("overview", "Overview", "/", "o"),
            Page("cases", "Cases", "/cases", "c"),
            Page("events", "Events", "/events", "e"),
            Page("accounts", "Accounts", "/accounts", "a"),
        ),
    ),
    Group(
        "Judging",
        (
            Page("rules", "Rules", "/rules", "r"),
            Page("features", "Features", "/features", "f"),
            Page("lists", "Lists", "/lists", "l"),
            Page("backtests", "Backtests", "/backtests", "b"),
            Page("shadow", "Shadow", "/shadow", "s"),
            Page("alarms", "Alarms", "/alarms", "w"),
            Page("proof", "Proof", "/proof", "p"),
        ),
    ),
    Group("Flow", (Page("outbox", "Outbox", "/outbox", "x"), Page("rejections", "Rejections", "/rejections", "j"))),
    Group(
        "House",
        (
            Page("audit", "Audit", "/audit", "u"),
            Page("members", "Members", "/members", "m", "admin"),
            Page("help", "Help", "/help", "h"),
        ),
    ),
)

SAID: Final = {
    "assigned": ("check", "allow", "The case is yours."),
    "released": ("check", "allow", "The case is back in its queue."),
    "noted": ("check", "allow", "The note is on the case."),
    "asked": ("check", "allow", "The case waits for the customer."),
    "answered": ("check", "allow", "The answer is on the case."),
    "decided": ("check", "allow", "Decided. What was asked of the platform is in the outbox."),
    "closed": ("check", "allow", "The case is closed."),
    "reopened": ("check", "allow", "The case is open again."),
    "added": ("check", "allow", "Added. It counts from the next event on."),
    "removed": ("check", "allow", "Removed. It counts no more."),
    "resent": ("check", "allow", "It goes out again, with the same id."),
    "changed": ("check", "allow", "Changed. Sessions of that person have ended."),
    "member": ("check", "allow", "Added. Tell the password on a safe way."),
    "drafted": ("check", "allow", "Saved as a draft. Nothing is judged by it yet."),
    "proposed": ("clock", "review", "Proposed. A second person approves it."),
    "declined": ("check", "allow", "Back with its author, as a draft."),
    "put_to_work": ("check", "allow", "Live. It counts from the next event on."),
    "rolled_back": ("check", "allow", "That version is live again, from the next event on."),
    "retired": ("check", "allow", "What the pack says counts again."),
    "why_missing": ("warn", "throttle", "Nothing was changed: say why, in one sentence."),
    "lead_needed": ("warn", "throttle", "Nothing was changed: this needs the role lead."),
    "cancelled": ("check", "allow", "Cancelled."),
    "seen": ("check", "allow", "Noted that you have seen it."),
    "destination": ("check", "allow", "Saved. What waits goes there too."),
}
"""What is said at the top of the page that follows an act, by the code in its address."""


class _Words:
    """The tables of wording, as templates ask them."""

    verdicts = tuple(wording.VERDICTS)

    def verdict(self, name: str) -> wording.Said:
        return wording.said(wording.VERDICTS, name)

    def severity(self, level: int) -> wording.Said:
        return wording.said(wording.SEVERITIES, level)

    def standing(self, name: str) -> wording.Said:
        return wording.said(wording.STANDINGS, name)

    def state(self, name: str) -> wording.Said:
        return wording.said(wording.STATES, name)

    def job(self, name: str) -> wording.Said:
        return wording.said(wording.JOBS, name)

    def outcome(self, name: str) -> wording.Said:
        return wording.said(wording.OUTCOMES, name)

    def verb(self, name: str) -> wording.Said:
        return wording.said(wording.VERBS, name)


class Desk:
    """The console of one installation: what handlers are given."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.assets: Assets = load_assets()
        self._environment = _environment(self.assets)
        public = installation.settings.public_url
        self.is_secure = public.startswith("https://")
        self.public_host = public.partition("://")[2].partition("/")[0]
        self.cookie = "__Host-goodsend" if self.is_secure else "goodsend"

    @property
    def pool(self) -> Any:
        """The pool of connections; a block over one commits at its end and rolls back on an exception."""
        return self.installation.pool

    def now(self) -> Micros:
        """Return the present."""
        return self.installation.now()

    def pack(self, session: Session) -> Pack:
        """Return the definitions in force for the member's tenant."""
        return self.installation.pack(session.member.tenant)

    def page(
        self, request: Asked, template: str, *, here: str = "", status: int = 200, **shown: Any
    ) -> Response[bytes]:
        """Return a page of a template. Everything in it is escaped unless it was made as markup."""
        session: Session | None = request.scope.get("user")
        theme = request.cookies.get("theme", "")
        code = request.query_params.get("said", "")
        said = wording.Said("", *SAID[code]) if code in SAID else None
        context = {
            "session": session,
            "theme": theme if theme in ("light", "dark") else "",
            "here": here,
            "navigation": NAVIGATION,
            "now": self.now(),
            "said": said,
            "back": "",
            "live": False,
            "open_cases": request.state.get("open_cases", 0),
            "catalog": self.pack(session).catalog if session else Catalog(()),
            "clause": _clause_namer(self.pack(session)) if session else str,
            "clause_number": _clause_numberer(self.pack(session)) if session else str,
            "masked": bool(session and is_masked(session.member.role)),
            "secrets": (),
            "facts_title": "Facts",
            "facts_folded": False,
            **shown,
        }
        text = self._environment.get_template(template).render(context)
        return answer(text.encode("utf-8", "replace"), "text/html", status=status)


def answer(
    body: bytes, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return an answer with the headers that every answer of the console carries; `headers` go over them."""
    return Response(body, media_type=media_type, status_code=status, headers={**PAGE_HEADERS, **(headers or {})})


def go(path: str, said: str = "") -> Redirect:
    """Return the way to the page that follows an act (303, so that reloading does not act again)."""
    mark = "&" if "?" in path else "?"
    return Redirect(f"{path}{mark}said={said}" if said else path, status_code=303, headers=dict(PAGE_HEADERS))


def path_of(text: str) -> str:
    """Return an id as a part of an address."""
    return quote(text, safe="")


def _clause_namer(pack: Pack) -> Callable[[str], str]:
    def named(policy: str) -> str:
        found = pack.policies.get(policy)
        return f"{found.clause} {found.title}" if found else policy

    return named


def _clause_numberer(pack: Pack) -> Callable[[str], str]:
    def numbered(policy: str) -> str:
        found = pack.policies.get(policy)
        return found.clause if found else policy

    return numbered


def _environment(assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"asset": assets.path, "words": _Words()}
    environment.filters |= {
        "rfc3339": format_time,
        "full_time": wording.full_time,
        "day_time": wording.day_time,
        "ago": _ago,
        "clock_time": _clock_time,
        "axis_time": _axis_time,
        "number": wording.number,
        "plural": wording.plural,
        "path": path_of,
        "query": path_of,
        "printable": lambda text: printable(str(text)),
        "personal": _personal,
        "personal_values": _personal_values,
        "entity": _entity,
        "fact": _fact,
        "spaced": lambda text: str(text).replace("_", " "),
        "spaced_signal": lambda text: str(text).replace("_", " ").capitalize(),
        "sql": sql_markup,
        "raw_text": _raw_text,
        "json_text": _json_text,
    }
    return environment


@pass_context
def _ago(context: Context, at: Micros) -> str:
    return wording.ago(at, context["now"])


@pass_context
def _clock_time(context: Context, at: Micros) -> str:
    return wording.clock_time(at, context["now"])


def _axis_time(at: Micros) -> str:
    moment = to_datetime(at)
    return moment.strftime("%H:%M") if moment.hour or moment.minute else f"{moment.day} {moment.strftime('%b')}"


@pass_context
def _personal(context: Context, text: object) -> str:
    if not context["masked"]:
        return str(text)
    shown = str(text)
    for secret in sorted(context["secrets"], key=len, reverse=True):
        shown = shown.replace(secret, mask(secret))
    return mask_text(shown)


@pass_context
def _personal_values(context: Context, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    shown = mask_values(values, personal_fields(context["catalog"])) if context["masked"] else values
    return [(name, wording.value_text(value)) for name, value in shown.items()]


@pass_context
def _entity(context: Context, key: str, type_: str) -> str:
    return mask(key) if context["masked"] and type_ in PERSONAL_ENTITIES else key


@pass_context
def _fact(context: Context, value: Any, name: str) -> str:
    fact = context["catalog"].get(name)
    text = wording.value_text(value, fact)
    if context["masked"] and isinstance(value, str):
        return mask(text) if fact is None or fact.personal else mask_text(text)
    return text


def personal_fields(catalog: Catalog) -> frozenset[str]:
    """Return the names of event fields that hold a person's data."""
    return frozenset(name[2:] for name, fact in catalog.items() if fact.personal and name.startswith("e."))


def personal_texts(facts: Mapping[str, Any], catalog: Catalog) -> Iterable[str]:
    """Return the personal texts of a row of facts that are long enough to be looked for in sentences."""
    for name, value in facts.items():
        fact = catalog.get(name)
        if fact is not None and fact.personal and isinstance(value, str) and len(value) >= 3:
            yield value


@pass_context
def _raw_text(context: Context, raw: bytes) -> str:
    if context["masked"]:
        return "What came may hold personal data; it is shown to analysts."
    return printable(raw[:4_000].decode("utf-8", "backslashreplace"))


@pass_context
def _json_text(context: Context, value: Any) -> str:
    shown = mask_values(value, personal_fields(context["catalog"])) if context["masked"] else value
    text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode("utf-8", "replace")
    return printable(text)


def plain_markup(text: str) -> Markup:
    """Return text as markup, escaped."""
    return Markup.escape(text)
