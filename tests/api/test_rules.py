"""Own rules over HTTP: checked, tried, written, approved by another key, rolled back."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from goodsend.kit.clock import SECOND
from goodsend.store import keys
from tests.live import TENANT, Live, live_server

__all__ = ["live_server"]


def make_rule(least: int = 700_000, name: str = "api_import") -> str:
    """A rule about lists of at least this size, as TOML."""
    return f"""[rule.{name}]
doc = "A list larger than anybody's."
owner = "trust"
policy = "purchased_list"
severity = 3
on = ["list.imported"]
when = "e.recipients >= {least}"
verdict = "review"
reason = "{{e.recipients}} recipients were imported at once."
[[rule.{name}.case]]
name = "huge"
given = {{ "e.recipients" = 9000000 }}
fires = true
[[rule.{name}.case]]
name = "usual"
given = {{ "e.recipients" = 10 }}
fires = false
"""


@pytest.fixture
def as_key(live_server: Live) -> Iterator[Callable[[str], httpx.Client]]:
    """`as_key(name)`: a client with a key of its own that may write and approve."""
    clients = []

    def opened(name: str) -> httpx.Client:
        with live_server.installation.pool.connection() as connection:
            scopes = ("read", "rules:write", "rules:approve")
            key = keys.create(connection, TENANT, name, scopes, live_server.installation.now())
        client = httpx.Client(base_url=live_server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)
        clients.append(client)
        return client

    yield opened
    for client in clients:
        client.close()


def hits(live: Live, id_: str, recipients: int) -> tuple[str, ...]:
    """Send one event and return the rules that acted on it."""
    event = {
        "id": id_, "kind": "list.imported", "at": live.installation.now() - SECOND,
        "data": {"account": "acc_a", "recipients": recipients},
    }  # fmt: skip
    (answer,) = live.installation.engine.submit(TENANT, [event]).result()
    assert answer.decision is not None
    return tuple(hit.rule for hit in answer.decision.hits if hit.acts)


def test_check_tells_place_and_hint(as_key: Callable[[str], httpx.Client]) -> None:
    """A mistake in a condition comes with its offsets and a hint."""
    body = make_rule().replace("e.recipients >=", "e.recipientz >=")

    answer = as_key("one").post("/v1/rules/check", json={"id": "api_import", "body": body}).json()

    assert answer["sound"] is False
    assert [(one["place"], one["start"], one["end"]) for one in answer["problems"]] == [("when", 0, 12)]
    assert "did you mean" in answer["problems"][0]["hint"]


def test_second_key_approves_and_rolls_back(as_key: Callable[[str], httpx.Client], live_server: Live) -> None:
    """What one key writes another approves; it fires on the next event; rollback is one call."""
    one, other = as_key("one"), as_key("other")
    for version, least in ((1, 700_000), (2, 8_000_000)):
        made = one.post("/v1/rules/api_import/versions", json={"body": make_rule(least), "why": "needed"})
        assert (made.status_code, made.json()["version"]) == (201, version)
        assert one.post(f"/v1/rules/api_import/versions/{version}/propose").json()["state"] == "proposed"
        refused = one.post(f"/v1/rules/api_import/versions/{version}/approve")
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/wrong_state")
        assert other.post(f"/v1/rules/api_import/versions/{version}/approve").json()["state"] == "live"
        assert ("api_import" in hits(live_server, f"api_{version}", 900_000)) is (version == 1)

    back = other.post("/v1/rules/api_import/versions/1/rollback", json={"why": "the first was right"})

    assert back.json()["state"] == "live"
    assert "api_import" in hits(live_server, "api_3", 900_000)
    states = [row["state"] for row in one.get("/v1/rules/api_import/versions").json()["versions"]]
    assert states == ["retired", "live"]
    assert other.post("/v1/rules/api_import/retire", json={"why": "done"}).json()["state"] == "retired"
    assert "api_import" not in hits(live_server, "api_4", 900_000)


def test_problems_keep_it_from_being_proposed(as_key: Callable[[str], httpx.Client]) -> None:
    """A rule with problems is told each of them, and stays a draft."""
    one = as_key("one")
    one.post("/v1/rules/wrong/versions", json={"body": make_rule(name="wrong").replace("review", "bless"), "why": "x"})

    answer = one.post("/v1/rules/wrong/versions/1/propose")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/has_problems")
    assert "verdict" in answer.json()["errors"][0]["detail"]


def test_try_on_an_event(as_key: Callable[[str], httpx.Client], live_server: Live) -> None:
    """One stored event is judged with its facts as they were; an unknown id is not found."""
    hits(live_server, "api_try", 5)
    one = as_key("one")
    asked = {"id": "api_import", "body": make_rule(), "event_id": "api_try"}

    answer = one.post("/v1/rules/try", json=asked).json()

    assert (answer["fires"], answer["looked_at"]) == (False, True)
    assert answer["changes"] == ["e.recipients is 5; at least 700000 would match"]
    assert one.post("/v1/rules/try", json={**asked, "event_id": "nothing"}).status_code == 404


def test_scopes(live_server: Live) -> None:
    """Reading does not let write."""
    with live_server.installation.pool.connection() as connection:
        key = keys.create(connection, TENANT, "reader", ("read",), live_server.installation.now())

    answer = httpx.post(
        f"{live_server.url}/v1/rules/check", json={"id": "a", "body": ""}, headers={"Authorization": f"Bearer {key}"}
    )

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/missing_scope")
