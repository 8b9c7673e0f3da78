"""The console's routes and how its errors look. What a page shows lives in the file of the page."""

import logging
import uuid
from typing import Any

import psycopg
import psycopg_pool
from litestar import Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from goodsend.console import (
    accounts,
    cases,
    contents,
    entry,
    events,
    features,
    house,
    judging,
    looking,
    overview,
    versions,
    writing,
)
from goodsend.console.desk import Asked, Desk, answer
from goodsend.console.entry import FORM_BYTES, Given
from goodsend.kit.errors import Conflict, NotFound, Retryable
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.console")
_FOREVER = "public, max-age=31536000, immutable"


@get("/assets/{name:str}", opt={"public": True}, sync_to_thread=False, include_in_schema=False)
def show_asset(request: Asked, desk: Given, name: FromPath[str]) -> Response[bytes]:
    """A built script or style; its name carries its content, so browsers keep it for good."""
    asset = desk.assets.files.get(name)
    if asset is None:
        raise NotFound("there is no such file")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return answer(asset.packed, asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return answer(asset.body, asset.media_type, headers=headers)


@get("/favicon.ico", opt={"public": True}, sync_to_thread=False, include_in_schema=False)
def show_icon(desk: Given) -> Response[bytes]:
    """The mark, for browsers that do not read the page's own link to it."""
    asset = desk.assets.files[desk.assets.manifest["mark.svg"]]
    return answer(asset.body, asset.media_type, headers={"Cache-Control": "public, max-age=86400"})


@get("/{way:path}", opt={"public": True}, sync_to_thread=False, include_in_schema=False)
def show_nowhere(way: FromPath[str]) -> Response[bytes]:
    """Any other address."""
    del way
    raise NotFound("there is no such page")


def build_console(installation: Installation) -> list[ControllerRouterHandler]:
    """Return the console's routes for `Litestar(route_handlers=…)`. Raises Misconfigured when it was not built."""
    desk = Desk(installation)
    router = Router(
        path="/",
        route_handlers=[
            show_asset,
            show_icon,
            show_nowhere,
            entry.show_sign_in,
            entry.sign_in,
            entry.sign_out,
            overview.show_overview,
            overview.show_overview_live,
            events.show_events,
            events.show_event,
            contents.show_preview,
            cases.show_cases,
            cases.show_case,
            cases.act_on_case,
            accounts.show_accounts,
            accounts.show_account,
            judging.show_rules,
            judging.show_rule,
            writing.show_new_rule,
            writing.show_rule_form,
            writing.write_new_rule,
            writing.write_rule,
            writing.check_rule,
            writing.try_rule,
            writing.show_words,
            writing.show_recent,
            versions.show_version,
            versions.move_version,
            versions.switch_rule,
            versions.show_feature_version,
            versions.move_feature_version,
            features.show_features,
            features.show_feature,
            features.show_new_feature,
            features.show_feature_form,
            features.write_new_feature,
            features.write_feature,
            looking.show_backtests,
            looking.ask_backtest,
            looking.show_backtest,
            looking.cancel_backtest,
            looking.show_shadow,
            looking.show_alarms,
            looking.see_alarm,
            looking.show_proof,
            judging.show_lists,
            judging.show_list,
            judging.change_list,
            house.show_rejections,
            house.show_outbox,
            house.resend,
            house.show_audit,
            house.show_chain,
            house.show_members,
            house.change_members,
            house.change_destination,
            house.show_help,
            house.find,
        ],
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
        before_request=entry.entry_check(desk),
        exception_handlers={Exception: problem_pages(desk)},
        request_max_body_size=FORM_BYTES,
    )
    return [router]


def problem_pages(desk: Desk) -> Any:
    """Return the handler that shows an error as a page: what happened, and a way on; never how it came about."""

    def show(request: Asked, error: Exception) -> Response[bytes]:
        way = ("/", "To the overview")
        number = ""
        if isinstance(error, NotFound):
            status, title, text = (
                404,
                "Not here",
                f"{str(error)[:1].upper()}{str(error)[1:]}, or it is not yours to see.",
            )
        elif isinstance(error, Conflict):
            status, title, text = 409, "Not possible", str(error)
        elif isinstance(error, Retryable | psycopg.OperationalError | psycopg_pool.PoolTimeout):
            status, title, text = 503, "Away for a moment", "The database does not answer. Try again in a few seconds."
            way = (request.url.path, "Try again")
        elif isinstance(error, HTTPException) and error.status_code < 500:
            status, title, text = _http(error)
        else:
            number = uuid.uuid4().hex
            _LOG.error("console error %s", number, exc_info=error)
            status, title = 500, "Something went wrong"
            text = "This is our mistake. The log has it under the reference below."
        return desk.page(request, "problem.html", status=status, title=title, text=text, way=way, number=number)

    return show


def _http(error: HTTPException) -> tuple[int, str, str]:
    titles = {403: "Not allowed", 404: "Not here", 405: "Not possible", 413: "Too large"}
    texts = {404: "There is no such page.", 405: "This address cannot be used that way.", 413: "The form is too large."}
    status = error.status_code
    return status, titles.get(status, "Not possible"), texts.get(status, error.detail)
