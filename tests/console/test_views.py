"""The console's reads: they agree with the log, they page, and they show one tenant only."""

from typing import Any

import pytest

from goodsend.kit.clock import DAY, HOUR, Micros
from goodsend.store import tenants, views
from goodsend.store.connection import Connection
from goodsend.store.views import EventFilter
from tests.console.conftest import live_server
from tests.live import Live

__all__ = ["live_server"]


def everything(connection: Connection, tenant: str, live: Live, now: Micros) -> dict[str, Any]:
    """Every read, asked about things of the tenant `demo`."""
    row = connection.execute(
        "SELECT case_id, subject FROM casework WHERE tenant = 'demo' AND subject_type = 'account' LIMIT 1"
    ).fetchone()
    step = connection.execute("SELECT event_id, decision_id FROM case_step WHERE tenant = 'demo' LIMIT 1").fetchone()
    assert row is not None
    assert step is not None
    case_id, account = row
    since = now - 7 * DAY
    return {
        "verdicts": sum(b.total for b in views.verdicts_over_time(connection, tenant, since, now, HOUR)),
        "verdicts of one": sum(b.total for b in views.verdicts_over_time(connection, tenant, since, now, DAY, account)),
        "arrivals": sum(b.total for b in views.arrivals_over_time(connection, tenant, now - DAY, now + 1, HOUR)),
        "hits": views.hits_over_time(connection, tenant, since, now, DAY),
        "at risk": views.accounts_at_risk(connection, tenant, since),
        "severities": views.open_case_severities(connection, tenant),
        "oldest": views.oldest_due(connection, tenant) is not None and tenant == "demo",
        "events": views.events_page(connection, tenant, EventFilter()).lines,
        "cases of event": views.cases_of_event(connection, tenant, step[0]),
        "evidence": views.evidence_of(connection, tenant, case_id),
        "gravest": views.gravest_event_of(connection, tenant, case_id),
        "open": views.open_cases_of(connection, tenant, [account]),
        "found": views.find(connection, tenant, account),
    }


def test_another_tenant_sees_nothing(live_server: Live) -> None:
    """Every read filters by its tenant, whatever ids it is given."""
    now = live_server.installation.now()
    with live_server.installation.pool.connection() as connection:
        tenants.ensure(connection, "other", "Other", now)
        own = everything(connection, "demo", live_server, now)
        others = everything(connection, "other", live_server, now)

    assert {name for name, value in others.items() if value} == set()
    assert {name for name, value in own.items() if not value} <= {"oldest"}


def test_pages_of_events_join_without_gap_or_repeat(live_server: Live) -> None:
    """The cursor goes on where the page ended, also between events of the same moment."""
    with live_server.installation.pool.connection() as connection:
        whole = views.events_page(connection, "demo", EventFilter(), limit=300).lines
        ids: list[str] = []
        after: str | None = None
        while len(ids) < 300:
            page = views.events_page(connection, "demo", EventFilter(), after, limit=37)
            ids += [line.event_id for line in page.lines]
            after = page.after

    assert ids[:300] == [line.event_id for line in whole]


@pytest.mark.parametrize("wanted", [EventFilter(verdict="hold"), EventFilter(kind="list.imported")])
def test_filters_narrow(live_server: Live, wanted: EventFilter) -> None:
    """Only what was asked for comes, and held events carry the gravest reason."""
    with live_server.installation.pool.connection() as connection:
        lines = views.events_page(connection, "demo", wanted).lines

    assert lines
    assert all(wanted.verdict in ("", line.verdict) and wanted.kind in ("", line.kind) for line in lines)
    assert all(line.reason for line in lines if line.verdict == "hold")


def test_a_cursor_that_is_none_means_the_first_page(live_server: Live) -> None:
    """Somebody may change the address; that is no error."""
    with live_server.installation.pool.connection() as connection:
        first = views.events_page(connection, "demo", EventFilter()).lines
        odd = [views.events_page(connection, "demo", EventFilter(), text).lines for text in ("x", "1.", "-1.x", "..")]

    assert all(lines == first for lines in odd)
