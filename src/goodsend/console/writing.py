"""Writing rules: the form with its problems, trying on an event, saving a version. Approving is in `versions.py`."""

import re
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from goodsend import approvals
from goodsend.console.desk import Asked, Desk, answer, go, path_of, personal_texts
from goodsend.console.entry import Given
from goodsend.console.masking import is_masked
from goodsend.drafts import Checked, Draft, Row, Tried, body_of, draft_of, meanings, rule_in, words
from goodsend.kit.errors import NotFound, Problem
from goodsend.rules.model import Mode, Verdict
from goodsend.store import definitions, recent
from goodsend.store.members import Session

TEXT_CHARS: Final = 20_000
RECENT: Final = 40
"""Recent events offered to try a rule on. Own value."""
FACT: Final = {True: "fires", False: "does not fire", None: "cannot know"}
FIELDS: Final = (
    "when", "reason", "doc", "owner", "policy", "severity", "on", "verdict", "actions", "weight", "mode", "share",
    "source", "group", "order", "labels", "case", "id",
)  # fmt: skip
"""Members that problems are shown beside; others stand at the top."""


@get("/write/rules", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_new_rule(request: Asked, desk: Given) -> Response[bytes]:
    """The form for a rule that is not there yet."""
    session: Session = request.scope["user"]
    return _form(request, desk, Draft(owner=session.member.name, cases=_FIRST_CASES), is_new=True)


_FIRST_CASES: Final = """[[case]]
name = "what it must find"
given = { "e.recipients" = 40000 }
fires = true

[[case]]
name = "what it must leave alone"
given = { "e.recipients" = 100 }
fires = false
"""


@get("/write/rules/{rule_id:str}", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_rule_form(request: Asked, desk: Given, rule_id: FromPath[str]) -> Response[bytes]:
    """The form with a rule as it is live, or as one of its versions has it (`?version=`)."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    number = request.query_params.get("version", "")
    if number.isdecimal():
        with desk.pool.connection() as connection:
            found = definitions.one(connection, session.member.tenant, "rules", rule_id, int(number[:9]))
        rule = rule_in(pack, rule_id, found.body)
        if rule is None:
            raise NotFound("this version cannot be shown as a form")
    else:
        rule = pack.ruleset.rules.get(rule_id)
        if rule is None:
            raise NotFound("there is no such rule in the pack")
    return _form(request, desk, draft_of(rule), is_new=False)


@post("/write/rules", sync_to_thread=True, include_in_schema=False, status_code=200)
def write_new_rule(request: Asked, desk: Given) -> Response[Any]:
    """Check, try or save a rule that is not there yet."""
    return _written(request, desk, "")


@post("/write/rules/{rule_id:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def write_rule(request: Asked, desk: Given, rule_id: FromPath[str]) -> Response[Any]:
    """Check, try or save another version of a rule."""
    return _written(request, desk, rule_id)


@post("/write/check", sync_to_thread=True, include_in_schema=False, status_code=200)
def check_rule(request: Asked, desk: Given) -> Response[bytes]:
    """The problems of the form as it stands, as JSON for the editor and as a piece of the page."""
    session: Session = request.scope["user"]
    draft = draft_from(request.state["form"])
    checked = _checked(desk, session, draft)
    shown = [
        {"place": one.place, "message": one.message, "hint": one.hint or "", "start": one.start, "end": one.end,
         "in_when": one.place == "when" and one.source is not None}
        for one in checked.problems
    ]  # fmt: skip
    piece = desk.page(request, "written_problems.html", checked=checked, fact=FACT)
    body = {"problems": shown, "shift": _shift(draft.when), "html": bytes(piece.content).decode()}
    return answer(msgspec.json.encode(body), "application/json")


@post("/write/try", sync_to_thread=True, include_in_schema=False, status_code=200)
def try_rule(request: Asked, desk: Given) -> Response[bytes]:
    """How the form as it stands judges one event, as a piece of the page."""
    session: Session = request.scope["user"]
    draft = draft_from(request.state["form"])
    checked = _checked(desk, session, draft)
    return desk.page(request, "tried.html", fact=FACT, **_tried(desk, session, checked, request.state["form"]))


@get("/write/words", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_words(request: Asked, desk: Given) -> Response[bytes]:
    """What can be written over the kinds in the address: facts, functions, lists, as JSON for the editor."""
    session: Session = request.scope["user"]
    kinds = request.query_params.getall("on", [])
    return answer(msgspec.json.encode(words(desk.pack(session), kinds)), "application/json")


@get("/write/events", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_recent(request: Asked, desk: Given) -> Response[bytes]:
    """The latest events of the kinds in the address, as the choices of the form."""
    session: Session = request.scope["user"]
    kinds = [kind[:200] for kind in request.query_params.getall("on", [])[:200]]
    with desk.pool.connection() as connection:
        latest = list(recent.latest(connection, session.member.tenant, kinds, RECENT))
    return desk.page(request, "recent_events.html", recent=latest, chosen=request.query_params.get("chosen", ""))


def draft_from(form: Any) -> Draft:
    """Return the draft that a form says."""

    def text(name: str) -> str:
        return str(form.get(name, "")).replace("\r\n", "\n")[:TEXT_CHARS]

    def texts(name: str) -> tuple[str, ...]:
        return tuple(str(value)[:200] for value in form.getall(name, [])[:200])

    return Draft(
        id=text("id").strip(), doc=text("doc"), owner=text("owner"), policy=text("policy"), severity=text("severity"),
        on=texts("on"), when=text("when"), verdict=text("verdict"), reason=text("reason"), actions=texts("actions"),
        weight=text("weight") or "0", mode=text("mode"), share=_share(text("share_percent")), source=text("source"),
        group=text("group"), order=text("order") or "0", labels=text("labels"), cases=text("cases"),
    )  # fmt: skip


def _share(percent: str) -> str:
    try:
        return f"{float(percent) / 100:.6g}"
    except ValueError:
        return percent


def _shift(when: str) -> int:
    return len(when) - len(when.lstrip())


def _written(request: Asked, desk: Desk, rule_id: str) -> Response[Any]:
    session: Session = request.scope["user"]
    form = request.state["form"]
    draft = draft_from(form)
    if rule_id:
        draft = msgspec.structs.replace(draft, id=rule_id)
    checked = _checked(desk, session, draft)
    if form.get("verb") == "try":
        shown = _tried(desk, session, checked, form)
        return _form(request, desk, draft, is_new=not rule_id, checked=checked, **shown)
    why = str(form.get("why", "")).strip()[:500]
    extra: list[Problem] = []
    if form.get("verb") == "save":
        if not why:
            extra.append(Problem("why", "is needed", "one sentence for whoever approves it"))
        if not rule_id and draft.id in desk.pack(session).ruleset.rules:
            extra.append(Problem("id", "is taken", "open that rule to change it, or choose another id"))
        if not draft.id or any(
            one.place in ("id", "") and "name for a rule" in one.message for one in checked.problems
        ):
            extra.append(Problem("id", "is not a name", "small letters, digits, _ and -, a letter first"))
        if not extra:
            body, _ = body_of(draft)
            saved = approvals.draft(
                desk.installation, session.member.tenant, "rules", draft.id, body, author=session.member.login, why=why
            )
            return go(f"/rules/{path_of(draft.id)}/versions/{saved.version}", "drafted")
    checked = msgspec.structs.replace(checked, problems=(*extra, *checked.problems))
    return _form(request, desk, draft, is_new=not rule_id, checked=checked, why=why)


def _checked(desk: Desk, session: Session, draft: Draft) -> Checked:
    if not draft.id:  # a rule that has no name yet is checked all the same
        draft = msgspec.structs.replace(draft, id="unnamed")
    body, problems = body_of(draft)
    checked = approvals.check(desk.installation, session.member.tenant, "rules", draft.id, body)
    return msgspec.structs.replace(checked, problems=(*problems, *checked.problems))


def _tried(desk: Desk, session: Session, checked: Checked, form: Any) -> dict[str, Any]:
    chosen = str(form.get("other_event", "")).strip()[:200] or str(form.get("event", "")).strip()[:200]
    tried: tuple[Row, Tried] | None = None
    missing = ""
    if not chosen:
        missing = "Choose an event, or give its id."
    elif checked.expression is None:
        missing = "The condition has problems: mend them first."
    else:
        try:
            tried = approvals.try_on(desk.installation, session.member.tenant, checked, chosen)
        except NotFound:
            missing = "There is no event with this id, or it is no longer kept."
    facts = {} if tried is None else {name: tried[0].facts.get(name) for name in sorted(checked.expression.facts)}  # type: ignore[union-attr]
    return {
        "tried": tried,
        "missing": missing,
        "tried_facts": facts,
        "chosen": chosen,
        "secrets": _secrets(tried, desk, session),
        **({} if tried is None else {"catalog": meanings(desk.pack(session), [tried[0].kind])}),
    }


def _secrets(tried: tuple[Row, Tried] | None, desk: Desk, session: Session) -> tuple[str, ...]:
    if tried is None or not is_masked(session.member.role):
        return ()
    return tuple(personal_texts(tried[0].facts, desk.pack(session).catalog))


def _form(
    request: Asked, desk: Desk, draft: Draft, *, is_new: bool, checked: Checked | None = None, **shown: Any
) -> Response[bytes]:
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    with desk.pool.connection() as connection:
        latest = list(recent.latest(connection, session.member.tenant, draft.on, RECENT))
    by_place: dict[str, list[Problem]] = {}
    for problem in checked.problems if checked else ():
        place = problem.place.partition(":")[0]
        by_place.setdefault(place if place in (*FIELDS, "why") else "", []).append(problem)
    return desk.page(
        request, "write.html",
        **{
            "here": "rules", "draft": draft, "is_new": is_new, "checked": checked, "by_place": by_place, "pack": pack,
            "kinds": _first(pack.kinds.kinds, draft.on),
            "policies": sorted(pack.policies.values(), key=lambda one: _numbers_apart(one.clause)),
            "actions": _first(pack.actions, draft.actions),
            "groups": sorted(pack.ruleset.groups), "recent": latest,
            "verdicts": [one.value for one in Verdict], "modes": [one.value for one in Mode], "fact": FACT,
            "percent": _percent(draft.share), "why": "", "tried": None, "missing": "", "tried_facts": {}, "chosen": "",
            **shown,
        },
    )  # fmt: skip


def _numbers_apart(clause: str) -> list[tuple[bool, int, str]]:
    """Return a key that puts 5.2 before 5.10."""
    parts = re.findall(r"\d+|\D+", clause)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _first(names: Iterable[str], chosen: Collection[str]) -> list[str]:
    """Return names in order, those that are chosen before the others."""
    return sorted(names, key=lambda name: (name not in chosen, name))


def _percent(share: str) -> str:
    try:
        return f"{100 * float(share):g}"
    except ValueError:
        return share
