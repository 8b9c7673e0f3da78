"""Alarms and the comparison of rules in shadow, over HTTP."""

import msgspec

from goodsend.decisions.breaker import Counted
from goodsend.rules.model import Mode, Verdict
from goodsend.store import breaker
from goodsend.store.log import LogRow, append, last_arrival
from tests.api.conftest import Api
from tests.conftest import NOW, make_event
from tests.store.made import make_decision, make_hit
from tests.store.test_alarms import make_decision as make_asking


def test_what_shadow_would_have_changed_is_compared(api: Api) -> None:
    """With counts, changes and samples; another rule can be left out, and a limit is said."""
    shadow = make_hit(rule="dark", mode=Mode.SHADOW, acts=False, verdict=Verdict.HOLD)
    with api.installation.pool.connection() as connection:
        first = last_arrival(connection, "demo") + 1
        rows = []
        for number in range(3):
            event = make_event(id=f"dark_{number}", at=NOW + number)
            rows.append(LogRow(first + number, event, bytes(16), {}, make_decision(event, hits=(shadow,))))
        append(connection, "demo", rows, NOW)
    with api.client() as client:
        span = "from=2026-11-22T11:00:00Z&to=2026-11-22T13:00:00Z"
        found = client.get(f"/v1/rules/shadow?{span}&rule=dark").json()
        none = client.get(f"/v1/rules/shadow?{span}&rule=light").json()

    (rule,) = found["rules"]
    assert (found["decisions"], found["truncated"], none["rules"]) == (3, False, [])
    assert (rule["rule"], rule["hits"], rule["accounts"], rule["live"]) == ("dark", 3, 1, {"allow": 3})
    assert rule["changes"] == [{"before": "allow", "after": "hold", "events": 3}]
    assert [sample["event_id"] for sample in rule["samples"]] == ["dark_2", "dark_1", "dark_0"]


def test_alarms_are_listed_for_their_tenant(api: Api) -> None:
    """With the reason and the figures."""
    with api.installation.pool.connection() as connection:
        breaker.keep(connection, "demo", Counted({"warn_account": 2}), [make_asking(1, held=1)], NOW)
    with api.client() as client:
        (alarm,) = client.get("/v1/alarms?unseen=true").json()["items"]

    assert (alarm["kind"], alarm["subject"], alarm["at"]) == ("breaker", "warn_account", "2026-11-22T12:00:00Z")
    assert alarm["detail"]["per_hour"] == 2


def test_a_decision_tells_its_labels_and_what_was_held_back(api: Api) -> None:
    """Entities that are people are masked for keys that may not see them."""
    event = make_event(id="held_1", data={"account": "acc_1", "recipients": 5})
    asking = make_asking(1, held=1)
    held = msgspec.structs.replace(
        make_decision(event, verdict=Verdict.REVIEW), held_back=asking.held_back, wanted=Verdict.HOLD,
        points_by_group={"imports": 2.0},
    )  # fmt: skip
    with api.installation.pool.connection() as connection:
        append(connection, "demo", [LogRow(last_arrival(connection, "demo") + 1, event, bytes(16), {}, held)], NOW)
    with api.client() as client:
        found = client.get(f"/v1/decisions/{held.id}").json()

    assert (found["wanted"], found["points_by_group"], found["labels"]) == ("hold", {"imports": 2.0}, [])
    assert found["held_back"][0]["action"]["name"] == "warn_account"
