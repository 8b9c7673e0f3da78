"""Rules and lists: what is looked for. Rules are read here and changed in `writing.py`; lists take own entries."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath

from goodsend.console.desk import Asked, Desk, go, path_of
from goodsend.console.entry import Given
from goodsend.drafts import meanings
from goodsend.kit.clock import DAY
from goodsend.kit.errors import NotFound
from goodsend.rules.model import Mode
from goodsend.store import definitions, explore, lists, views
from goodsend.store.members import Session
from goodsend.store.views import EventFilter

VALUES_SHOWN: Final = 500
_MODE_ORDER: Final = {Mode.LIVE: 0, Mode.SHADOW: 1, Mode.OFF: 2}


@get("/rules", sync_to_thread=True, include_in_schema=False)
def show_rules(request: Asked, desk: Given) -> Response[bytes]:
    """Every rule, those that act first, the gravest first."""
    session: Session = request.scope["user"]
    now, tenant = desk.now(), session.member.tenant
    rules = desk.pack(session).ruleset.rules.values()
    with desk.pool.connection() as connection:
        day = {hit.rule: hit.hits_24h + hit.shadow_24h for hit in explore.rule_hits(connection, tenant, now)}
        week = views.hits_over_time(connection, tenant, (now // DAY - 6) * DAY, now + 1, DAY)
        standings = definitions.standings(connection, tenant, "rules")
        waiting = definitions.waiting(connection, tenant)
    known = desk.pack(session).ruleset.rules
    absent = [one for one in standings.values() if one.id not in known and not one.proposed and one.live is None]
    ordered = sorted(rules, key=lambda rule: (_MODE_ORDER[rule.mode], -rule.severity, rule.id))
    return desk.page(
        request, "rules.html", here="rules", rules=ordered, day=day, week=week, standings=standings, waiting=waiting,
        drafts=[one for one in absent if one.was_live is None], retired=[one for one in absent if one.was_live],
        shipped=desk.installation.layers.base.ruleset.rules, may_write=session.member.may("analyst"),
        layer_problems=desk.installation.layers.problems(tenant),
    )  # fmt: skip


@get("/rules/{rule_id:str}", sync_to_thread=True, include_in_schema=False)
def show_rule(request: Asked, desk: Given, rule_id: FromPath[str]) -> Response[Any]:
    """One rule with what it reads, its hits and its cases."""
    session: Session = request.scope["user"]
    pack, now, tenant = desk.pack(session), desk.now(), session.member.tenant
    rule = pack.ruleset.rules.get(rule_id)
    if rule is None:
        return _not_live(desk, tenant, rule_id)
    with desk.pool.connection() as connection:
        page = views.events_page(connection, tenant, EventFilter(rule=rule_id, since=now - 30 * DAY), limit=12)
        week = views.hits_over_time(connection, tenant, (now // DAY - 6) * DAY, now + 1, DAY).get(rule_id, [])
        day = {hit.rule: hit.hits_24h + hit.shadow_24h for hit in explore.rule_hits(connection, tenant, now)}
        standing = definitions.standings(connection, tenant, "rules").get(rule_id)
        versions = definitions.versions(connection, tenant, "rules", rule_id, limit=12)
        moved = definitions.moved(connection, tenant, "rules", rule_id)
    catalog = meanings(pack, rule.on)
    reads = [(name, catalog.get(name)) for name in sorted(pack.ruleset.expressions[rule_id].facts)]
    return desk.page(
        request, "rule.html", here="rules", rule=rule, reads=reads, page=page, week=week, day=day.get(rule_id, 0),
        catalog=catalog, policy=pack.policies.get(rule.policy), standing=standing, versions=versions,
        is_shipped=rule_id in desk.installation.layers.base.ruleset.rules, may_write=session.member.may("analyst"),
        may_retire=session.member.may("lead"), moved=moved,
    )  # fmt: skip


def _not_live(desk: Desk, tenant: str, rule_id: str) -> Response[Any]:
    """Go to the newest version of a rule that is not live. Raises NotFound without any."""
    with desk.pool.connection() as connection:
        versions = definitions.versions(connection, tenant, "rules", rule_id, limit=1)
    if not versions:
        raise NotFound("there is no such rule in the pack")
    return go(f"/rules/{path_of(rule_id)}/versions/{versions[0].version}")


@get("/lists", sync_to_thread=True, include_in_schema=False)
def show_lists(request: Asked, desk: Given) -> Response[bytes]:
    """Every list of the pack, with how much is of the tenant's own."""
    session: Session = request.scope["user"]
    with desk.pool.connection() as connection:
        own = lists.counts(connection, session.member.tenant, desk.now())
    return desk.page(request, "lists.html", here="lists", lists=desk.pack(session).lists, own=own)


@get("/lists/{name:str}", sync_to_thread=True, include_in_schema=False)
def show_list(request: Asked, desk: Given, name: FromPath[str]) -> Response[bytes]:
    """One list: own entries, and the beginning of what the pack brings."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    named = pack.lists.get(name)
    if named is None:
        raise NotFound("there is no such list in the pack")
    with desk.pool.connection() as connection:
        entries = lists.page(connection, session.member.tenant, name, desk.now(), limit=500).items
    return desk.page(
        request,
        "list.html",
        here="lists",
        name=name,
        named=named,
        entries=entries,
        shown=sorted(named.values)[:VALUES_SHOWN],
        readers=[rule for rule, found in pack.ruleset.expressions.items() if name in found.lists],
        may_change=session.member.may("lead"),
    )


@post("/lists/{name:str}", opt={"role": "lead"}, sync_to_thread=True, include_in_schema=False, status_code=200)
def change_list(request: Asked, desk: Given, name: FromPath[str]) -> Response[Any]:
    """Add an own entry with a reason and an end, or take one off."""
    session: Session = request.scope["user"]
    form = request.state["form"]
    if name not in desk.pack(session).lists:
        raise NotFound("there is no such list in the pack")
    value, why = str(form.get("value", "")).strip(), str(form.get("why", "")).strip()[:500]
    days = str(form.get("days", "30"))
    adds = form.get("verb") == "add"
    place = f"/lists/{path_of(name)}"
    if not value or len(value) > 500 or (adds and not why) or not days.isdecimal() or len(days) > 4:
        return go(place)
    now, member = desk.now(), session.member
    with desk.pool.connection() as connection:
        if adds:
            until = now + int(days) * DAY if int(days) else None
            lists.add(
                connection, member.tenant, name, value.lower(), actor=member.login, why=why, at=now, expires_at=until
            )
        else:
            lists.remove(connection, member.tenant, name, value, actor=member.login, at=now)
    return go(place, "added" if adds else "removed")
