"""Backtests asked for in the console: one row each, from the wish to the result. What runs them is the worker's."""

from typing import Any, Literal

import msgspec

from goodsend.kit.clock import MINUTE, Micros
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, encode

State = Literal["due", "running", "done", "failed", "cancelled"]

LOST: Micros = 5 * MINUTE
"""A job that gave no sign of life for so long is taken for dead. Own starting value."""


class Job(msgspec.Struct, frozen=True):
    """
    One backtest. `room`, `id`, `version` name the version that is tried over what is live, None: what is live alone.

    `since` and `until` (not included) are times of events; `progress` is 0…1; `result` a Report once it is done.
    """

    tenant: str
    id: str
    asked_by: str
    asked_at: Micros
    room: str | None
    definition: str | None
    version: int | None
    since: Micros
    until: Micros
    engine: str
    state: State
    progress: float
    message: str
    started_at: Micros | None
    seen_at: Micros | None
    ended_at: Micros | None
    result: dict[str, Any] | None

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")


_SHORT = (
    "tenant, job_id, asked_by, asked_at, room, id, version, since, until, engine, state, progress, message, "
    "started_at, seen_at, ended_at"
)


def ask(
    connection: Connection, tenant: str, job_id: str, *, asked_by: str, at: Micros, since: Micros, until: Micros,
    engine: str = "duckdb", definition: tuple[str, str, int] | None = None,
) -> Job:  # fmt: skip
    """Ask for a backtest; `definition` is (room, id, version). Raises Conflict where too many wait already."""
    waiting = connection.execute(
        "SELECT count(*) FROM backtest_job WHERE tenant = %s AND state IN ('due', 'running')", (tenant,)
    ).fetchone()
    if waiting and waiting[0] >= 5:
        raise Conflict("five backtests wait or run already: wait for one to end, or cancel one")
    room, id_, version = definition or (None, None, None)
    row = connection.execute(
        "INSERT INTO backtest_job (tenant, job_id, asked_by, asked_at, room, id, version, since, until, engine, state) "
        f"VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'due') RETURNING {_SHORT}, result",
        (tenant, job_id, clean(asked_by), At(at), room, id_, version, At(since), At(until), engine),
    ).fetchone()
    assert row is not None  # noqa: S101 - an INSERT … RETURNING of one row
    detail = {"of": id_, "version": version, "since": since, "until": until}
    audit.append(connection, tenant, at, asked_by, "backtest.asked", job_id, detail)
    return Job(*row)


def one(connection: Connection, tenant: str, job_id: str) -> Job:
    """Return one backtest with its result. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_SHORT}, result FROM backtest_job WHERE tenant = %s AND job_id = %s", (tenant, clean(job_id))
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no backtest {job_id!r}")
    return Job(*row)


def latest(connection: Connection, tenant: str, limit: int = 50, *, of: str | None = None) -> list[Job]:
    """Return backtests, latest first, without their results; `of` keeps those of one definition."""
    rows = connection.execute(
        f"SELECT {_SHORT}, NULL FROM backtest_job WHERE tenant = %s AND (%s::text IS NULL OR id = %s) "
        "ORDER BY asked_at DESC, job_id LIMIT %s",
        (tenant, of, of, limit),
    )
    return [Job(*row) for row in rows]


def claim(connection: Connection, at: Micros) -> Job | None:
    """Take the job that waits longest, of any tenant, and mark it running; None when none waits."""
    connection.execute(
        "UPDATE backtest_job SET state = 'failed', ended_at = %s, message = 'What ran it ended without a word.' "
        "WHERE state = 'running' AND seen_at < %s",
        (At(at), At(at - LOST)),
    )
    row = connection.execute(
        "UPDATE backtest_job SET state = 'running', started_at = %s, seen_at = %s WHERE (tenant, job_id) = "
        "(SELECT tenant, job_id FROM backtest_job WHERE state = 'due' ORDER BY asked_at LIMIT 1 "
        f"FOR UPDATE SKIP LOCKED) RETURNING {_SHORT}, NULL",
        (At(at), At(at)),
    ).fetchone()
    return Job(*row) if row else None


def progress(connection: Connection, tenant: str, job_id: str, share: float, message: str, at: Micros) -> bool:
    """Note how far a job is (0…1) and say whether it should go on: False once it was cancelled."""
    row = connection.execute(
        "UPDATE backtest_job SET progress = %s, message = %s, seen_at = %s "
        "WHERE tenant = %s AND job_id = %s AND state = 'running' RETURNING 1",
        (min(1.0, max(0.0, share)), clean(message)[:500], At(at), tenant, job_id),
    ).fetchone()
    return row is not None


def finish(connection: Connection, tenant: str, job_id: str, result: object, at: Micros) -> None:
    """Keep the result of a job that was not cancelled meanwhile."""
    connection.execute(
        "UPDATE backtest_job SET state = 'done', progress = 1, message = '', result = %s, ended_at = %s "
        "WHERE tenant = %s AND job_id = %s AND state = 'running'",
        (encode(result), At(at), tenant, job_id),
    )


def fail(connection: Connection, tenant: str, job_id: str, message: str, at: Micros) -> bool:
    """Note why a job came to nothing; False where it was over already, and stays as it ended."""
    row = connection.execute(
        "UPDATE backtest_job SET state = 'failed', message = %s, ended_at = %s "
        "WHERE tenant = %s AND job_id = %s AND state IN ('due', 'running') RETURNING 1",
        (clean(message)[:2_000], At(at), tenant, job_id),
    ).fetchone()
    return row is not None


def cancel(connection: Connection, tenant: str, job_id: str, *, actor: str, at: Micros) -> None:
    """End a job that waits or runs. Raises Conflict when it is over."""
    job = one(connection, tenant, job_id)
    row = connection.execute(
        "UPDATE backtest_job SET state = 'cancelled', ended_at = %s, message = %s "
        "WHERE tenant = %s AND job_id = %s AND state IN ('due', 'running') RETURNING 1",
        (At(at), f"Cancelled by {clean(actor)}.", tenant, job.id),
    ).fetchone()
    if row is None:
        raise Conflict("this backtest is over already")
    audit.append(connection, tenant, at, actor, "backtest.cancelled", job_id, {})
