"""
Who is asking, and may they: sessions by cookie, roles, and the checks against forged requests. Pages live elsewhere.

A form must carry the session's token, and the browser must say that it comes from our own pages (Sec-Fetch-Site,
Origin). The cookie is HttpOnly and SameSite=Lax, with the `__Host-` prefix where the installation is reached by https.
"""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import quote, urlsplit

from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.params import SkipValidation

from goodsend.console.desk import Asked, Desk, answer, go
from goodsend.kit.clock import SECOND
from goodsend.kit.errors import NotFound
from goodsend.store import members, views
from goodsend.store.members import SESSION, Session, SignIn

Given = NamedDependency[SkipValidation[Desk]]
"""The desk, as handlers take it."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_BYTES: Final = 200_000
"""Longest form. Own starting value: fifty notes."""

_AT_THE_DOOR: Final = BoundedSemaphore(3)
"""
How many passwords are checked at once. Each check costs 64 MiB, a tenth of a second and a connection of the pool, and
anybody may ask for one: unbounded, a few hundred strangers kept the engine waiting for a minute. Own starting value.
"""

_REFUSED: Final = {
    SignIn.WRONG: "Login or password is wrong.",
    SignIn.LOCKED: "Too many wrong passwords: this login rests for 15 minutes.",
}


def entry_check(desk: Desk) -> Callable[[Request[Any, Any, Any]], Awaitable[Response[Any] | None]]:
    """Return the check that every request passes: on to the page, to the sign-in, or refused (403)."""

    async def check(request: Request[Any, Any, Any]) -> Response[Any] | None:
        needs = request.route_handler.opt
        unsafe = request.method not in SAFE
        if unsafe:
            if not comes_from_here(request, desk.public_host):
                raise PermissionDeniedException("This request comes from another site.")
            request.state["form"] = await request.form()
        if _holds_nul(request):
            raise NotFound("there is no such thing: the address or the form holds a NUL character")
        if needs.get("public"):
            return None
        session = await sync_to_thread(_session, desk, request)
        if session is None:
            return _to_sign_in(request)
        request.scope["user"] = session
        if unsafe and not _token_fits(request, session):
            raise PermissionDeniedException("This form is too old. Load the page again and repeat the step.")
        role = needs.get("role", "analyst" if unsafe else "viewer")
        if not session.member.may(role):
            raise PermissionDeniedException(f"This needs the role {role}; yours is {session.member.role}.")
        return None

    return check


def _holds_nul(request: Asked) -> bool:
    """Say whether a NUL came in, which the database cannot even be asked about."""
    form = request.state["form"].multi_items() if "form" in request.state else ()
    texts = (*(value for _, value in form), *(value for _, value in request.query_params.multi_items()))
    return "\0" in request.scope["path"] or any("\0" in str(text) for text in texts)


def _session(desk: Desk, request: Asked) -> Session | None:
    secret = request.cookies.get(desk.cookie)
    if not secret or len(secret) > 200:
        return None
    with desk.pool.connection() as connection:
        session = members.session_of(connection, secret, desk.now())
        if session is not None and request.method == "GET":
            severities = views.open_case_severities(connection, session.member.tenant)
            request.state["open_cases"] = sum(severities.values())
    return session


def comes_from_here(request: Request[Any, Any, Any], public_host: str) -> bool:
    """
    Say whether an unsafe request was made by one of our own pages, as far as the browser says.

    Browsers send Origin with every POST; a client that sends neither header is no browser that could be tricked.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host in (request.headers.get("host", ""), public_host)


def _token_fits(request: Asked, session: Session) -> bool:
    sent = request.headers.get("x-csrf-token") or request.state["form"].get("csrf", "")
    return isinstance(sent, str) and compare_digest(sent.encode("utf-8", "replace"), session.csrf.encode())


def _to_sign_in(request: Asked) -> Response[Any]:
    way = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    place = f"/sign-in?next={quote(way, safe='')}"
    if request.headers.get("hx-request"):
        return answer(b"", "text/html", status=401, headers={"HX-Redirect": "/sign-in"})
    if request.method not in SAFE or "text/html" not in request.headers.get("accept", "text/html"):
        return answer(b"Sign in first.", "text/plain", status=401)
    return go(place)


@get("/sign-in", opt={"public": True}, sync_to_thread=True, include_in_schema=False)
def show_sign_in(request: Asked, desk: Given) -> Response[Any]:
    """The door; who is in already goes on."""
    if _session(desk, request) is not None:
        return go(safe_way(request.query_params.get("next", "/")))
    return desk.page(request, "sign_in.html", problem="", login="", next=request.query_params.get("next", "/"))


@post("/sign-in", opt={"public": True}, sync_to_thread=True, include_in_schema=False, status_code=200)
def sign_in(request: Asked, desk: Given) -> Response[Any]:
    """Open a session for the right password; say no more than needed otherwise."""
    form = request.state["form"]
    login, password = str(form.get("login", ""))[:200], str(form.get("password", ""))
    way = safe_way(str(form.get("next", "/")))
    now = desk.now()
    if not _AT_THE_DOOR.acquire(blocking=False):  # to wait would take a thread from those who are in
        problem = "Too many people are signing in at this moment: try again in a few seconds."
        return desk.page(request, "sign_in.html", status=429, problem=problem, login=login, next=way)
    try:
        with desk.pool.connection() as connection:
            result, member = members.sign_in(connection, login, password, now)
    finally:
        _AT_THE_DOOR.release()
    if member is None:
        status = 429 if result is SignIn.LOCKED else 401
        problem = _REFUSED.get(result, _REFUSED[SignIn.WRONG])
        return desk.page(request, "sign_in.html", status=status, problem=problem, login=login, next=way)
    with desk.pool.connection() as connection:
        secret, _ = members.open_session(connection, member, now)
    welcome = go(way)
    welcome.set_cookie(_cookie(desk, secret, SESSION // SECOND))
    return welcome


@post("/sign-out", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def sign_out(request: Asked, desk: Given) -> Response[Any]:
    """End the session, here and in the database."""
    with desk.pool.connection() as connection:
        members.close_session(connection, request.cookies.get(desk.cookie, ""), desk.now())
    gone = go("/sign-in")
    gone.set_cookie(_cookie(desk, "", 0))
    return gone


def _cookie(desk: Desk, secret: str, seconds: int) -> Cookie:
    return Cookie(
        desk.cookie, value=secret, path="/", max_age=seconds, httponly=True, secure=desk.is_secure, samesite="lax"
    )


def safe_way(way: str) -> str:
    """Return a path of our own to go on to; anything else becomes the overview, so that a link cannot lead away."""
    if not way.startswith("/") or way.startswith(("//", "/\\", "/sign-")):
        return "/"
    return "/" if any(ord(char) < 33 or char == "\\" for char in way) else way[:2_000]
