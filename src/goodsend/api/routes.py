"""Puts the API together: every handler, with the installation, the keys, the limits and the headers they share."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from goodsend.api import (
    accounts,
    cases,
    decisions,
    definitions,
    events,
    health,
    outbox,
    problems,
    rejections,
    rules,
    scans,
    watching,
)
from goodsend.api.access import Access, Keyring
from goodsend.api.context import carry
from goodsend.api.headers import stamp_with
from goodsend.api.parameters import known_parameters
from goodsend.store import keys
from goodsend.wiring import Installation


def build_api(installation: Installation) -> list[ControllerRouterHandler]:
    """Return the API's routes, for the server to put into its application."""
    handlers: list[ControllerRouterHandler] = [
        events.send_events, events.list_events, events.read_event,
        decisions.decide_event, decisions.list_decisions, decisions.read_decision,
        scans.scan_content,
        cases.list_cases, cases.read_case,
        accounts.read_account,
        rejections.list_rejections,
        outbox.list_outbox, outbox.resend,
        definitions.list_kinds, definitions.list_rules, watching.compare_shadow, watching.list_alarms,
        rules.check_rule, rules.try_rule, rules.list_versions, rules.draft_rule, rules.propose_rule,
        rules.approve_rule, rules.roll_back_rule, rules.retire_rule,
        health.healthz, health.readyz,
        problems.list_problems, problems.explain_problem,
    ]  # fmt: skip
    return [
        Router(
            "/",
            route_handlers=handlers,
            guards=[known_parameters],
            middleware=[stamp_with({}), carry(installation, keyring(installation))],
            exception_handlers={Exception: problems.answer},
            request_max_body_size=None,  # each handler that reads a body knows its own limit
        )
    ]


def keyring(installation: Installation) -> Keyring:
    """Return the keys of an installation, verified by its store."""

    def verify(key: str) -> Access | None:
        with installation.pool.connection() as connection:
            found = keys.verify(connection, key, installation.now())
        return Access(found.tenant, found.key_id, found.scopes) if found is not None else None

    return Keyring(verify, installation.now)
