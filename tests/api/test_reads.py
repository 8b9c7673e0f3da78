"""Reads over HTTP: cases, accounts, the outbox, definitions; and that no tenant sees another's."""

import httpx
import pytest

from goodsend.cases.model import CaseChange
from goodsend.decisions.model import Action
from goodsend.store import casework, outbox
from tests.api.conftest import Api, make_item
from tests.conftest import NOW


@pytest.fixture(scope="module")
def filled(api: Api) -> Api:
    """The server with an event, a case and an outbox row of tenant `demo`."""
    with api.client() as client:
        client.post("/v1/events", json=[make_item("filled"), make_item("filled_too", account="acc_82")])
        client.post("/v1/events", json=make_item("refused", recipients="many"))
        decision = client.get("/v1/events/filled").json()["decision"]["id"]
    change = CaseChange(
        id="case_filled", opens=True, subject_type="recipient", subject="anna.b@example.com", policy="purchased_list",
        severity=4, queue="bulk", title="anna.b@example.com on many forms", event_id="filled", decision_id=decision,
        at=NOW,
    )  # fmt: skip
    action = Action("act_filled", "suppress_recipient", "recipient", "anna.b@example.com", {}, "purchased_list", ())
    with api.installation.pool.connection() as connection:
        casework.apply_changes(connection, "demo", [change], NOW)
        outbox.put(connection, "demo", [(action, {"decision": decision})], NOW)
    return api


def test_cases_are_listed_and_read(filled: Api) -> None:
    """With their timeline."""
    with filled.client() as client:
        listed = client.get("/v1/cases?severity=4&queue=bulk&state=open&state=assigned").json()["items"]
        one = client.get("/v1/cases/case_filled").json()

    assert [case["id"] for case in listed] == ["case_filled"]
    assert listed[0] == {name: value for name, value in one.items() if name != "timeline"}
    assert [(step["verb"], step["event_id"]) for step in one["timeline"]] == [("opened", "filled")]
    assert (one["subject"], one["title"]) == ("anna.b@example.com", "anna.b@example.com on many forms")


def test_people_in_cases_and_actions_are_masked(filled: Api) -> None:
    """Where the subject is of a type that is personal."""
    with filled.client(filled.plain) as client:
        case = client.get("/v1/cases/case_filled")
        entries = client.get("/v1/outbox")

    assert (case.json()["subject"], case.json()["title"]) == ("a…@example.com", "a…@example.com on many forms")
    assert "anna.b" not in case.text + entries.text


def test_an_account_is_read_with_its_history(filled: Api) -> None:
    """Standing, profile, latest decisions."""
    with filled.client() as client:
        found = client.get("/v1/accounts/acc_81").json()

    assert (found["id"], found["events"]) == ("acc_81", 1)
    assert [item["event_id"] for item in found["recent"]] == ["filled"]


def test_a_dead_effect_is_sent_again(filled: Api) -> None:
    """By a key with the scope admin; the audit notes the key."""
    with filled.installation.pool.connection() as connection:
        connection.execute("UPDATE outbox SET state = 'dead' WHERE outbox_id = 'act_filled'")
    with filled.client() as client:
        dead = client.get("/v1/outbox?state=dead").json()["items"]
        again = client.post("/v1/outbox/act_filled/resend")
        unknown = client.post("/v1/outbox/act_unknown/resend")
    with filled.installation.pool.connection() as connection:
        actors = connection.execute("SELECT actor FROM audit WHERE act = 'outbox.resent'").fetchall()

    assert [entry["id"] for entry in dead] == ["act_filled"]
    assert (again.status_code, again.json()["state"], unknown.status_code) == (200, "due", 404)
    assert [f"key:{filled.key.split('_')[1]}"] == [actor for (actor,) in actors]


def test_kinds_and_rules_are_told(filled: Api) -> None:
    """What a client needs to know to send events, and what they are judged by."""
    with filled.client() as client:
        kinds = {kind["name"]: kind for kind in client.get("/v1/kinds").json()["kinds"]}
        rules = client.get("/v1/rules").json()

    fields = {field["name"]: field for field in kinds["list.imported"]["fields"]}
    assert (
        fields["recipients"]["type"],
        fields["recipients"]["required"],
        fields["recipients"]["personal"],
    ) == ("integer", True, False)
    assert len(rules["rules"]) >= 15
    assert all(rule["policy"]["clause"] and rule["when"] for rule in rules["rules"])


LISTS = ["/v1/events", "/v1/decisions", "/v1/cases", "/v1/rejections", "/v1/outbox"]


def test_no_tenant_sees_anything_of_another(filled: Api) -> None:
    """Lists are empty, and what exists for one tenant is not found for the other, by any id."""
    with filled.client() as client:
        decision = client.get("/v1/events/filled").json()["decision"]["id"]
    ones = [
        "/v1/events/filled",
        f"/v1/decisions/{decision}",
        "/v1/cases/case_filled",
        "/v1/accounts/acc_81",
    ]
    with filled.client() as mine, filled.client(filled.other) as other:
        for path in LISTS:
            assert mine.get(path).json()["items"], path
            assert other.get(path).json() == {"items": [], "next": None}, path
        for path in ones:
            assert (mine.get(path).status_code, other.get(path).status_code) == (200, 404), path
        assert other.post("/v1/outbox/act_filled/resend").status_code == 404


def test_a_cursor_of_one_tenant_shows_the_other_nothing(filled: Api) -> None:
    """A cursor says where, not whose."""
    with filled.client() as mine, filled.client(filled.other) as other:
        cursor = mine.get("/v1/events?limit=1").json()["next"]

        assert cursor
        assert other.get("/v1/events", params={"cursor": cursor}).json()["items"] == []


def test_the_same_event_id_is_free_for_another_tenant(filled: Api) -> None:
    """Ids belong to their tenant; each gets its own decision."""
    with filled.client() as mine, filled.client(filled.other) as other:
        theirs = other.post("/v1/decisions", json=make_item("filled", account="acc_theirs")).json()

        assert theirs["duplicate"] is False
        assert theirs["id"] != mine.get("/v1/events/filled").json()["decision"]["id"]


def test_a_revoked_key_stops_working(filled: Api) -> None:
    """At once where it was not used lately; within half a minute elsewhere (see test_access)."""
    key = filled.key_with("read")
    with filled.installation.pool.connection() as connection:
        connection.execute("UPDATE api_key SET revoked_at = now() WHERE key_id = %s", (key.split("_")[1],))
    with filled.client(key) as client:
        answer = client.get("/v1/rules")

    assert answer.status_code == 401


def test_health_needs_no_key(filled: Api) -> None:
    """Load balancers have none."""
    with httpx.Client(base_url=filled.url, trust_env=False) as client:
        alive, ready = client.get("/healthz"), client.get("/readyz")

    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


def test_a_server_whose_database_is_away_is_not_ready(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the reason; the process still lives."""
    from tests.api.test_errors import _Away

    monkeypatch.setattr(filled.installation, "pool", _Away())
    with httpx.Client(base_url=filled.url, trust_env=False) as client:
        alive, ready = client.get("/healthz"), client.get("/readyz")

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert {check["name"]: check["ok"] for check in ready.json()["checks"]} == {
        "database": False,
        "schema": False,
        "engine": True,
    }


def test_a_server_with_an_old_schema_is_not_ready(filled: Api) -> None:
    """The reason names both revisions."""
    with filled.installation.pool.connection() as connection:
        (before,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    ready = httpx.get(filled.url + "/readyz", trust_env=False)
    with filled.installation.pool.connection() as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (before,))

    assert ready.status_code == 503
    assert "0000" in next(check["detail"] for check in ready.json()["checks"] if check["name"] == "schema")
