"""Events over HTTP: every shape of body, an answer for every item, and what is stored of it."""

import json

import httpx
import pytest

from tests.api.conftest import Api, make_item


def test_one_event_is_accepted_with_its_decision(client: httpx.Client) -> None:
    """A single object is answered like a batch of one."""
    answer = client.post("/v1/events", json=make_item("one"))

    assert answer.status_code == 200
    found = answer.json()
    assert (found["accepted"], found["duplicates"], found["rejected"]) == (1, 0, 0)
    assert found["results"][0]["decision"]["id"].startswith("dec_")
    assert found["results"][0] | {"decision": None} == {
        "id": "one",
        "status": "accepted",
        "decision": None,
        "rejection": None,
    }


@pytest.mark.parametrize("shape", ["array", "events", "lines"])
def test_a_batch_is_answered_in_order(client: httpx.Client, shape: str) -> None:
    """Whatever its shape, and with bad items between good ones."""
    items = [make_item(f"{shape}_1"), make_item(f"{shape}_2", recipients="many"), make_item(f"{shape}_1"), {"id": 7}]
    body, media_type = {
        "array": (json.dumps(items), "application/json"),
        "events": (json.dumps({"events": items}), "application/json; charset=utf-8"),
        "lines": ("\n\n".join(map(json.dumps, items)) + "\n", "application/x-ndjson"),
    }[shape]
    answer = client.post("/v1/events", content=body, headers={"Content-Type": media_type})

    found = answer.json()
    assert answer.status_code == 200
    assert [result["status"] for result in found["results"]] == ["accepted", "rejected", "duplicate", "rejected"]
    assert found["results"][0]["decision"] == found["results"][2]["decision"]
    places = {
        "array": ("[1].data.recipients", "[3].id"),
        "events": ("events[1].data.recipients", "events[3].id"),
        "lines": ("line 3: data.recipients", "line 7: id"),
    }
    assert places[shape] == (
        found["results"][1]["rejection"]["place"],
        found["results"][3]["rejection"]["place"],
    )


def test_a_broken_line_rejects_only_itself(client: httpx.Client) -> None:
    """The lines around it are processed."""
    body = f"{json.dumps(make_item('before'))}\n{{broken\n{json.dumps(make_item('after'))}"
    found = client.post("/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"}).json()

    assert [result["status"] for result in found["results"]] == ["accepted", "rejected", "accepted"]
    assert found["results"][1]["rejection"]["code"] == "broken_json"


def test_bytes_that_are_no_text_reject_only_their_item(client: httpx.Client) -> None:
    """Invalid UTF-8, half a surrogate pair and NUL are each the affair of one item."""
    head = (
        b'{"kind": "list.imported", "at": "2026-11-22T12:00:00Z", "data": {"account": "acc_1", "recipients": 1}, "id": '
    )
    body = b"[" + head + b'"\xff"}, ' + head + b'"a\\u0000"}, ' + head + b'"\\ud800"}, ' + head + b'"good_one"}]'
    alone = client.post("/v1/events", content=body.replace(b', "id": "\\ud800"', b', "id": "x"'))
    found = client.post("/v1/events", content=body)

    assert alone.status_code == 200
    assert [r["status"] for r in alone.json()["results"]] == ["rejected", "rejected", "accepted", "accepted"]
    assert found.status_code == 400  # not UTF-8 and a lone surrogate at once: there is no reading of the whole


def test_an_empty_batch_is_answered(client: httpx.Client) -> None:
    """Nothing in, nothing out."""
    answer = client.post("/v1/events", json=[])

    assert (answer.status_code, answer.json()) == (200, {"results": [], "accepted": 0, "duplicates": 0, "rejected": 0})


def test_an_id_used_for_something_else_is_rejected(client: httpx.Client) -> None:
    """An id names one event for ever."""
    client.post("/v1/events", json=make_item("used"))
    found = client.post("/v1/events", json=make_item("used", recipients=1)).json()

    assert found["results"][0]["rejection"]["code"] == "id_reused"


def test_a_rejected_item_is_kept_and_shown(api: Api) -> None:
    """With what came, for those who may see personal data."""
    with api.client() as client, api.client(api.plain) as plain:
        client.post("/v1/events", json=make_item("kept", recipients="many"))
        whole = client.get("/v1/rejections?limit=1").json()["items"][0]
        masked = plain.get("/v1/rejections?limit=1").json()["items"][0]

    assert (whole["item_id"], whole["code"], whole["place"]) == ("kept", "wrong_type", "data.recipients")
    assert "203.0.113.9" in whole["raw"]
    assert masked == whole | {"raw": None}


def test_events_are_listed_latest_first_in_pages(client: httpx.Client) -> None:
    """Following `next` shows each once."""
    ids = [f"page_{number}" for number in range(7)]
    items = [make_item(id_, account="acc_pages", at=f"2026-11-22T11:00:0{n}Z") for n, id_ in enumerate(ids)]
    client.post("/v1/events", json=items)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"account": "acc_pages", "limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/events", params=params).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == ids[::-1]


def test_events_are_filtered(client: httpx.Client) -> None:
    """By kind, account, verdict and time."""
    client.post(
        "/v1/events",
        json=[
            make_item("f1", account="acc_filter", at="2026-11-20T10:00:00Z"),
            make_item("f2", account="acc_filter", at="2026-11-21T10:00:00+02:00"),
            make_item("f3", account="acc_filter", at="2026-11-22T10:00:00Z", kind="contact.added", recipients=None),
        ],
    )

    def ids(**params: str) -> list[str]:
        page = client.get("/v1/events", params={"account": "acc_filter"} | params).json()
        return [item["id"] for item in page["items"]]

    verdicts = {
        item["id"]: item["decision"]["verdict"] for item in client.get("/v1/events?account=acc_filter").json()["items"]
    }
    assert ids() == ["f3", "f2", "f1"]
    assert ids(kind="contact.added") == ["f3"]
    assert ids(to="2026-11-22T10:00:00Z") == ["f2", "f1"]
    assert ids(**{"from": "2026-11-21T08:00:00Z", "to": "2026-11-22T00:00:00Z"}) == ["f2"]
    assert [id_ for id_ in ("f3", "f2", "f1") if verdicts[id_] == "allow"] == ids(verdict="allow")


def test_one_event_is_read_with_facts_and_decision(client: httpx.Client) -> None:
    """The facts are the row that the rules saw."""
    sent = client.post("/v1/events", json=make_item("whole", account="acc_whole")).json()["results"][0]
    found = client.get("/v1/events/whole").json()

    assert sent["decision"] == {"id": found["decision"]["id"], "verdict": found["decision"]["verdict"]}
    assert (
        found["facts"]["e.recipients"],
        found["facts"]["e.ip"],
        found["facts"]["e.kind"],
    ) == (40_000, "203.0.113.9", "list.imported")
    assert found["data"]["recipients"] == 40_000


@pytest.mark.parametrize("id_", ["a/b", "a//b/", "a b?c", "ünïcode", "a%2Fb", ".."])
def test_an_event_is_found_by_any_id(client: httpx.Client, id_: str) -> None:
    """Ids are the sender's own: they may hold slashes and what else prints."""
    client.post("/v1/events", json=make_item(id_))
    path = "".join(f"%{byte:02X}" for byte in id_.encode())
    found = client.get(f"/v1/events/{path}")

    assert (200, id_) == (found.status_code, found.json().get("id"))


def test_personal_data_is_masked_without_its_scope(api: Api) -> None:
    """In lists, in one event, in its facts."""
    event = make_item(
        "masked", kind="contact.added", account="acc_masked", recipient="anna.b@example.com", recipients=None
    )
    with api.client(api.plain) as client:
        client.post("/v1/events", json=event)
        listed = client.get("/v1/events?account=acc_masked").json()["items"][0]
        one = client.get("/v1/events/masked").json()

    assert {"a…@example.com"} == {listed["data"]["recipient"], one["data"]["recipient"], one["facts"]["e.recipient"]}
    assert {"2…"} == {listed["data"]["ip"], one["data"]["ip"], one["facts"]["e.ip"]}
    assert "203.0.113.9" not in json.dumps([listed, one])
