"""The page of an event shows what was held back, which labels were set, and what stood behind another rule."""

import pytest

from goodsend.decisions.model import Action, EntityLabel, HeldBack
from goodsend.kit.clock import DAY, HOUR
from goodsend.rules.model import Verdict
from goodsend.store.log import LogRow, append, last_arrival
from tests.conftest import make_event
from tests.console.conftest import Enter
from tests.live import TENANT, Live
from tests.store.made import make_decision, make_hit


@pytest.mark.parametrize("live_server", [3], indirect=True)
def test_effects_of_a_decision_are_told(live_server: Live, enter: Enter) -> None:
    """With reasons; a viewer does not see whose address was labelled."""
    at = live_server.installation.now() - HOUR
    event = make_event(tenant=TENANT, id="held_event", at=at)
    action = Action("act_h", "suspend_account", "account", "acc_1", {}, "purchased_list", ("big_import",))
    decision = make_decision(
        event, account=None, verdict=Verdict.REVIEW, wanted=Verdict.REJECT, severity=3, points=2.0,
        points_by_group={"imports": 2.0},
        hits=(make_hit(), make_hit(rule="wide_import", acts=False, group="imports", suppressed_by="big_import")),
        held_back=(HeldBack(action, 20, "suspend_account was asked for 20 times in the hour already"),),
        labels=(EntityLabel("ip", "203.0.113.9", "suspicious", at, at + DAY, ("big_import",), "dec_1"),),
    )  # fmt: skip
    with live_server.installation.pool.connection() as connection:
        append(connection, TENANT, [LogRow(last_arrival(connection, TENANT) + 1, event, bytes(16), {}, decision)], at)

    page = enter("analyst").get("/events/held_event").text
    masked = enter("viewer").get("/events/held_event").text

    assert "suspend_account was asked for 20 times in the hour already" in page
    assert "Without the limit it would have been" in page
    assert "behind big import" in page
    assert "203.0.113.9" in page
    assert "203.0.113.9" not in masked
