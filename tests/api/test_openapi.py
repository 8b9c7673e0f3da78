"""The OpenAPI document is whole, and the server keeps to it whatever schemathesis sends."""

import json
import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from tests.api.conftest import SETTINGS, Api, build_app, make_item
from tests.conftest import NOW

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
EXAMPLES = 15
"""For each operation. More with a longer patience: `schemathesis run URL/schema/openapi.json`."""


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    """The document as clients get it."""
    return httpx.get(api.url + "/schema/openapi.json", trust_env=False).json()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{method} {path}", op) for path, item in document["paths"].items() for method, op in item.items()]


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    """Summary, description, parameters, answers with an example of each error."""
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "goodsend"
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert operation["tags"], name
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
            if int(status) >= 400 and "/v1/" in name:
                assert set(answer["content"]) == {"application/problem+json"}, (name, status)
                assert answer["content"]["application/problem+json"]["examples"], (name, status)


def test_bodies_have_examples(document: dict[str, Any]) -> None:
    """What a newcomer copies first."""
    for path in ("/v1/events", "/v1/decisions", "/v1/scan"):
        content = document["paths"][path]["post"]["requestBody"]["content"]

        assert any(described.get("examples") for described in content.values()), path


def test_guarded_operations_ask_for_a_key(document: dict[str, Any]) -> None:
    """Health checks do not."""
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    assert document["security"] == [{"apiKey": []}]
    for name, operation in operations(document):
        assert operation.get("security") == (None if "/v1/" in name else [{}]), name


def test_the_page_needs_nothing_from_elsewhere(api: Api) -> None:
    """Plain HTML with every operation: no script, no address but our own."""
    answer = httpx.get(api.url + "/schema", trust_env=False)

    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    assert re.findall(r'(?:href|src)="(?!/|#)', answer.text) == []
    assert "POST /v1/decisions" in answer.text


def test_the_document_is_served_as_yaml_too(api: Api) -> None:
    """For tools that prefer it."""
    answer = httpx.get(api.url + "/schema/openapi.yaml", trust_env=False)

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith(("components:", "info:", "openapi:"))


class _Unplugged:
    """Stands for an installation where only the shape of the API matters."""

    settings = SETTINGS

    def now(self) -> int:
        return NOW


@schemathesis.serializer("message/rfc822", "application/x-ndjson")
def as_text(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Bodies that are texts of their own kind."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


schema = schemathesis.openapi.from_dict(build_app(_Unplugged()).openapi_schema.to_schema())  # type: ignore[arg-type]


def test_the_document_below_is_the_one_that_is_served(document: dict[str, Any]) -> None:
    """It is made without a server, because tests are collected before one runs."""
    assert schema.raw_schema["paths"] == document["paths"]


def test_real_answers_have_the_shapes_of_the_document(api: Api) -> None:
    """Generated requests seldom find what exists: so each operation is also asked for something that does."""
    event = make_item("shaped", kind="account.signed_up", recipients=None, email="anna.b@example.com", country="DE")
    big = make_item("shaped_big", account="acc_shaped")
    with api.client() as client:
        batch = client.post("/v1/events", json=[event, event, {}])
        made = client.post("/v1/decisions?facts=true", json=big)
        scanned = client.post("/v1/scan", json={"type": "text/plain", "text": "Pay now: http://203.0.113.9/"})
        decision = made.json()["id"]
        answers = [
            (batch, "/v1/events", "POST"),
            (made, "/v1/decisions", "POST"),
            (scanned, "/v1/scan", "POST"),
            (client.get("/v1/events"), "/v1/events", "GET"),
            (client.get("/v1/events/shaped_big"), "/v1/events/{event_id}", "GET"),
            (client.get("/v1/decisions"), "/v1/decisions", "GET"),
            (client.get(f"/v1/decisions/{decision}"), "/v1/decisions/{decision_id}", "GET"),
            (client.get("/v1/accounts/acc_shaped"), "/v1/accounts/{account_id}", "GET"),
            (client.get("/v1/rejections"), "/v1/rejections", "GET"),
            (client.get("/v1/outbox"), "/v1/outbox", "GET"),
            (client.get("/v1/cases"), "/v1/cases", "GET"),
        ]
        answers += [
            (client.get(f"/v1/cases/{case['id']}"), "/v1/cases/{case_id}", "GET")
            for case in client.get("/v1/cases").json()["items"]
        ]
    for answer, path, method in answers:
        assert answer.status_code == 200, (path, answer.text)
        schema[path][method].validate_response(answer)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_the_server_keeps_to_its_document(case: schemathesis.Case, api: Api) -> None:
    """No answer has a status, a media type or a shape that the document does not name, and none is our failure."""
    answer = case.call(base_url=api.url, headers={"Authorization": f"Bearer {api.key}"})

    case.validate_response(answer, checks=[CHECKS.get_one(name) for name in CHECKED])
