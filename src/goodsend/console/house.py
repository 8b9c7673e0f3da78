"""The rest of the house: what was refused, what goes out, who did what, who works here, help, and finding things."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post

from goodsend import __version__
from goodsend.console.desk import Asked, answer, go, path_of
from goodsend.console.entry import Given
from goodsend.kit.clock import DAY
from goodsend.kit.errors import Conflict
from goodsend.standing.model import STANDINGS
from goodsend.store import audit, members, outbox, rejections, views
from goodsend.store.members import ROLES, Session

_PASSWORD_LEAST: Final = 12
"""Shortest password a person may be given (NIST SP 800-63B-4 asks for 15 where it is the only factor, 8 at least)."""
_SECRET_LEAST: Final = 16
CHAIN_TAIL: Final = 2_000
CHAIN_STEP: Final = 20_000
"""Rows of the audit that are checked when its page opens, and at once when all are. Own starting values."""
_PATHS: Final = {"Account": "/accounts/", "Case": "/cases/", "Event": "/events/"}


@get("/rejections", sync_to_thread=True, include_in_schema=False)
def show_rejections(request: Asked, desk: Given) -> Response[bytes]:
    """What was refused, newest first."""
    session: Session = request.scope["user"]
    tenant, code = session.member.tenant, request.query_params.get("code", "")[:100]
    cursor = request.query_params.get("after")
    with desk.pool.connection() as connection:
        page = rejections.page(connection, tenant, code=code or None, cursor=cursor)
        codes = rejections.counts(connection, tenant, desk.now() - 30 * DAY)
    kept = {"code": code} if code else {}
    return desk.page(
        request, "rejections.html", here="rejections", rows=page.items, codes=codes, code=code,
        older=f"/rejections?{urlencode({**kept, 'after': page.next})}" if page.next else "",
        back=f"/rejections?{urlencode(kept)}" if cursor else "",
    )  # fmt: skip


@get("/outbox", sync_to_thread=True, include_in_schema=False)
def show_outbox(request: Asked, desk: Given) -> Response[bytes]:
    """What was asked of the platform, and how its delivery goes."""
    session: Session = request.scope["user"]
    tenant, state = session.member.tenant, request.query_params.get("state", "")
    state = state if state in ("due", "done", "dead") else ""
    cursor = request.query_params.get("after")
    with desk.pool.connection() as connection:
        page = outbox.page(connection, tenant, state=state or None, cursor=cursor)
        counts = outbox.counts(connection, tenant)
        destination = outbox.destination(connection, tenant)
    kept = {"state": state} if state else {}
    return desk.page(
        request, "outbox.html", here="outbox", rows=page.items, counts=counts, state=state, destination=destination,
        older=f"/outbox?{urlencode({**kept, 'after': page.next})}" if page.next else "",
        back=f"/outbox?{urlencode(kept)}" if cursor else "",
    )  # fmt: skip


@post("/outbox", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False, status_code=200)
def resend(request: Asked, desk: Given) -> Response[Any]:
    """Send a given-up effect again, with the same id."""
    session: Session = request.scope["user"]
    outbox_id = str(request.state["form"].get("id", ""))
    with desk.pool.connection() as connection:
        outbox.resend(connection, session.member.tenant, outbox_id, session.member.login, desk.now())
    return go("/outbox", "resent")


@get("/audit", sync_to_thread=True, include_in_schema=False)
def show_audit(request: Asked, desk: Given) -> Response[bytes]:
    """The journal; its chain is checked apart."""
    session: Session = request.scope["user"]
    cursor = request.query_params.get("after")
    with desk.pool.connection() as connection:
        page = audit.recent(connection, session.member.tenant, cursor=cursor)
    return desk.page(
        request, "audit.html", here="audit", rows=page.items,
        older=f"/audit?{urlencode({'after': page.next})}" if page.next else "", back="/audit" if cursor else "",
    )  # fmt: skip


@get("/audit/chain", sync_to_thread=True, include_in_schema=False)
def show_chain(request: Asked, desk: Given) -> Response[bytes]:
    """
    What checking a part of the chain found: its latest rows or, with `whole`, step by step all of them from the first.
    """
    session: Session = request.scope["user"]
    tenant = session.member.tenant
    whole = request.query_params.get("whole", "")
    asked = int(whole) if whole.isdecimal() and len(whole) < 18 else 0
    with desk.pool.connection() as connection:
        newest = audit.newest(connection, tenant)
        first = min(asked, newest) if asked else max(1, newest - CHAIN_TAIL + 1)
        last = min(newest, first + (CHAIN_STEP if asked else CHAIN_TAIL) - 1)
        broken = audit.verify(connection, tenant, first, last - first + 1) if newest else None
    return desk.page(
        request, "chain.html", broken=broken, first=1 if asked else first, last=last, newest=newest,
        whole=bool(asked), onward=last + 1 if asked and broken is None and last < newest else 0,
    )  # fmt: skip


@get("/members", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False)
def show_members(request: Asked, desk: Given) -> Response[bytes]:
    """Who works here, and where effects go."""
    return _members_page(request, desk)


def _members_page(request: Asked, desk: Given, problem: str = "", status: int = 200) -> Response[bytes]:
    session: Session = request.scope["user"]
    with desk.pool.connection() as connection:
        people = members.all_of(connection, session.member.tenant)
        destination = outbox.destination(connection, session.member.tenant)
    return desk.page(
        request, "members.html", here="members", status=status, members=people, roles=ROLES, destination=destination,
        problem=problem,
    )  # fmt: skip


@post("/members", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False, status_code=200)
def change_members(request: Asked, desk: Given) -> Response[Any]:
    """Add a person, set a role, or switch a person off and on."""
    session: Session = request.scope["user"]
    form, member, now = request.state["form"], session.member, desk.now()
    verb, role = str(form.get("verb", "")), str(form.get("role", ""))
    try:
        with desk.pool.connection() as connection:
            if verb == "add":
                login, name = str(form.get("login", "")).strip(), str(form.get("name", "")).strip()
                password = str(form.get("password", ""))
                if not login or not name or role not in ROLES or len(password) < _PASSWORD_LEAST:
                    raise Conflict(f"name, login, role and a password of {_PASSWORD_LEAST} characters are needed")
                if any(login.lower() == other.login.lower() for other in members.all_of(connection, member.tenant)):
                    raise Conflict(f"{login} is there already")
                members.ensure(
                    connection, member.tenant, login=login[:200], name=name[:100], role=role, password=password,
                    at=now, actor=member.login,
                )  # fmt: skip
            else:
                number = str(form.get("member", ""))
                if not number.isdecimal() or verb not in ("role", "on", "off") or int(number) == member.id:
                    raise Conflict("this cannot be changed here")
                if verb == "role" and role not in ROLES:
                    raise Conflict("there is no such role")
                members.change(
                    connection, member.tenant, int(number), actor=member.login, at=now,
                    role=role if verb == "role" else None, active=None if verb == "role" else verb == "on",
                )  # fmt: skip
    except Conflict as error:
        return _members_page(request, desk, f"{str(error)[:1].upper()}{str(error)[1:]}.", 409)
    return go("/members", "member" if verb == "add" else "changed")


@post("/destination", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False, status_code=200)
def change_destination(request: Asked, desk: Given) -> Response[Any]:
    """Choose where effects go from now on."""
    session: Session = request.scope["user"]
    form, tenant, now = request.state["form"], session.member.tenant, desk.now()
    connector, url, secret = (str(form.get(name, "")).strip() for name in ("connector", "url", "secret"))
    with desk.pool.connection() as connection:
        old = outbox.destination(connection, tenant)
        kept = secret or (old.secret if old and old.secret else "")
        if connector == "webhook" and (not url.startswith(("https://", "http://")) or len(kept) < _SECRET_LEAST):
            problem = f"A webhook needs an address and a secret of {_SECRET_LEAST} characters."
        elif connector in ("webhook", "printed"):
            hooks = connector == "webhook"
            outbox.set_destination(connection, tenant, connector, url if hooks else None, kept if hooks else None, now)
            audit.append(
                connection, tenant, now, session.member.login, "destination.set", connector,
                {"url": url if hooks else None, "secret": bool(secret)},
            )  # fmt: skip
            problem = ""
        else:
            problem = "There is no such connector."
    return _members_page(request, desk, problem, 400) if problem else go("/members", "destination")


@get("/help", sync_to_thread=True, include_in_schema=False)
def show_help(request: Asked, desk: Given) -> Response[bytes]:
    """Keys, words, versions."""
    pack = desk.pack(request.scope["user"])
    return desk.page(
        request, "help.html", here="help", standings=STANDINGS, version=__version__, pack_version=pack.version,
        rule_count=len(pack.ruleset.rules), fact_count=len(pack.catalog),
    )  # fmt: skip


@get("/palette", sync_to_thread=True, include_in_schema=False)
def find(request: Asked, desk: Given) -> Response[bytes]:
    """What the palette finds, as JSON: rules by name, then accounts, cases and events."""
    session: Session = request.scope["user"]
    text = request.query_params.get("q", "").strip()[:200]
    found: list[dict[str, str]] = []
    if len(text) >= 2:
        plain = text.lower().replace(" ", "_")
        rules = [name for name in desk.pack(session).ruleset.rules if plain in name][:5]
        found += [
            {"what": "Rule", "label": name.replace("_", " "), "href": f"/rules/{path_of(name)}"} for name in rules
        ]
        with desk.pool.connection() as connection:
            things = views.find(connection, session.member.tenant, text)
        found += [{"what": one.what, "label": one.label, "href": _PATHS[one.what] + path_of(one.id)} for one in things]
    return answer(msgspec.json.encode(found), "application/json")
