"""Looking from the side: backtests, what shadow rules would change, alarms and breakers, the last proof."""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from goodsend.console.desk import Asked, go, path_of
from goodsend.console.entry import Given
from goodsend.kit.clock import DAY, Micros, parse_time
from goodsend.kit.ids import derived_id
from goodsend.reports.backtest import Report
from goodsend.reports.shadow import compare
from goodsend.store import alarms, backtests, breaker, proofs, recent
from goodsend.store.members import Session

SPANS: Final = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"))
SHADOW_DECISIONS: Final = 5_000
"""Latest decisions with hits that did not act, as far as the shadow page looks. Own starting value."""


@get("/backtests", sync_to_thread=True, include_in_schema=False)
def show_backtests(request: Asked, desk: Given) -> Response[bytes]:
    """Every backtest asked for, latest first."""
    session: Session = request.scope["user"]
    with desk.pool.connection() as connection:
        jobs = backtests.latest(connection, session.member.tenant)
    return desk.page(
        request, "backtests.html", here="backtests", jobs=jobs, spans=SPANS, may_write=session.member.may("analyst"),
        live=any(not job.is_over for job in jobs),
    )  # fmt: skip


@post("/backtests", sync_to_thread=True, include_in_schema=False, status_code=200)
def ask_backtest(request: Asked, desk: Given) -> Response[Any]:
    """Ask for a backtest of what is live."""
    member = request.scope["user"].member
    days = str(request.state["form"].get("days", "7"))
    span = int(days) if days in {str(many) for many, _ in SPANS} else 7
    now = desk.now()
    job_id = derived_id("bt", member.tenant, member.login, str(now))
    with desk.pool.connection() as connection:
        backtests.ask(
            connection, member.tenant, job_id, asked_by=member.login, at=now, since=now - span * DAY, until=now
        )
    return go(f"/backtests/{path_of(job_id)}")


@get("/backtests/{job_id:str}", sync_to_thread=True, include_in_schema=False)
def show_backtest(request: Asked, desk: Given, job_id: FromPath[str]) -> Response[bytes]:
    """One backtest: how far it is, or what it says."""
    session: Session = request.scope["user"]
    with desk.pool.connection() as connection:
        job = backtests.one(connection, session.member.tenant, job_id)
    report = msgspec.convert(job.result, Report) if job.result else None
    rules = sorted(report.rules, key=lambda rule: (rule.id != job.definition, -rule.hits, rule.id)) if report else []
    focus = next((rule for rule in rules if rule.id == job.definition), rules[0] if rules else None)
    days = (
        [_Day(_midnight(day), {"hits": hits}) for day, hits in zip(report.days, focus.days, strict=True)]
        if report and focus
        else []
    )
    return desk.page(
        request, "backtest_live.html" if request.headers.get("hx-request") else "backtest.html", here="backtests",
        job=job, report=report, rules=rules, focus=focus, days=days, may_write=session.member.may("analyst"),
        series=(("hits", "Hits", "review-fill"),), live=bool(request.headers.get("hx-request")),
    )  # fmt: skip


class _Day(msgspec.Struct, frozen=True):
    at: Micros
    counts: dict[str, int]


def _midnight(day: str) -> Micros:
    return parse_time(f"{day}T00:00:00Z")


@post("/backtests/{job_id:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def cancel_backtest(request: Asked, desk: Given, job_id: FromPath[str]) -> Response[Any]:
    """End a backtest that waits or runs."""
    member = request.scope["user"].member
    with desk.pool.connection() as connection:
        backtests.cancel(connection, member.tenant, job_id, actor=member.login, at=desk.now())
    return go(f"/backtests/{path_of(job_id)}", "cancelled")


@get("/shadow", sync_to_thread=True, include_in_schema=False)
def show_shadow(request: Asked, desk: Given) -> Response[bytes]:
    """What rules that do not act would have changed, of late."""
    session: Session = request.scope["user"]
    pack, since = desk.pack(session), desk.now() - 7 * DAY
    with desk.pool.connection() as connection:
        decisions = recent.not_acting(connection, session.member.tenant, since, SHADOW_DECISIONS)
    found = compare(decisions, pack.ruleset, pack.thresholds)
    quiet = [rule for rule in pack.ruleset.rules.values() if rule.mode.value == "shadow"]
    return desk.page(
        request, "shadow.html", here="shadow", found=found, looked=len(decisions), most=SHADOW_DECISIONS,
        quiet=[rule for rule in quiet if rule.id not in {one.rule for one in found}], rules=pack.ruleset.rules,
    )  # fmt: skip


@get("/alarms", sync_to_thread=True, include_in_schema=False)
def show_alarms(request: Asked, desk: Given) -> Response[bytes]:
    """Rules that behave unlike themselves, and what circuit breakers held back."""
    session: Session = request.scope["user"]
    tenant, now = session.member.tenant, desk.now()
    with desk.pool.connection() as connection:
        raised = alarms.latest(connection, tenant, limit=50)
        held = breaker.held_back(connection, tenant, now - 7 * DAY)
    limits = [(name, action) for name, action in sorted(desk.pack(session).actions.items())]
    return desk.page(
        request, "alarms.html", here="alarms", raised=raised, held=held, may_write=session.member.may("analyst"),
        actions=[(name, most) for name, action in limits if (most := getattr(action, "per_hour", None)) is not None],
        rules=desk.pack(session).ruleset.rules,
    )  # fmt: skip


@post("/alarms", sync_to_thread=True, include_in_schema=False, status_code=200)
def see_alarm(request: Asked, desk: Given) -> Response[Any]:
    """Note that an alarm was seen."""
    member = request.scope["user"].member
    with desk.pool.connection() as connection:
        alarms.see(connection, member.tenant, str(request.state["form"].get("id", "")), member.login, desk.now())
    return go("/alarms", "seen")


@get("/proof", sync_to_thread=True, include_in_schema=False)
def show_proof(request: Asked, desk: Given) -> Response[bytes]:
    """The last comparison of live facts and hits with those the set path computes."""
    session: Session = request.scope["user"]
    with desk.pool.connection() as connection:
        kept = proofs.latest(connection, session.member.tenant)
    return desk.page(request, "proof.html", here="proof", proofs=kept)
