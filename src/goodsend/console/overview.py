"""The overview: what was decided lately and what waits. It refreshes its pieces while it is open."""

from typing import Any, Final

from litestar import Response, get

from goodsend.console import wording
from goodsend.console.desk import Asked, Desk
from goodsend.console.entry import Given
from goodsend.kit.clock import DAY, HOUR, MINUTE
from goodsend.reports.rates import share_of
from goodsend.store import explore, outbox, rejections, views
from goodsend.store.members import Session

BY_STRANGERS: Final = ("form.submitted",)
"""Kinds of events that strangers cause at an account's form: whoever has the form is not at risk, but harmed."""

VERDICT_SERIES: Final = tuple((name, said.word, f"{said.tone}-fill") for name, said in wording.VERDICTS.items())
"""The columns of every table of verdicts over time: key, name, colour token."""


@get("/", sync_to_thread=True, include_in_schema=False)
def show_overview(request: Asked, desk: Given) -> Response[bytes]:
    """The whole page."""
    return desk.page(request, "overview.html", here="overview", **_shown(desk, request.scope["user"]))


@get("/overview/live", sync_to_thread=True, include_in_schema=False)
def show_overview_live(request: Asked, desk: Given) -> Response[bytes]:
    """Its changing pieces alone, each replacing the one of the same id."""
    return desk.page(request, "overview_live.html", live=True, **_shown(desk, request.scope["user"]))


def _shown(desk: Desk, session: Session) -> dict[str, Any]:
    tenant, now = session.member.tenant, desk.now()
    since = (now // HOUR - 23) * HOUR
    with desk.pool.connection() as connection:
        hours = views.verdicts_over_time(connection, tenant, since, now + 1, HOUR)
        minutes = views.arrivals_over_time(connection, tenant, (now // MINUTE - 59) * MINUTE, now + 1, MINUTE)
        severities = views.open_case_severities(connection, tenant)
        hits = explore.rule_hits(connection, tenant, now)
        risky = views.accounts_at_risk(connection, tenant, now - DAY, besides=BY_STRANGERS)
        counts = outbox.counts(connection, tenant)
        waiting_since = views.oldest_due(connection, tenant)
        refused = rejections.counts(connection, tenant, now - DAY)
    total = sum(hour.total for hour in hours)
    stopped = sum(hour.counts.get(name, 0) for hour in hours for name in ("hold", "reject"))
    return {
        "hours": hours,
        "minutes": minutes,
        "verdict_series": VERDICT_SERIES,
        "total": total,
        "stopped": stopped,
        "stopped_share": share_of(stopped, total),
        "per_minute": minutes[-1].total + (minutes[-2].total if len(minutes) > 1 and not minutes[-1].total else 0),
        "open": severities,
        "open_total": sum(severities.values()),
        "grave": sum(many for severity, many in severities.items() if severity >= 4),
        "hits": sorted((hit for hit in hits if hit.hits_24h or hit.shadow_24h), key=_lately, reverse=True)[:9],
        "risky": risky,
        "outbox": counts,
        "waiting_since": waiting_since,
        "rejections": dict(list(refused.items())[:6]),
        "rejected": sum(refused.values()),
    }


def _lately(hit: explore.RuleHits) -> int:
    return hit.hits_24h + hit.shadow_24h
