"""What the OpenAPI document says that types alone do not: request bodies with examples, and errors."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from goodsend.api.bodies import JSON
from goodsend.api.problems import BY_STATUS, KINDS, MEDIA_TYPE, ProblemDetails

EVENT: dict[str, Any] = {
    "id": "evt_8c1f",
    "kind": "list.imported",
    "at": "2026-11-22T10:00:00Z",
    "data": {"account": "acc_81", "recipients": 40000, "source": "upload"},
}
"""The running example of docs/concepts.md."""

_DECISION_FAULT = {"place": "data.recipients", "hint": 'send 40000, not "40000"', "code": "wrong_type"}


def faults(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the errors of an operation: these, and the ones every guarded operation can answer with."""
    return {status: _fault(status) for status in sorted({*statuses, 400, 401, 403, 429, 500, 503})}


def _fault(status: int) -> ResponseSpec:
    code = BY_STATUS[status]
    kind = KINDS[code]
    example: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": status,
        "detail": kind.help,
        "instance": "urn:goodsend:request:0f2c7a",
    }
    if code == "rejected":
        example |= {"detail": "A whole number is needed; a text was sent.", **_DECISION_FAULT}
    return ResponseSpec(
        data_container=ProblemDetails,
        generate_examples=False,
        description=kind.title + ".",
        media_type=MEDIA_TYPE,
        examples=[Example(summary=kind.title, value=example)],
    )


def _object(description: str, properties: dict[str, Schema], required: list[str]) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        description=description,
        properties=dict(properties),
        required=required,
        additional_properties=False,
    )


def _text(description: str, **more: Any) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, **more)


_EVENT_SCHEMA = _object(
    "One event. The catalogue of kinds and their fields: `GET /v1/kinds`.",
    {
        "id": _text("The sender's own id; the same id again is taken for a repeat.", min_length=1, max_length=128),
        "kind": _text("What happened, `subject.verbed`.", examples=["campaign.submitted"]),
        "at": Schema(
            description="When it happened: RFC 3339 with an offset, or whole microseconds since 1970 UTC.",
            one_of=[Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)],
        ),
        "channel": Schema(
            type=[OpenAPIType.STRING, OpenAPIType.NULL],
            description="Where it happened; null or absent: as its kind says.",
        ),
        "data": Schema(
            type=OpenAPIType.OBJECT,
            description="The fields of the kind. Content holds `type` and one of `text`, `base64`, `digest`.",
        ),
    },
    ["id", "kind", "at", "data"],
)

_EVENTS_SCHEMA = Schema(
    one_of=[
        _EVENT_SCHEMA,
        Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.OBJECT), description="Up to 10,000 events."),
        _object(
            "Up to 10,000 events.",
            {"events": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.OBJECT))},
            ["events"],
        ),
    ]
)

_SCAN_SCHEMA = _object(
    "Content, as text or as base64.",
    {
        "type": _text("What it is.", enum=["message/rfc822", "text/plain", "text/html"]),
        "text": _text("The content as text."),
        "base64": _text("The content as base64 (RFC 4648), for bytes that are no UTF-8."),
    },
    ["type"],
)

_MAIL = "From: Parcel <info@parcel.example>\r\nSubject: Your parcel\r\n\r\nPay the fee: http://dhI-parcel.example/\r\n"


def _example(name: str, value: Any) -> dict[str, Any]:
    return {name.lower().replace(" ", "-"): Example(summary=name, value=value)}


def _body(description: str, content: dict[str, OpenAPIMediaType]) -> RequestBody:
    return RequestBody(description=description, required=True, content=content)


def _with_body(body: RequestBody) -> type[Operation]:
    """Return an operation class whose request body is this one: handlers that read raw bytes have no typed one."""

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return Described


EVENTS_BODY = _with_body(
    _body(
        "One event, an array of events, an object with `events`, or one event a line.",
        {
            JSON: OpenAPIMediaType(
                schema=_EVENTS_SCHEMA,
                examples={**_example("One event", EVENT), **_example("A batch", {"events": [EVENT]})},
            ),
            "application/x-ndjson": OpenAPIMediaType(schema=_text("One event as JSON on each line.")),
        },
    )
)
EVENT_BODY = _with_body(
    _body("One event.", {JSON: OpenAPIMediaType(schema=_EVENT_SCHEMA, examples=_example("One event", EVENT))})
)
SCAN_BODY = _with_body(
    _body(
        "The content itself under its own media type, or a JSON object.",
        {
            "message/rfc822": OpenAPIMediaType(
                schema=_text("The source of a mail."), examples=_example("A mail", _MAIL)
            ),
            "text/plain": OpenAPIMediaType(schema=_text("The text of an SMS.")),
            "text/html": OpenAPIMediaType(schema=_text("The HTML of a page or form.")),
            JSON: OpenAPIMediaType(
                schema=_SCAN_SCHEMA, examples=_example("A text message", {"type": "text/plain", "text": "Pay the fee"})
            ),
        },
    )
)

_RULE = """[rule.big_import]
doc = "A list larger than anybody's."
owner = "trust"
policy = "purchased_list"
severity = 3
on = ["list.imported"]
when = "e.recipients > 500000"
verdict = "review"
reason = "{e.recipients} recipients were imported at once."
[[rule.big_import.case]]
given = { "e.recipients" = 600000 }
fires = true
"""


def _json_body(description: str, properties: dict[str, Schema], example: dict[str, Any]) -> type[Operation]:
    schema = _object(description, properties, list(properties))
    return _with_body(
        _body(description, {JSON: OpenAPIMediaType(schema=schema, examples=_example("An example", example))})
    )


_ID = _text("The rule's id.")
_BODY = _text("The rule as TOML, as a file of a pack would hold it.")
_WHY = _text("One sentence for whoever approves it, and for the audit.", max_length=500)
RULE_BODY = _json_body("A rule.", {"id": _ID, "body": _BODY}, {"id": "big_import", "body": _RULE})
RULE_TRY_BODY = _json_body(
    "A rule, and the id of an event.",
    {"id": _ID, "body": _BODY, "event_id": _text("The event's id, as it was sent.")},
    {"id": "big_import", "body": _RULE, "event_id": "evt_8c1f"},
)
VERSION_BODY = _json_body("A new version.", {"body": _BODY, "why": _WHY}, {"body": _RULE, "why": "seen twice"})
WHY_BODY = _json_body("Why.", {"why": _WHY}, {"why": "too many hits"})
