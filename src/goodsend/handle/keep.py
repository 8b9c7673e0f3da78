"""
A judged batch into the database: one transaction, and with it everything that follows, outbox rows included.

A batch may have been judged while the one before it was still being written, and people work on cases at any time. So
the first thing a transaction asks is whether the batch was judged by what is so now; if not, it is judged again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from goodsend.cases.model import OpenCase
from goodsend.decisions.breaker import Counted, limits_of
from goodsend.decisions.model import Action, Decision
from goodsend.handle.batch import Batch, answers_of, ask_known, judge_again, rows_of, still_holds
from goodsend.handle.model import Answer
from goodsend.outreach.model import Notice
from goodsend.pack import Pack
from goodsend.pipeline import Outcome
from goodsend.store import accounts, breaker, casework, contents, entity_labels, log, notices, outbox, rejections
from goodsend.store.connection import Asked, Connection, Pool
from goodsend.store.partitions import date_of, ensure_days

PROFILE_FIELDS = ("plan", "country", "email", "name", "company", "website", "domain", "phone", "vertical")
"""Fields of account events that the console shows of the account."""


class _Changed(Exception):  # noqa: N818 - never leaves this module
    """What the batch was judged by is not so any more."""


class Kept(msgspec.Struct, frozen=True):
    """A batch is in the log. `judged_again` says that its outcomes are not those it came with."""

    answers: list[list[Answer]]
    judged_again: bool


def keep(pool: Pool, batch: Batch, *, doubtful: bool = False) -> Kept:
    """
    Write a batch, commit, and return the answers part by part. `doubtful`: judge it again in any case.

    Raises what the database raises; nothing is written then.
    """
    if not doubtful:
        try:
            with _fresh(pool) as connection:
                return Kept(_keep(connection, batch), judged_again=False)
        except _Changed:
            pass
    with _fresh(pool) as connection:
        known = ask_known(connection, batch, locked=True)()
        known.asked = Counted(limits_of(batch.pack.actions))
        breaker.catch_up(connection, batch.tenant, known.asked, batch.times)
        judge_again(batch, known)
        return Kept(_keep(connection, batch, is_sure=True), judged_again=True)


@contextmanager
def _fresh(pool: Pool) -> Iterator[Connection]:
    """Lend a connection for a transaction. One that failed is closed: what is prepared on it is not known."""
    with pool.connection() as connection:
        try:
            yield connection
        except _Changed:
            raise
        except BaseException:
            connection.close()
            raise


def _keep(connection: Connection, batch: Batch, *, is_sure: bool = False) -> list[list[Answer]]:
    rows = rows_of(batch)
    # Before any pipeline: what alters a table makes the driver forget what it has prepared, also what is on its way.
    ensure_days(connection, {date_of(row.event.at) for row in rows})
    if len(rows) > log.FEW:
        if not is_sure:
            with connection.pipeline():
                asked = _ask_again(connection, batch)
                _check(batch, *asked)
        log.append(connection, batch.tenant, rows, batch.now, batch.copies)
        with connection.pipeline():
            _apply(connection, batch)
    elif rows:
        with connection.pipeline():
            asked = _ask_again(connection, batch)
            log.append(connection, batch.tenant, rows, batch.now)
            _apply(connection, batch)
            if not is_sure:
                _check(batch, *asked)
    earlier = log.decisions_for(connection, batch.tenant, batch.repeats - batch.outcomes.keys())
    answers = answers_of(batch, earlier)
    for part, answered in zip(batch.parts, answers, strict=True):
        rejected = [answer.rejection for answer in answered if answer.rejection is not None]
        if rejected:
            rejections.add(connection, batch.tenant, part.work.source, rejected, batch.now)
    return answers


def _ask_again(connection: Connection, batch: Batch) -> tuple[Asked[dict[str, str]], Asked[list[OpenCase]]]:
    """Ask for what the batch was judged by; cases are locked, so that nobody decides one while evidence joins it."""
    standings: Asked[dict[str, str]] = dict
    cases: Asked[list[OpenCase]] = list
    if batch.holders:
        standings = accounts.ask_standings(connection, batch.tenant, batch.holders)
    if batch.subjects:
        cases = casework.ask_open_cases(connection, batch.tenant, batch.subjects)
    return standings, cases


def _check(batch: Batch, standings: Asked[dict[str, str]], cases: Asked[list[OpenCase]]) -> None:
    if not still_holds(batch, standings(), cases()):
        raise _Changed


def _apply(connection: Connection, batch: Batch) -> None:
    """Write everything that follows from a batch, outbox rows included."""
    tenant, pack, now = batch.tenant, batch.pack, batch.now
    outcomes = list(batch.outcomes.values())
    bodies = {o.content.digest: o.content for o in outcomes if o.content is not None}
    scans = {o.content.digest: o.scan for o in outcomes if o.content is not None and o.scan is not None}
    if bodies:
        contents.keep(connection, tenant, bodies.values(), now)
        contents.keep_scans(connection, tenant, scans, pack.version, now)
    seen = [_account_row(outcome, batch.entities[event_id], pack) for event_id, outcome in batch.outcomes.items()]
    accounts.update(connection, tenant, seen, now)
    moves = [outcome.move for outcome in outcomes if outcome.move is not None]
    if moves:
        accounts.apply_moves(connection, tenant, moves)
    changes = [outcome.case for outcome in outcomes if outcome.case is not None]
    if changes:
        casework.apply_changes(connection, tenant, changes, now)
    drafts: dict[str, Notice] = {}
    asked: dict[str, tuple[Action, Decision]] = {}
    for outcome in outcomes:  # of what is asked for twice the first counts; the store holds to that across batches
        if outcome.notice is not None:
            drafts.setdefault(outcome.notice.id, outcome.notice)
        for action in outcome.decision.actions:
            asked.setdefault(action.id, (action, outcome.decision))
    if drafts:
        notices.keep(connection, tenant, drafts.values())
    if asked:
        outbox.add(connection, tenant, list(asked.values()), now)
    known = batch.known
    if known is not None and known.labelled:
        entity_labels.keep(connection, tenant, known.replaced, known.labelled)
    if known is not None and known.asked.limits:
        breaker.keep(connection, tenant, known.asked, [outcome.decision for outcome in outcomes], now)


def _account_row(outcome: Outcome, entities: Mapping[str, str], pack: Pack) -> accounts.Seen:
    event = outcome.event
    profile: dict[str, str] = {}
    if event.kind.startswith("account."):
        profile = {name: str(value) for name in PROFILE_FIELDS if (value := event.data.get(name)) is not None}
    return accounts.Seen(
        account=outcome.decision.account,
        at=event.at,
        verdict=outcome.decision.verdict.value,
        profile=profile,
        entities=tuple(pair for pair in entities.items() if pair[0] in pack.kinds.linking),
    )
