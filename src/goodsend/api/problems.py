"""
Errors over HTTP as problem details, and the page that explains each. What is wrong with an event is a Rejection.

Source: RFC 9457 (Problem Details for HTTP APIs). `type` is a path of this installation, `/problems/<code>`.
"""

import logging
from html import escape
from typing import Annotated, Any, cast

import msgspec
import psycopg
import psycopg_pool
from litestar import Request, Response, get
from litestar.exceptions import HTTPException
from litestar.params import ParameterKwarg, PathParameter

from goodsend.api.headers import PAGE_HEADERS, accepts_html, answer_headers
from goodsend.handle import Busy
from goodsend.kit.errors import Conflict, NotFound, Permanent, Retryable
from goodsend.kit.text import printable

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("goodsend.api")


class ProblemKind(msgspec.Struct, frozen=True):
    """One kind of error: its HTTP status, its title, and what a client should do about it."""

    status: int
    title: str
    help: str


KINDS: dict[str, ProblemKind] = {
    "broken_json": ProblemKind(
        400,
        "The body is not JSON",
        "The body could not be read as JSON (RFC 8259). `place` names the line and the byte where reading stopped.",
    ),
    "bad_body": ProblemKind(
        400,
        "The body has the wrong shape",
        "The body is JSON, but not what this operation takes. `place` says where, `hint` what is expected.",
    ),
    "bad_parameter": ProblemKind(
        400, "A parameter cannot be used", "`errors` names each parameter, and what is wrong with its value."
    ),
    "bad_request": ProblemKind(400, "The request cannot be read", "The request breaks the rules of HTTP."),
    "unauthenticated": ProblemKind(
        401,
        "A valid API key is needed",
        "Send `Authorization: Bearer gsk_<id>_<secret>`. The key may be mistyped, revoked, or of another installation.",
    ),
    "missing_scope": ProblemKind(
        403,
        "The API key lacks a scope",
        "`detail` names the scope this operation needs. Make a key that has it, or ask an administrator.",
    ),
    "not_found": ProblemKind(
        404,
        "Nothing here",
        "There is no such path, or the thing asked for does not exist for the tenant of this API key.",
    ),
    "method_not_allowed": ProblemKind(
        405, "This method is not available here", "The `Allow` header lists the methods that are."
    ),
    "id_used": ProblemKind(
        409,
        "The event id was used for something else",
        "An event id names one event for ever. An event with this id and other content was taken earlier: "
        "choose a new id, or send the same content to get the earlier decision.",
    ),
    "wrong_state": ProblemKind(409, "Not possible in this state", "`detail` says what stands in the way."),
    "has_problems": ProblemKind(
        409,
        "The definition has problems",
        "`errors` names each problem and its place. Mend them, or check the text first: nothing was changed.",
    ),
    "too_large": ProblemKind(
        413, "The body is too large", "Send fewer events in one request, or smaller content. `detail` names the limit."
    ),
    "wrong_media_type": ProblemKind(
        415, "This media type is not taken here", "`detail` names the media types this operation takes."
    ),
    "rejected": ProblemKind(
        422,
        "The event was rejected",
        "The event cannot be used. `place` names the field, `detail` the reason, `hint` what to do. What came is kept "
        "and shown under rejections.",
    ),
    "too_busy": ProblemKind(
        429,
        "Too many events are waiting",
        "Events come faster than they are decided. Wait for the seconds of the `Retry-After` header and send again: "
        "event ids make that safe.",
    ),
    "internal": ProblemKind(
        500,
        "Something went wrong here",
        "This is our mistake. The log of the installation has it under the id in `instance`.",
    ),
    "unavailable": ProblemKind(
        503,
        "Not available right now",
        "The database, or another part this answer needs, is away. Wait for the seconds of the `Retry-After` header "
        "and send again: event ids make that safe.",
    ),
}
"""Every code a `type` can end in."""

BY_STATUS = {
    400: "bad_request",
    401: "unauthenticated",
    403: "missing_scope",
    404: "not_found",
    405: "method_not_allowed",
    409: "wrong_state",
    413: "too_large",
    415: "wrong_media_type",
    422: "rejected",
    429: "too_busy",
    500: "internal",
    503: "unavailable",
}
"""The code that stands for a status where nothing more is known."""


class Fault(msgspec.Struct, frozen=True):
    """One of several things that are wrong with a request."""

    place: Annotated[str, msgspec.Meta(description="Where: the name of a parameter, or a path inside the body.")]
    detail: Annotated[str, msgspec.Meta(description="One sentence for people.")]


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong with a request (RFC 9457)."""

    type: Annotated[
        str, msgspec.Meta(description="Path of a page that explains this kind of problem; its last part is stable.")
    ]
    title: Annotated[str, msgspec.Meta(description="The kind of problem, in a few words.")]
    status: Annotated[int, msgspec.Meta(description="The HTTP status.", ge=400, le=599)]
    detail: Annotated[str, msgspec.Meta(description="What happened this time, in one sentence for people.")]
    instance: Annotated[str, msgspec.Meta(description="The id of this request, as in the `X-Request-Id` header.")]
    place: Annotated[
        str | None, msgspec.Meta(description="Where in the request: a field, or a line and byte of the body.")
    ] = None
    hint: Annotated[str | None, msgspec.Meta(description="What to do about it.")] = None
    errors: Annotated[list[Fault], msgspec.Meta(description="Each thing that is wrong, where there are several.")] = []
    code: Annotated[
        str | None, msgspec.Meta(description="The stable code of the rejection, when an event was rejected.")
    ] = None


class Refused(Permanent):
    """A request that is answered with a problem. `kind` is a key of KINDS."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        place: str | None = None,
        hint: str | None = None,
        errors: tuple[Fault, ...] = (),
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.place = place
        self.hint = hint
        self.errors = errors
        self.code = code
        self.headers = headers or {}


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """
    Return the problem for any exception a request can end in; an unknown one is logged with the request's id.

    For the server: `Litestar(exception_handlers={Exception: answer})`, so that unknown paths are answered too.
    """
    headers = answer_headers(request.scope)
    refused = _as_refused(error, request)
    instance = headers["X-Request-Id"]
    if refused.kind == "internal":
        path = printable(request.url.path)
        _LOG.error("request failed: %s %s id=%s", request.method, path, instance, exc_info=error)
    kind = KINDS[refused.kind]
    details = ProblemDetails(
        f"/problems/{refused.kind}",
        kind.title,
        kind.status,
        refused.detail,
        f"urn:goodsend:request:{instance}",
        refused.place,
        refused.hint,
        list(refused.errors),
        refused.code,
    )
    return Response(details, status_code=kind.status, media_type=MEDIA_TYPE, headers=headers | refused.headers)


def _as_refused(error: Exception, request: Request[Any, Any, Any]) -> Refused:
    match error:
        case Refused():
            return error
        case Busy():
            return Refused("too_busy", _sentence(str(error)), headers={"Retry-After": "1"})
        case HTTPException():
            return _from_http(error, request)
        case NotFound():
            return Refused("not_found", _sentence(str(error)) or KINDS["not_found"].help)
        case Conflict():
            return Refused("wrong_state", _sentence(str(error)))
        case Retryable() | psycopg.OperationalError() | psycopg.InterfaceError() | psycopg_pool.PoolTimeout():
            _LOG.warning("not available: %s", error)
            return Refused("unavailable", "A part this answer needs is away.", headers={"Retry-After": "5"})
    return Refused("internal", "An unexpected error was logged under the id in `instance`.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _from_http(error: HTTPException, request: Request[Any, Any, Any]) -> Refused:
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 400 and isinstance(error.extra, list):
        sent_as = _parameter_names(request)
        faults = tuple(
            Fault(sent_as.get(str(fault.get("key")), str(fault.get("key", ""))), str(fault.get("message", "")))
            for fault in error.extra
            if isinstance(fault, dict)
        )
        return Refused("bad_parameter", "A parameter of the request cannot be used.", errors=faults)
    if error.status_code >= 500 and error.status_code != 503:
        return Refused("internal", "An unexpected error was logged under the id in `instance`.")
    kind = BY_STATUS.get(error.status_code, "bad_request")
    if kind == "too_large":
        return Refused(kind, "The body is larger than this operation takes.", headers=headers)
    if kind == "method_not_allowed":
        return Refused(kind, f"Allowed here: {headers.get('Allow', 'nothing')}.", headers=headers)
    if kind == "not_found":
        return Refused(kind, "There is no such path.", hint="/schema lists every operation")
    return Refused(kind, error.detail, headers=headers)


def _parameter_names(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the names under which clients send parameters that are named otherwise in the code."""
    handler = cast("dict[str, Any]", request.scope).get("route_handler")
    if handler is None:  # no route was found
        return {}
    fields = handler.parsed_fn_signature.parameters
    described = {name: field.kwarg_definition for name, field in fields.items()}
    return {name: kwarg.name for name, kwarg in described.items() if isinstance(kwarg, ParameterKwarg) and kwarg.name}


class ProblemPage(msgspec.Struct, frozen=True):
    """The explanation of one kind of problem."""

    type: str
    title: str
    status: int
    help: str


def _page(code: str) -> ProblemPage:
    kind = KINDS[code]
    return ProblemPage(f"/problems/{code}", kind.title, kind.status, kind.help)


@get("/problems", include_in_schema=False, sync_to_thread=False)
def list_problems(request: Request[Any, Any, Any]) -> Response[Any]:
    """Return every kind of problem with its explanation: HTML for browsers, JSON for everybody else."""
    pages = [_page(code) for code in KINDS]
    if accepts_html(request):
        rows = "".join(
            f'<dt><a href="{page.type}">{page.status} {escape(page.title)}</a></dt><dd>{escape(page.help)}</dd>'
            for page in pages
        )
        return _html("Problems", f"<dl>{rows}</dl>")
    return Response(pages, headers=PAGE_HEADERS)


@get("/problems/{code:str}", include_in_schema=False, sync_to_thread=False)
def explain_problem(request: Request[Any, Any, Any], code: Annotated[str, PathParameter()]) -> Response[Any]:
    """Return the explanation of one kind of problem: the page a problem's `type` leads to."""
    if code not in KINDS:
        raise Refused("not_found", "There is no such kind of problem.", hint="/problems lists them all")
    page = _page(code)
    if accepts_html(request):
        body = f"<p>HTTP status {page.status} · <code>{page.type}</code></p><p>{escape(page.help)}</p>"
        return _html(page.title, body)
    return Response(page, headers=PAGE_HEADERS)


def problems_markdown() -> str:
    """Return the table of kinds of problems for docs/reference/api.md."""
    rows = [f"| {kind.status} | `{code}` | {kind.title}. {kind.help} |" for code, kind in KINDS.items()]
    return "\n".join(["| status | type ends in | meaning |", "|---|---|---|", *rows])


def _html(title: str, body: str) -> Response[str]:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return Response(text, media_type="text/html", headers=PAGE_HEADERS)
