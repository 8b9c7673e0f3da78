"""Events: the list with its filters, and one event explained."""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath

from goodsend.console.contents import note_view, shown_content
from goodsend.console.desk import Asked, personal_fields, personal_texts
from goodsend.console.entry import Given
from goodsend.console.explained import explanations, fact_groups, summary
from goodsend.console.masking import is_masked, mask_values
from goodsend.console.wording import VERDICTS
from goodsend.drafts import meanings
from goodsend.events.model import Event
from goodsend.facts import Value
from goodsend.kit.clock import DAY, HOUR, MINUTE, Micros, format_time
from goodsend.pack import Pack
from goodsend.store import casework, explore, lists, views
from goodsend.store.connection import Connection
from goodsend.store.members import Session
from goodsend.store.views import EventFilter

TIMES: Final = (
    ("", "Any", None),
    ("15m", "Last 15 minutes", 15 * MINUTE),
    ("1h", "Last hour", HOUR),
    ("24h", "Last 24 hours", DAY),
    ("7d", "Last 7 days", 7 * DAY),
)
"""What can be chosen as time: its value in the address, its name, its length."""


@get("/events", sync_to_thread=True, include_in_schema=False)
def show_events(request: Asked, desk: Given) -> Response[bytes]:
    """A page of the list, narrowed by what the address says."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    asked = {name: request.query_params.get(name, "").strip()[:200] for name in ("kind", "account", "verdict", "rule")}
    time = request.query_params.get("time", "")
    length = next((length for value, _, length in TIMES if value == time), None)
    wanted = EventFilter(
        kind=asked["kind"],
        account=asked["account"],
        verdict=asked["verdict"] if asked["verdict"] in VERDICTS else "",
        rule=asked["rule"],
        since=None if length is None else desk.now() - length,
    )
    after = request.query_params.get("after")
    with desk.pool.connection() as connection:
        page = views.events_page(connection, session.member.tenant, wanted, after)
    kept = {name: value for name, value in {**asked, "time": time}.items() if value}
    return desk.page(
        request,
        "events.html",
        here="events",
        wanted=wanted,
        page=page,
        kinds=sorted(pack.kinds.kinds),
        rules=list(pack.ruleset.rules),
        times=[(value, name) for value, name, _ in TIMES],
        time=time,
        narrowed=bool(kept),
        older=f"/events?{urlencode({**kept, 'after': page.after})}" if page.after else "",
        back=f"/events?{urlencode(kept)}" if after else "",
    )


@get("/events/{event_id:path}", sync_to_thread=True, include_in_schema=False)
def show_event(request: Asked, desk: Given, event_id: FromPath[str]) -> Response[bytes]:
    """One event: the answer, why, what would change it, its content, its facts."""
    session: Session = request.scope["user"]
    tenant, pack = session.member.tenant, desk.pack(session)
    with desk.pool.connection() as connection:
        detail = explore.event(connection, tenant, event_id.removeprefix("/"))
        event, decision = detail.event, detail.decision
        case_ids = views.cases_of_event(connection, tenant, event.id)
        cases = [casework.one(connection, tenant, case_id) for case_id in case_ids]
        account = explore.account(connection, tenant, decision.account) if decision.account else None
        current = _lists(connection, tenant, pack, desk.now())
        content = shown_content(connection, session, event.content, pack) if event.content else None
        note_view(connection, session, content, desk.now(), {"event": event.id})
    masked = is_masked(session.member.role)
    catalog = meanings(pack, [event.kind])
    groups = fact_groups(detail.facts, event.kind, catalog, masked)
    return desk.page(
        request,
        "event.html",
        here="events",
        catalog=catalog,
        event=event,
        decision=decision,
        detail=detail,
        summary=summary(decision),
        acting=sorted((hit for hit in decision.hits if hit.acts), key=lambda hit: -hit.severity),
        shadowed=[hit for hit in decision.hits if not hit.acts],
        explained=explanations(decision.hits, detail.facts, pack, current),
        content=content,
        facts=groups,
        facts_count=sum(group.total for group in groups),
        known_count=sum(group.known for group in groups),
        scores=[(name[2:], value) for name, value in sorted(detail.facts.items()) if _is_score(name, value)],
        cases=cases,
        account=account,
        raw=_raw(event, pack, masked),
        secrets=tuple(personal_texts(detail.facts, pack.catalog)) if masked else (),
    )


def _is_score(name: str, value: Value) -> bool:
    return name.startswith("m.") and isinstance(value, int | float)


def _lists(connection: Connection, tenant: str, pack: Pack, now: Micros) -> dict[str, frozenset[str]]:
    own = lists.own_values(connection, tenant, now)
    return {
        name: pack.list_values.get(name, frozenset()) | own.get(name, frozenset())
        for name in pack.list_values.keys() | own.keys()
    }


def _raw(event: Event, pack: Pack, masked: bool) -> dict[str, Any]:
    data = mask_values(event.data, personal_fields(pack.catalog)) if masked else event.data
    return {
        "id": event.id,
        "kind": event.kind,
        "channel": event.channel,
        "at": format_time(event.at),
        "data": data,
        "content": event.content,
    }
