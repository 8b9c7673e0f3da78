"""The OpenAPI 3.1 document, and the page that shows it. Made of the handlers; nothing is fetched from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from litestar import Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag

from goodsend import __version__
from goodsend.api.access import SCOPES
from goodsend.api.headers import stamp_with

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .375rem }
section { margin: 2rem 0; padding-top: .5rem; border-top: 1px solid #8886 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_DESCRIPTION = """\
Events in, explained decisions out.

Every request but the health checks carries an API key: `Authorization: Bearer gsk_<id>_<secret>`. A key belongs to one
tenant, and sees nothing of another. What it may do is named by its scopes:

{scopes}

Errors are problem details (RFC 9457, `application/problem+json`); `type` is the path of a page that explains them.
Every answer has an `X-Request-Id`, the one that was sent where it is well-formed. Times are RFC 3339 in UTC; facts of
type time are whole microseconds since 1970. Personal data is masked unless the key has the scope `personal`.
"""

_TAGS = {
    "Events": "What happened, in and out.",
    "Decisions": "The answers, with their reasons.",
    "Scans": "Content without an event.",
    "Cases": "Work for people.",
    "Accounts": "Senders: where each stands, and what is known of it.",
    "Outbox": "Effects asked of the platform, and whether they arrived.",
    "Rules": "Rules of your own: written, tried, approved by another, rolled back.",
    "Definitions": "What decides: kinds of events, rules.",
    "Rejections": "What came in and could not be used.",
    "Health": "For load balancers.",
}


class PagePlugin(OpenAPIRenderPlugin):
    """The document as one plain page, readable without scripts."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        return page(openapi_schema).encode()


def openapi_config() -> OpenAPIConfig:
    """Return what the server needs to describe its API at /schema."""
    scopes = "\n".join(f"- `{name}`: {doc}" for name, doc in SCOPES.items())
    csp = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
    return OpenAPIConfig(
        title="goodsend",
        version=__version__,
        description=_DESCRIPTION.format(scopes=scopes),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        tags=[Tag(name=name, description=doc) for name, doc in _TAGS.items()],
        components=Components(
            security_schemes={
                "apiKey": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="gsk_<id>_<secret>",
                    description="An API key; make one with `goodsend key TENANT`.",
                )
            }
        ),
        security=[{"apiKey": []}],
        render_plugins=[PagePlugin(), JsonRenderPlugin(), YamlRenderPlugin()],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            middleware=[stamp_with({"Content-Security-Policy": csp, "Cache-Control": "public, max-age=300"})],
        ),
    )


def page(schema: Mapping[str, Any]) -> str:
    """Return the document as HTML: every operation with its parameters, bodies, answers and examples."""
    operations = [
        (path, method, operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    index = "".join(
        f'<tr><td><code>{method.upper()}</code></td><td><a href="#{escape(o["operationId"])}">'
        f"<code>{escape(path)}</code></a></td><td>{escape(o.get('summary', ''))}</td></tr>"
        for path, method, o in operations
    )
    info = schema["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f"{_paragraphs(info.get('description', ''))}"
        '<p>As a file: <a href="/schema/openapi.json">openapi.json</a>, '
        '<a href="/schema/openapi.yaml">openapi.yaml</a>.'
        ' <a href="/problems">Every kind of problem</a>.</p>'
        f"<table>{index}</table>{''.join(_operation(*operation) for operation in operations)}</main></body></html>"
    )


def _paragraphs(text: str) -> str:
    return "".join(
        f"<pre>{escape(p)}</pre>" if p.startswith("- ") else f"<p>{escape(p)}</p>" for p in text.split("\n\n")
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p><strong>{escape(operation.get('summary', ''))}.</strong> {escape(operation.get('description') or '')}</p>"
        f"{''.join(_parts(operation))}</section>"
    )


def _parts(operation: Mapping[str, Any]) -> Iterator[str]:
    parameters = operation.get("parameters") or []
    if parameters:
        rows = "".join(
            f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
            f"<td>{escape(p.get('description') or '')}</td></tr>"
            for p in parameters
        )
        yield f"<h3>Parameters</h3><table>{rows}</table>"
    body = operation.get("requestBody")
    if body:
        yield f"<h3>Body</h3><p>{escape(body.get('description') or '')}</p>"
        yield from _examples(body.get("content") or {})
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer.get('description') or '')}</td></tr>"
        for status, answer in (operation.get("responses") or {}).items()
    )
    yield f"<h3>Answers</h3><table>{rows}</table>"


def _examples(content: Mapping[str, Any]) -> Iterator[str]:
    for media_type, described in content.items():
        yield f"<p><code>{escape(media_type)}</code></p>"
        for example in (described.get("examples") or {}).values():
            value = example["value"]
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            yield f"<pre>{escape(text)}</pre>"
