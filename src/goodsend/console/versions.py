"""Versions of own rules and features: what they change, predicted hits, approval, going back. Writing is elsewhere."""

import difflib
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from goodsend import approvals
from goodsend.console.desk import Asked, Desk, go, path_of
from goodsend.console.entry import Given
from goodsend.console.features import feature_text, named
from goodsend.console.writing import FACT
from goodsend.drafts import Predicted, body_of, draft_of
from goodsend.kit.clock import DAY
from goodsend.kit.errors import Misconfigured, NotFound, Problem
from goodsend.kit.ids import derived_id
from goodsend.pack import Pack
from goodsend.rules.model import Mode
from goodsend.store import backtests, definitions
from goodsend.store.definitions import Definition, Room
from goodsend.store.members import Session

CONTEXT: Final = 3
DAYS: Final = (7, 30, 90)
"""Spans a backtest can be asked for, in days back from now."""


class Line(msgspec.Struct, frozen=True):
    """One line of a comparison: `sign` is `+`, `-`, a space or `…`; `old` and `new` number it on the two sides."""

    sign: str
    old: int | None
    new: int | None
    text: str


def compare(old: str, new: str) -> list[Line]:
    """Return two texts as one list of lines; long equal stretches are left out, each told as a line of sign `…`."""
    left, right = old.splitlines(), new.splitlines()
    lines: list[Line] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            same = [Line(" ", a + n + 1, c + n + 1, left[a + n]) for n in range(b - a)]
            head, tail = (same[:CONTEXT] if lines else []), (same[-CONTEXT:] if b < len(left) or d < len(right) else [])
            hidden = len(same) - len(head) - len(tail)
            lines += same if hidden <= 1 else [*head, Line("…", None, None, f"{hidden} equal lines"), *tail]
            continue
        lines += [Line("-", a + n + 1, None, left[a + n]) for n in range(b - a)]
        lines += [Line("+", None, c + n + 1, right[c + n]) for n in range(d - c)]
    return lines


def pairs(lines: list[Line]) -> list[tuple[Line | None, Line | None]]:
    """Return the lines side by side: what went beside what came."""
    rows: list[tuple[Line | None, Line | None]] = []
    gone: list[Line] = []
    for line in [*lines, Line(" ", None, None, "")]:
        if line.sign == "-":
            gone.append(line)
        elif line.sign == "+":
            rows.append((gone.pop(0) if gone else None, line))
        else:
            rows += [(one, None) for one in gone]
            gone = []
            rows.append((line, line))
    return rows[:-1]


@get("/rules/{rule_id:str}/versions/{number:int}", sync_to_thread=True, include_in_schema=False)
def show_version(request: Asked, desk: Given, rule_id: FromPath[str], number: FromPath[int]) -> Response[bytes]:
    """One version of a rule: what it changes, what was predicted of it, and what can be done with it."""
    return _page(request, desk, "rules", rule_id, number)


@get("/features/{name:str}/versions/{number:int}", sync_to_thread=True, include_in_schema=False)
def show_feature_version(request: Asked, desk: Given, name: FromPath[str], number: FromPath[int]) -> Response[bytes]:
    """One version of a feature."""
    return _page(request, desk, "features", name, number)


@post("/rules/{rule_id:str}/versions/{number:int}", sync_to_thread=True, include_in_schema=False, status_code=200)
def move_version(request: Asked, desk: Given, rule_id: FromPath[str], number: FromPath[int]) -> Response[Any]:
    """Propose, approve, decline, go back to it, count its hits, or ask for a backtest."""
    return _moved(request, desk, "rules", rule_id, number)


@post("/features/{name:str}/versions/{number:int}", sync_to_thread=True, include_in_schema=False, status_code=200)
def move_feature_version(request: Asked, desk: Given, name: FromPath[str], number: FromPath[int]) -> Response[Any]:
    """The same for a feature."""
    return _moved(request, desk, "features", name, number)


def _moved(request: Asked, desk: Desk, room: Room, rule_id: str, number: int) -> Response[Any]:
    session: Session = request.scope["user"]
    form, tenant, login = request.state["form"], session.member.tenant, session.member.login
    verb, why = str(form.get("verb", "")), str(form.get("why", "")).strip()[:500]
    place = f"/{room}/{path_of(rule_id)}/versions/{number}"
    takes_back = verb == "decline" and _is_mine(desk, session, room, rule_id, number)
    if verb in ("approve", "decline", "roll_back") and not session.member.may("lead") and not takes_back:
        return _page(request, desk, room, rule_id, number, refused="This needs the role lead.", status=403)
    try:
        if verb == "propose":
            report = str(form.get("backtest", ""))
            approvals.propose(
                desk.installation, tenant, room, rule_id, number, actor=login,
                predicted=_from_backtest(desk, tenant, room, rule_id, number, report) if report else None,
            )  # fmt: skip
            return go(place, "proposed")
        if verb == "approve":
            approvals.approve(desk.installation, tenant, room, rule_id, number, actor=login)
            return go(place, "put_to_work")
        if verb == "decline":
            approvals.decline(desk.installation, tenant, room, rule_id, number, actor=login, why=why)
            return go(place, "declined")
        if verb == "roll_back":
            approvals.roll_back(desk.installation, tenant, room, rule_id, number, actor=login, why=why)
            return go(place, "rolled_back")
        if verb == "count" and room == "rules":
            return _page(request, desk, room, rule_id, number, counts=True)
        if verb == "backtest":
            return go(f"/backtests/{path_of(_ask(desk, session, room, rule_id, number, str(form.get('days', ''))))}")
    except Misconfigured as error:
        return _page(request, desk, room, rule_id, number, refused=str(error), problems=error.problems, status=409)
    return go(place)


@post("/rules/{rule_id:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def switch_rule(request: Asked, desk: Given, rule_id: FromPath[str]) -> Response[Any]:
    """Go back to what the packs say, or propose the rule in another mode or share."""
    session: Session = request.scope["user"]
    form, tenant, login = request.state["form"], session.member.tenant, session.member.login
    verb, why = str(form.get("verb", "")), str(form.get("why", "")).strip()[:500]
    place = f"/rules/{path_of(rule_id)}"
    if not why:
        return go(place, "why_missing")
    if verb == "retire":
        if not session.member.may("lead"):
            return go(place, "lead_needed")
        try:
            approvals.retire(desk.installation, tenant, "rules", rule_id, actor=login, why=why)
        except Misconfigured as error:
            return desk.page(
                request, "problem.html", status=409, title="Not possible", way=(place, "Back to the rule"), number="",
                text="\n".join(problem.render() for problem in error.problems),
            )  # fmt: skip
        return go(place if rule_id in desk.pack(session).ruleset.rules else "/rules", "retired")
    rule = desk.pack(session).ruleset.rules.get(rule_id)
    if rule is None:
        raise NotFound("there is no such rule in the pack")
    draft = draft_of(rule)
    mode = str(form.get("mode", ""))
    if verb != "switch" or mode not in {one.value for one in Mode}:
        return go(place)
    body, _ = body_of(msgspec.structs.replace(draft, mode=mode))
    made = approvals.draft(desk.installation, tenant, "rules", rule_id, body, author=login, why=why)
    approvals.propose(desk.installation, tenant, "rules", rule_id, made.version, actor=login)
    return go(f"{place}/versions/{made.version}", "proposed")


def _is_mine(desk: Desk, session: Session, room: Room, rule_id: str, number: int) -> bool:
    with desk.pool.connection() as connection:
        found = definitions.one(connection, session.member.tenant, room, rule_id, number)
    return session.member.login in (found.author, found.proposed_by)


def _ask(desk: Desk, session: Session, room: Room, rule_id: str, number: int, days: str) -> str:
    now, member = desk.now(), session.member
    span = int(days) if days in {str(one) for one in DAYS} else DAYS[0]
    job_id = derived_id("bt", member.tenant, rule_id, str(number), str(now))
    with desk.pool.connection() as connection:
        definitions.one(connection, member.tenant, room, rule_id, number)  # NotFound, before anything is asked for
        backtests.ask(
            connection, member.tenant, job_id, asked_by=member.login, at=now, since=now - span * DAY, until=now,
            definition=(room, rule_id, number),
        )  # fmt: skip
    return job_id


def _from_backtest(
    desk: Desk, tenant: str, room: Room, rule_id: str, number: int, job_id: str
) -> Predicted | None:  # fmt: skip
    """Return what a backtest of this very version found, as the short form that goes with the proposal."""
    with desk.pool.connection() as connection:
        job = backtests.one(connection, tenant, job_id)
    if job.result is None or (job.room, job.definition, job.version) != (room, rule_id, number):
        return None
    found = next((rule for rule in job.result.get("rules", ()) if rule["id"] == rule_id), None)
    if found is None:
        return None
    change = found.get("change") or {}
    samples = tuple(one["event_id"] for one in (found.get("samples") or change.get("new_samples") or ())[:10])
    acting = found.get("acting")
    if acting is None:  # a report from before that was counted: the share was left out of it
        return None
    gone, came = change.get("lost_acting") or 0, change.get("new_acting") or 0
    return Predicted(
        found["judged"], found["hits"], acting, found["unknown"], found["accounts"],
        change.get("kept", 0) + change.get("lost", 0), change.get("new", 0), change.get("lost", 0), job.since,
        job.until, {}, samples, backtest=job_id, mode=Mode(found["mode"]), share=found["share"],
        acting_accounts=found["acting_accounts"], live_acting=acting - came + gone, new_acting=came, lost_acting=gone,
    )  # fmt: skip


def _page(
    request: Asked, desk: Desk, room: Room, rule_id: str, number: int, *, refused: str = "", counts: bool = False,
    status: int = 200, problems: Any = (),
) -> Response[bytes]:  # fmt: skip
    session: Session = request.scope["user"]
    tenant, pack = session.member.tenant, desk.pack(session)
    with desk.pool.connection() as connection:
        found = definitions.one(connection, tenant, room, rule_id, number)
        others = definitions.versions(connection, tenant, room, rule_id)
        moved = definitions.moved(connection, tenant, room, rule_id)
        jobs = [job for job in backtests.latest(connection, tenant, of=rule_id) if job.version == number]
    against, old = _other(request, desk.installation.layers.base, found, others)
    checked = approvals.check(desk.installation, tenant, room, rule_id, found.body)
    counted = approvals.count(desk.installation, tenant, checked) if counts else None
    lines = compare(old, found.body)
    mine = session.member.login in (found.author, found.proposed_by)
    predicted = msgspec.convert(found.predicted, Predicted) if found.predicted else None
    return desk.page(
        request, "version.html", here=room, status=status, rule_id=rule_id, found=found, versions=others,
        lines=lines, sides=pairs(lines), against=against, checked=checked, counted=counted, predicted=predicted,
        mine=mine, may_approve=session.member.may("lead") and not mine, may_go_back=session.member.may("lead"),
        refused=refused, problems=[one for one in problems if isinstance(one, Problem)], fact=FACT, jobs=jobs,
        days=DAYS, side=request.query_params.get("view") == "side", may_write=session.member.may("analyst"),
        exists=_text_in(pack, room, rule_id) is not None, moved=moved,
        is_shipped=_text_in(desk.installation.layers.base, room, rule_id) is not None,
    )  # fmt: skip


def _other(request: Asked, base: Pack, found: Definition, others: list[Definition]) -> tuple[str, str]:
    """
    Return name and text of what a version is compared with: as asked, else what it takes or took the place of.

    That is the version that is live; of one that is or was live itself, the one that was before it; without any, what
    the packs say; without that, an earlier draft.
    """
    asked = request.query_params.get("against", "")
    chosen = next((one for one in others if str(one.version) == asked), None)
    shipped = _text_in(base, found.room, found.id)
    if chosen is None and asked != "pack":
        if found.approved_at is None:
            chosen = next((one for one in others if one.state == "live"), None)
        else:
            before = [one for one in others if one.approved_at is not None and one.approved_at < found.approved_at]
            chosen = max(before, key=lambda one: one.approved_at or 0, default=None)
        if chosen is None and shipped is None:
            chosen = next((one for one in others if one.version < found.version), None)
    if chosen is not None:
        return f"version {chosen.version}", chosen.body
    return ("nothing", "") if shipped is None else ("the pack", shipped)


def _text_in(pack: Pack, room: str, id_: str) -> str | None:
    if room == "rules":
        rule = pack.ruleset.rules.get(id_)
        return None if rule is None else body_of(draft_of(rule))[0]
    feature = named(pack, id_)
    return None if feature is None else feature_text(feature)
