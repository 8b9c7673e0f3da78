"""Decisions over HTTP: one event in, the whole decision out; and what stands in the way of one."""

import httpx
import msgspec
import pytest

from tests.api.conftest import Api, make_item


def test_an_event_is_decided_while_the_client_waits(client: httpx.Client) -> None:
    """A new account's large import: the reasons name the rule, its clause and the values seen."""
    answer = client.post("/v1/decisions", json=make_item("big", account="acc_new"))

    found = answer.json()
    assert answer.status_code == 200
    assert (
        found["duplicate"],
        found["facts"],
        found["event_id"],
        found["account"],
    ) == (False, None, "big", "acc_new")
    assert set(found["versions"]) >= {"pack", "engine"}
    for reason in found["reasons"]:
        assert reason["policy"]["clause"]
        assert reason["reason"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (msgspec.json.encode(make_item("ways")), {}),
        (msgspec.json.encode(make_item("ways")), {"Content-Type": "application/json; charset=utf-8"}),
        (msgspec.json.encode(make_item("ways", kind="no.such")), {}),
        (msgspec.json.encode(make_item("ways", recipients=1)), {}),
        (b"[]", {}),
        (b"{", {}),
        (b"", {}),
        (b"{}", {"Content-Type": "text/plain"}),
        (b"{}", {"Content-Encoding": "gzip"}),
        (b" " * 500_000, {}),
        (b"{}", {"Authorization": "Bearer gsk_no_such"}),
        (b"{}", {"Authorization": "Basic x"}),
    ],
    ids=range(12),
)  # fmt: skip
def test_the_short_way_answers_as_the_long_one(client: httpx.Client, body: bytes, headers: dict[str, str]) -> None:
    """A query takes the long way; but for ids of requests the answers are the same, headers included."""
    client.post("/v1/decisions", content=msgspec.json.encode(make_item("ways")))
    headers = {"Content-Type": "application/json", "X-Request-Id": "one"} | headers
    short = client.post("/v1/decisions", content=body, headers=headers)
    long = client.post("/v1/decisions?facts=false", content=body, headers=headers)

    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert without_date(short) == without_date(long)


def without_date(answer: httpx.Response) -> dict[str, str]:
    """The headers that do not depend on when."""
    return {name: value for name, value in answer.headers.items() if name != "date"}


def test_the_facts_come_when_asked_for(client: httpx.Client) -> None:
    """Also for a decision made earlier."""
    first = client.post("/v1/decisions?facts=true", json=make_item("facts"))
    again = client.post("/v1/decisions?facts=true", json=make_item("facts"))

    assert first.json()["facts"]["e.recipients"] == 40_000
    assert first.json()["facts"] == again.json()["facts"]


def test_a_repeat_gets_the_earlier_decision(client: httpx.Client) -> None:
    """The same event is decided once."""
    first = client.post("/v1/decisions", json=make_item("again"))
    again = client.post("/v1/decisions", json=make_item("again"))

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() | {"duplicate": True} == again.json()


def test_an_id_used_for_something_else_is_a_conflict(client: httpx.Client) -> None:
    """409, with the stable code of the rejection."""
    client.post("/v1/decisions", json=make_item("taken"))
    answer = client.post("/v1/decisions", json=make_item("taken", recipients=1))

    assert (
        answer.status_code,
        answer.json()["type"],
        answer.json()["code"],
    ) == (409, "/problems/id_used", "id_reused")


def test_a_rejected_event_is_a_problem_with_place_and_hint(client: httpx.Client) -> None:
    """422, and the rejection is kept."""
    answer = client.post("/v1/decisions", json=make_item("bad", kind="list.import"))

    problem = answer.json()
    assert (
        answer.status_code,
        problem["type"],
        problem["code"],
        problem["place"],
    ) == (422, "/problems/rejected", "unknown_kind", "kind")
    assert "list.imported" in problem["hint"]
    assert client.get("/v1/rejections?limit=1").json()["items"][0]["item_id"] == "bad"


def test_a_decision_can_be_read_again(client: httpx.Client) -> None:
    """By its id, and in the list of its account."""
    made = client.post("/v1/decisions", json=make_item("read", account="acc_read")).json()
    read = client.get(f"/v1/decisions/{made['id']}").json()
    listed = client.get("/v1/decisions?account=acc_read").json()["items"]

    assert {name: made[name] for name in read} == read
    assert [made["id"]] == [item["id"] for item in listed]


def test_reasons_are_masked_without_the_scope(api: Api) -> None:
    """Values that rules read are facts too."""
    with api.client(api.plain) as client:
        made = client.post("/v1/decisions?facts=true", json=make_item("masked_facts")).json()

    assert made["facts"]["e.ip"] == "2…"
    assert "203.0.113.9" not in str(made)
