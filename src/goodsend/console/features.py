"""Features: memory over events. They are read here, and written as the text a pack's file would hold."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from goodsend import approvals
from goodsend.console.desk import Asked, Desk, go, path_of
from goodsend.console.entry import Given
from goodsend.console.writing import TEXT_CHARS
from goodsend.drafts import written
from goodsend.features.definitions import Feature
from goodsend.kit.clock import format_duration
from goodsend.kit.errors import NotFound, Problem
from goodsend.pack import Pack
from goodsend.store import definitions
from goodsend.store.members import Session


def named(pack: Pack, name: str) -> Feature | None:
    """Return the feature of this name, None where there is none."""
    return next((one for one in pack.features if one.name == name), None)


def _readers(pack: Pack, name: str) -> list[str]:
    columns = {f"f.{name}", f"f.{name}_lower", f"f.{name}_upper"}
    return [rule for rule, expression in pack.ruleset.expressions.items() if columns & expression.facts]


@get("/features", sync_to_thread=True, include_in_schema=False)
def show_features(request: Asked, desk: Given) -> Response[bytes]:
    """Every feature, with how many rules read it."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    with desk.pool.connection() as connection:
        standings = definitions.standings(connection, session.member.tenant, "features")
    names = {one.name for one in pack.features}
    return desk.page(
        request, "features.html", here="features", features=sorted(pack.features, key=lambda one: one.name),
        readers={one.name: len(_readers(pack, one.name)) for one in pack.features}, standings=standings,
        shipped={one.name for one in desk.installation.layers.base.features}, length=_length,
        drafts=[one for one in standings.values() if one.id not in names], may_write=session.member.may("analyst"),
    )  # fmt: skip


def _length(feature: Feature) -> str:
    return "ever" if feature.window is None else format_duration(feature.window)


@get("/features/{name:str}", sync_to_thread=True, include_in_schema=False)
def show_feature(request: Asked, desk: Given, name: FromPath[str]) -> Response[Any]:
    """One feature: what it counts, over which events, who reads it."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    feature = named(pack, name)
    with desk.pool.connection() as connection:
        versions = definitions.versions(connection, session.member.tenant, "features", name, limit=12)
    if feature is None:
        if not versions:
            raise NotFound("there is no such feature in the pack")
        return go(f"/features/{path_of(name)}/versions/{versions[0].version}")
    return desk.page(
        request, "feature.html", here="features", feature=feature, readers=_readers(pack, name), versions=versions,
        length=_length(feature), text=feature_text(feature), may_write=session.member.may("analyst"),
        is_shipped=named(desk.installation.layers.base, name) is not None,
    )  # fmt: skip


def feature_text(feature: Feature) -> str:
    """Return a feature as the text of a pack's file."""

    members = {
        "doc": feature.doc, "owner": feature.owner, "aggregate": feature.aggregate.value,
        "key": list(feature.key), "on": list(feature.on) or None,
        "window": None if feature.numerator else _length(feature).replace(" ", ""),
        "of": feature.of.source if feature.of else None, "where": feature.where.source if feature.where else None,
        "numerator": feature.numerator, "denominator": feature.denominator, "unit": feature.unit,
        "counts_itself": None if feature.counts_itself or feature.aggregate.value == "is_new" else False,
        "scale": feature.scale or None, "cap": feature.cap,
    }  # fmt: skip
    lines = [f"{name} = {written(value)}" for name, value in members.items() if value is not None]
    return "\n".join([f"[feature.{feature.name}]", *lines]) + "\n"


_FIRST = """[feature.new_feature]
doc = "list imports by this account in a day"
owner = "trust"
aggregate = "count"
key = ["account"]
on = ["list.imported"]
window = "1d"
unit = "imports"
"""


@get("/write/features", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_new_feature(request: Asked, desk: Given) -> Response[bytes]:
    """The text of a feature that is not there yet."""
    return desk.page(
        request, "write_feature.html", here="features", name="", body=_FIRST, why="", problems=None, id="new_feature"
    )


@get("/write/features/{name:str}", sync_to_thread=True, include_in_schema=False, opt={"role": "analyst"})
def show_feature_form(request: Asked, desk: Given, name: FromPath[str]) -> Response[bytes]:
    """The text of a feature as it is live, or as one of its versions has it (`?version=`)."""
    session: Session = request.scope["user"]
    number = request.query_params.get("version", "")
    if number.isdecimal():
        with desk.pool.connection() as connection:
            body = definitions.one(connection, session.member.tenant, "features", name, int(number[:9])).body
    else:
        feature = named(desk.pack(session), name)
        if feature is None:
            raise NotFound("there is no such feature in the pack")
        body = feature_text(feature)
    return desk.page(
        request, "write_feature.html", here="features", name=name, body=body, why="", problems=None, id=name
    )


@post("/write/features", sync_to_thread=True, include_in_schema=False, status_code=200)
def write_new_feature(request: Asked, desk: Given) -> Response[Any]:
    """Check or save the text of a feature that is not there yet."""
    return _written(request, desk, "")


@post("/write/features/{name:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def write_feature(request: Asked, desk: Given, name: FromPath[str]) -> Response[Any]:
    """Check or save another version of a feature."""
    return _written(request, desk, name)


def _written(request: Asked, desk: Desk, name: str) -> Response[Any]:
    session: Session = request.scope["user"]
    form = request.state["form"]
    body = str(form.get("body", "")).replace("\r\n", "\n")[:TEXT_CHARS]
    id_ = name or str(form.get("id", "")).strip()[:64]
    why = str(form.get("why", "")).strip()[:500]
    problems: list[Problem] = []
    if not id_:
        problems.append(Problem("id", "is needed", "the name of the feature"))
    elif form.get("verb") == "save" and not why:
        problems.append(Problem("why", "is needed", "one sentence for whoever approves it"))
    tenant = session.member.tenant
    problems += approvals.check(desk.installation, tenant, "features", id_ or "new", body).problems
    if form.get("verb") == "save" and id_ and why:
        made = approvals.draft(desk.installation, tenant, "features", id_, body, author=session.member.login, why=why)
        return go(f"/features/{path_of(id_)}/versions/{made.version}", "drafted")
    return desk.page(
        request,
        "write_feature.html",
        here="features",
        name=name,
        body=body,
        why=why,
        problems=problems,
        id=id_,
    )
