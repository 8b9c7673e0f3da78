"""Accounts: the senders, and one of them with its history, rates and relations."""

from typing import Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath

from goodsend.console.desk import Asked
from goodsend.console.entry import Given
from goodsend.console.overview import VERDICT_SERIES
from goodsend.console.rates import drawn
from goodsend.kit.clock import DAY, HOUR
from goodsend.reports.rates import rates_of
from goodsend.standing.model import STANDINGS
from goodsend.store import accounts, casework, explore, notices, views
from goodsend.store.members import Session
from goodsend.store.views import EventFilter

ROWS: Final = 50


@get("/accounts", sync_to_thread=True, include_in_schema=False)
def show_accounts(request: Asked, desk: Given) -> Response[bytes]:
    """The list, searched or narrowed to a standing."""
    session: Session = request.scope["user"]
    tenant = session.member.tenant
    search = request.query_params.get("q", "").strip()[:200]
    standing = request.query_params.get("standing", "")
    standing = standing if standing in STANDINGS else ""
    cursor = request.query_params.get("after")
    with desk.pool.connection() as connection:
        page = explore.accounts(
            connection, tenant, standing=standing or None, text=search or None, cursor=cursor, limit=ROWS
        )
        open_cases = views.open_cases_of(connection, tenant, [row.account for row in page.items])
        totals = explore.standing_counts(connection, tenant)
    kept = {name: value for name, value in (("q", search), ("standing", standing)) if value}
    return desk.page(
        request,
        "accounts.html",
        here="accounts",
        accounts=page.items,
        cases_of=open_cases,
        search=search,
        standing=standing,
        standings=STANDINGS,
        totals=totals,
        older=f"/accounts?{urlencode({**kept, 'after': page.next})}" if page.next else "",
        back=f"/accounts?{urlencode(kept)}" if cursor else "",
    )


@get("/accounts/{account:path}", sync_to_thread=True, include_in_schema=False)
def show_account(request: Asked, desk: Given, account: FromPath[str]) -> Response[bytes]:
    """One account."""
    session: Session = request.scope["user"]
    tenant, now, name = session.member.tenant, desk.now(), account.removeprefix("/")
    with desk.pool.connection() as connection:
        found = explore.account(connection, tenant, name)
        young = now - found.first_at <= 2 * DAY
        step = HOUR if young else DAY
        length = 47 if young else 29
        history = views.verdicts_over_time(connection, tenant, (now // step - length) * step, now + 1, step, name)
        recent = views.verdicts_over_time(connection, tenant, now - 7 * DAY, now + 1, DAY, name)
        counts = views.deliveries_of(connection, tenant, name, now - 30 * DAY)
        page = views.events_page(connection, tenant, EventFilter(account=name), limit=15)
        cases = casework.page(connection, tenant, subject=("account", name), order="recent", limit=20).items
        drafts = notices.of_account(connection, tenant, name, limit=20)
        moves = accounts.moves_of(connection, tenant, name, limit=20)
        related = explore.related(connection, tenant, name)
    return desk.page(
        request,
        "account.html",
        here="accounts",
        account=found,
        history=history,
        span_name="per hour, 48 hours" if young else "per day, 30 days",
        verdict_series=VERDICT_SERIES,
        stopped=sum(day.counts.get(verdict, 0) for day in recent for verdict in ("hold", "reject")),
        recent_total=sum(day.total for day in recent),
        rates=drawn(rates_of(counts, desk.pack(session).rates)),
        page=page,
        cases=cases,
        notices=drafts,
        moves=moves,
        related=related,
        open_cases_here=sum(case.state in ("open", "assigned", "waiting") for case in cases),
    )
