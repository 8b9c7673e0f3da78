"""Every way to go wrong is a problem with a type that explains itself; nothing tells what happens inside."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from goodsend.api.problems import KINDS, problems_markdown
from goodsend.handle import Busy
from goodsend.kit.errors import Conflict, Retryable
from tests.api.conftest import Api, make_item

PROBLEM = "application/problem+json"


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, media type and kind of problem."""
    return answer.status_code, answer.headers["content-type"], answer.json()["type"].removeprefix("/problems/")


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        (None, "no Authorization header"),
        ("Basic YTpi", "not of the scheme Bearer"),
        ("Bearer", "holds no API key"),
        ("Bearer something", "holds no API key"),
        ("Bearer gsk_aaaaaaaaaaaa_" + "x" * 40, "not known here"),
        ("Bearer gsk_" + "x" * 300, "holds no API key"),
    ],
)
def test_a_request_without_a_valid_key_is_unauthenticated(api: Api, authorization: str | None, says: str) -> None:
    """401 with a challenge (RFC 6750)."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.get(api.url + "/v1/rules", headers=headers, trust_env=False)

    assert problem(answer) == (401, PROBLEM, "unauthenticated")
    assert says in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith('Bearer realm="goodsend"')


OPERATIONS = [
    ("POST", "/v1/events", "events:write"),
    ("POST", "/v1/decisions", "decisions:write"),
    ("POST", "/v1/scan", "scan"),
    ("GET", "/v1/events", "read"),
    ("GET", "/v1/events/x", "read"),
    ("GET", "/v1/decisions", "read"),
    ("GET", "/v1/decisions/x", "read"),
    ("GET", "/v1/cases", "read"),
    ("GET", "/v1/cases/x", "read"),
    ("GET", "/v1/accounts/x", "read"),
    ("GET", "/v1/rejections", "read"),
    ("GET", "/v1/outbox", "read"),
    ("GET", "/v1/rules", "read"),
    ("GET", "/v1/rules/shadow", "read"),
    ("GET", "/v1/alarms", "read"),
    ("GET", "/v1/kinds", "read"),
    ("POST", "/v1/outbox/x/resend", "admin"),
    ("POST", "/v1/rules/check", "rules:write"),
    ("POST", "/v1/rules/try", "rules:write"),
    ("GET", "/v1/rules/x/versions", "read"),
    ("POST", "/v1/rules/x/versions", "rules:write"),
    ("POST", "/v1/rules/x/versions/1/propose", "rules:write"),
    ("POST", "/v1/rules/x/versions/1/approve", "rules:approve"),
    ("POST", "/v1/rules/x/versions/1/rollback", "rules:approve"),
    ("POST", "/v1/rules/x/retire", "rules:approve"),
]


def test_every_operation_names_the_scope_it_needs(api: Api) -> None:
    """403 for a key with every other scope, and never 401 or 403 for a key with that one."""
    scopes = sorted({scope for _, _, scope in OPERATIONS})
    lacking = {scope: api.key_with(*(other for other in scopes if other != scope)) for scope in scopes}
    having = {scope: api.key_with(scope) for scope in scopes}
    for method, path, scope in OPERATIONS:
        with api.client(lacking[scope]) as client:
            refused = client.request(method, path, content=b"{}")
        with api.client(having[scope]) as client:
            let_in = client.request(method, path, content=b"{}")

        assert problem(refused) == (403, PROBLEM, "missing_scope"), path
        assert refused.json()["detail"] == f"This operation needs the scope {scope}."
        assert let_in.status_code not in (401, 403, 500), path


def test_the_list_of_operations_above_is_whole(api: Api, client: httpx.Client) -> None:
    """A new operation needs a line there."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() if path.startswith("/v1/") for method in item}

    assert len(described) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/v1/events", b"{broken", {}, (400, "broken_json")),
        ("/v1/decisions", b"{broken", {}, (400, "broken_json")),
        ("/v1/scan", b"{broken", {}, (400, "broken_json")),
        ("/v1/decisions", b"", {}, (400, "broken_json")),
        ("/v1/events", b"7", {}, (400, "bad_body")),
        ("/v1/decisions", b"[{}]", {}, (400, "bad_body")),
        ("/v1/decisions", b"[" * 100_000, {}, (400, "bad_body")),
        ("/v1/events", b"{}", {"Content-Type": "text/csv"}, (415, "wrong_media_type")),
        ("/v1/decisions", b"{}", {"Content-Type": "application/xml"}, (415, "wrong_media_type")),
        ("/v1/events", b"{}", {"Content-Encoding": "gzip"}, (415, "wrong_media_type")),
        ("/v1/events", json.dumps([{}] * 51).encode(), {}, (413, "too_large")),
        ("/v1/events", b"\n".join([b"{}"] * 51), {"Content-Type": "application/x-ndjson"}, (413, "too_large")),
        ("/v1/events", b" " * 400_001, {}, (413, "too_large")),
        ("/v1/decisions", b" " * 400_001, {}, (413, "too_large")),
        ("/v1/decisions", b"{}", {}, (422, "rejected")),
        ("/v1/decisions?facts=perhaps", b"{}", {}, (400, "bad_parameter")),
        ("/v1/decisions?fact=true", b"{}", {}, (400, "bad_parameter")),
    ],
)
def test_a_body_that_cannot_be_used_is_a_problem(
    client: httpx.Client, path: str, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """With its own status and type."""
    answer = client.post(path, content=body, headers=headers)

    assert problem(answer) == (expected[0], PROBLEM, expected[1])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/events?limit=0",
        "/v1/events?limit=501",
        "/v1/events?limit=many",
        "/v1/events?verdict=deny",
        "/v1/events?verdit=hold",
        "/v1/events?from=yesterday",
        "/v1/events?from=2026-11-22T10:00:00",
        "/v1/events?to=0001-01-01T00:00:00%2B23:00",
        "/v1/events?account=a%00b",
        "/v1/events/a%00b",
        "/v1/cases?state=new",
        "/v1/cases?severity=6",
        "/v1/outbox?cursor=%F0%9F%98%80",
        "/v1/outbox?cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMCwiYSJd",
        "/v1/decisions?cursor=e30",
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(client: httpx.Client, path: str) -> None:
    """400, with each parameter that is wrong; nothing that is misspelt is ignored."""
    answer = client.get(path)

    assert problem(answer) == (400, PROBLEM, "bad_parameter")
    assert answer.json()["errors"][0]["place"] in path.replace("/v1/events/a", "event_id")


def test_a_misspelt_parameter_gets_a_hint(client: httpx.Client) -> None:
    """The nearest one that is known."""
    errors = client.get("/v1/events?verdit=hold").json()["errors"]

    assert errors == [{"place": "verdit", "detail": "is not a parameter here, did you mean verdict?"}]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/cases/a/b/c",
        "/v1/events/unknown",
        "/v1/decisions/dec_unknown",
        "/v1/cases/case_unknown",
        "/v1/accounts/unknown",
        "/problems/unknown",
        "/v1/outbox?cursor=WzEsMl0",
    ],
)
def test_what_does_not_exist_is_not_found(client: httpx.Client, path: str) -> None:
    """404, for paths and for things alike."""
    assert problem(client.get(path)) == (404, PROBLEM, "not_found")


def test_other_methods_are_not_allowed(client: httpx.Client) -> None:
    """405 names those that are (RFC 9110 section 15.5.6)."""
    answer = client.delete("/v1/events")

    assert problem(answer) == (405, PROBLEM, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_a_body_without_an_announced_length_is_cut_off_while_it_comes(api: Api) -> None:
    """The limit holds while streaming, before the end is known."""

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    with api.client() as client:
        answer = client.post("/v1/events", content=endless())

    assert problem(answer) == (413, PROBLEM, "too_large")


def test_a_busy_engine_tells_clients_to_wait(api: Api) -> None:
    """429 with Retry-After, once more events wait than the settings allow; nothing of the request is kept."""
    answers: list[httpx.Response] = []
    blocker = api.installation.pool.getconn()
    try:
        blocker.execute("SELECT pg_advisory_xact_lock(hashtextextended('goodsend tenant demo', 0))")
        held = threading.Thread(target=_send, args=(api, "busy", answers))
        held.start()
        while api.installation.engine.waiting < 40:
            time.sleep(0.01)
        _send(api, "late", answers)
    finally:
        blocker.rollback()
        api.installation.pool.putconn(blocker)
    held.join(timeout=20)

    answer, taken = answers
    assert (taken.status_code, taken.json()["accepted"]) == (200, 40)
    assert problem(answer) == (429, PROBLEM, "too_busy")
    assert int(answer.headers["retry-after"]) >= 1


def _send(api: Api, name: str, answers: list[httpx.Response]) -> None:
    with api.client() as client:
        answers.append(client.post("/v1/events", json=[make_item(f"{name}_{n}") for n in range(40)]))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Retryable("away"), (503, "unavailable")),
        (Busy("40 events are waiting already"), (429, "too_busy")),
        (Conflict("anna decided this case"), (409, "wrong_state")),
        (RuntimeError("secret of the house"), (500, "internal")),
    ],
)
def test_a_failure_inside_is_a_problem_that_tells_nothing(
    api: Api,
    client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    expected: tuple[int, str],
) -> None:
    """Our own mistakes are logged under the id that the client is told."""

    def fail(tenant: str) -> None:
        raise error

    monkeypatch.setattr(api.installation, "pack", fail)
    with caplog.at_level(logging.WARNING):
        answer = client.get("/v1/rules")

    assert problem(answer) == (expected[0], PROBLEM, expected[1])
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (expected[0] in (429, 503))
    if expected[0] == 500:
        assert answer.json()["instance"].removeprefix("urn:goodsend:request:") in "\n".join(caplog.messages)


def test_a_database_that_is_away_is_a_reason_to_try_again(
    api: Api, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, not an error of ours."""
    monkeypatch.setattr(api.installation, "pool", _Away())
    answer = client.get("/v1/events")

    assert problem(answer) == (503, PROBLEM, "unavailable")
    assert answer.headers["retry-after"]


class _Away:
    """A pool whose database is away."""

    def connection(self, timeout: float | None = None) -> None:
        import psycopg_pool

        raise psycopg_pool.PoolTimeout("couldn't get a connection")


def test_every_kind_of_problem_is_explained_where_its_type_leads(client: httpx.Client) -> None:
    """As JSON for programs, as a page for people."""
    for code, kind in KINDS.items():
        path = f"/problems/{code}"
        page = client.get(path, headers={"Accept": "text/html,*/*"})

        assert client.get(path).json() == {"type": path, "title": kind.title, "status": kind.status, "help": kind.help}
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert kind.title in page.text
        assert path in client.get("/problems", headers={"Accept": "text/html"}).text


def test_the_reference_lists_every_kind_of_problem() -> None:
    """docs/reference/api.md is current."""
    text = (Path(__file__).parents[2] / "docs/reference/api.md").read_text()
    listed = text.partition("<!-- problems:start -->\n")[2].partition("\n<!-- problems:end -->")[0]

    assert problems_markdown() == listed


def test_a_well_formed_request_id_is_kept(client: httpx.Client) -> None:
    """In the header and in the problem; a malformed one is replaced."""
    kept = client.get("/v1/events/none", headers={"X-Request-Id": "abc-123"})
    replaced = client.get("/v1/events/none", headers={"X-Request-Id": 'abc"<script>'})

    assert (kept.headers["x-request-id"], kept.json()["instance"]) == ("abc-123", "urn:goodsend:request:abc-123")
    assert "<" not in replaced.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/rules", "/v1/events/none", "/v1/nothing", "/healthz", "/schema", "/problems"])
def test_every_answer_has_security_headers(client: httpx.Client, path: str) -> None:
    """Errors too; and none invites other origins."""
    headers = client.get(path, headers={"Origin": "https://elsewhere.example"}).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control-")]


def test_bytes_that_are_no_http_do_no_harm(api: Api, client: httpx.Client) -> None:
    """The server answers the next request."""
    port = int(api.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"\0\1\2 nonsense\r\n\r\n")
        raw.recv(100)

    assert client.get("/healthz").status_code == 200
