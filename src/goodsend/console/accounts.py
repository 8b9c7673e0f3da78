"""Accounts: the senders, and one of them with its history, rates and relations."""

from typing import Final
from urllib.parse import urlencode

from litestar import Response, get

from goodsend.console.desk import Asked
from goodsend.console.entry import Given
from goodsend.console.overview import VERDICT_SERIES
from goodsend.console.rates import rates_of
from goodsend.kit.clock import DAY, HOUR
from goodsend.kit.errors import NotFound
from goodsend.standing.model import STANDINGS
from goodsend.store import accounts, casework, notices, views
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
    skip_text = request.query_params.get("skip", "0")
    skip = int(skip_text) if skip_text.isdecimal() and len(skip_text) < 7 else 0
    with desk.pool.connection() as connection:
        rows = views.accounts_page(connection, tenant, search=search, standing=standing, skip=skip, limit=ROWS + 1)
        totals = views.standing_counts(connection, tenant)
    kept = {name: value for name, value in (("q", search), ("standing", standing)) if value}
    return desk.page(
        request,
        "accounts.html",
        here="accounts",
        accounts=rows[:ROWS],
        search=search,
        standing=standing,
        standings=STANDINGS,
        totals=totals,
        older=f"/accounts?{urlencode({**kept, 'skip': skip + ROWS})}" if len(rows) > ROWS else "",
        back=f"/accounts?{urlencode(kept)}" if skip else "",
    )


@get("/accounts/{account:path}", sync_to_thread=True, include_in_schema=False)
def show_account(request: Asked, desk: Given, account: str) -> Response[bytes]:
    """One account."""
    session: Session = request.scope["user"]
    tenant, now, name = session.member.tenant, desk.now(), account.removeprefix("/")
    with desk.pool.connection() as connection:
        found = views.one_account(connection, tenant, name)
        if found is None:
            raise NotFound("there is no such account")
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
        related = views.related_accounts(connection, tenant, name)
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
        rates=rates_of(counts),
        page=page,
        cases=cases,
        notices=drafts,
        moves=moves,
        related=related,
    )
