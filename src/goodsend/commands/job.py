"""`goodsend job`: one backtest that was asked for in the console. The server starts this by itself."""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from goodsend import approvals
from goodsend.archive.backtest import Ask, backtest, forget
from goodsend.archive.engines.open import open_engine
from goodsend.archive.export import Busy, export
from goodsend.archive.judge import Span
from goodsend.archive.layout import archive_folder
from goodsend.archive.past import account_labels, open_past
from goodsend.kit.clock import SECOND
from goodsend.kit.errors import Misconfigured
from goodsend.pack import Pack
from goodsend.reports.backtest import Report
from goodsend.rules.model import Mode
from goodsend.settings import Settings
from goodsend.store import backtests, definitions
from goodsend.store.backtests import Job
from goodsend.wiring import Installation, install

EXPORTED = 0.1
"""The part of the progress bar that bringing the archive up to date takes."""


_WAIT_S = 1.0


class Cancelled(Exception):  # noqa: N818 - named for what happened
    """Somebody ended the job meanwhile."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("job", help="the backtest's id, as in its address in the console")
    parser.add_argument("--tenant", required=True, help="whose it is")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the backtest and keep its report; returns 0."""
    with install(settings) as installation:
        with installation.pool.connection() as connection:
            job = backtests.one(connection, options.tenant, options.job)
        try:
            report = run_job(installation, job)
        except Cancelled:
            return 0
        with installation.pool.connection() as connection:
            backtests.finish(connection, job.tenant, job.id, report, installation.now())
    return 0


def run_job(installation: Installation, job: Job) -> Report:
    """Bring the archive up to date, then make the report. Raises Cancelled, Misconfigured, Retryable, NotFound."""
    tell = _Teller(installation, job)
    archive = archive_folder(installation.settings)
    live = installation.pack(job.tenant)
    _bring_up_to_date(installation, job, archive, live, tell)
    pack = _tried(installation, job, live)
    span = Span(job.since, job.until)
    horizon = installation.settings.late_horizon
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goodsend-job-")))
        engine = stack.enter_context(open_engine(job.engine, folder=scratch / "engine"))
        past = open_past(engine, archive, job.tenant, [pack, live], span, horizon)
        known = list(account_labels(archive, job.tenant))
        with installation.pool.connection() as connection:
            lists = approvals.current_lists(installation, connection, job.tenant)
        ask = Ask(
            tenant=job.tenant, pack=pack, span=span, digest=past.digest, lists=lists,
            against=live if job.definition else None, late_horizon=horizon, account_labels=known,
            label_sources=("decided cases",) if known else (), notes=past.notes,
        )  # fmt: skip
        report = backtest(engine, ask, scratch, tell)
        forget(ask, engine.name, scratch)
    return report


def _bring_up_to_date(installation: Installation, job: Job, archive: Path, live: Pack, tell: "_Teller") -> None:
    """Export what is new, or wait while another process does; it gives signs of life meanwhile. Raises Cancelled."""

    def told(done: int, of: int) -> None:
        tell(f"Bringing the archive up to date: {done:,} of {of:,} events", None)

    tell("Bringing the archive up to date", 0.0)
    while True:
        try:
            with installation.pool.connection() as connection:
                files = installation.layers.files(job.tenant)
                export(connection, archive, job.tenant, live, told, files=files)
        except Busy:
            tell("Waiting for another export to end", None)
            time.sleep(_WAIT_S)
        else:
            return


def _tried(installation: Installation, job: Job, live: Pack) -> Pack:
    """Return the pack with the version that is tried live, and judged even where its mode is off."""
    if job.room is None or job.definition is None or job.version is None:
        return live
    with installation.pool.connection() as connection:
        found = definitions.one(connection, job.tenant, job.room, job.definition, job.version)
        layer = definitions.layer(connection, job.tenant)
    pack, problems = installation.layers.build(dict(sorted({**layer, found.path: found.body.encode()}.items())))
    if pack is None:
        raise Misconfigured("the version has problems", problems)
    rule = pack.ruleset.rules.get(job.definition)
    if job.room == "rules" and rule is not None and rule.mode is Mode.OFF:
        raise Misconfigured("the rule is off in this version, so it judges nothing: make it shadow to try it")
    return pack


class _Teller:
    """Writes how far the job is, at most once a second. Raises Cancelled when it should not go on."""

    def __init__(self, installation: Installation, job: Job) -> None:
        self._installation = installation
        self._job = job
        self._told_at = 0
        self._share = 0.0

    def __call__(self, step: str, share: float | None) -> None:
        now = self._installation.now()
        if share is not None:
            self._share = max(self._share, EXPORTED + (1 - EXPORTED) * share) if share else self._share
        if now - self._told_at < SECOND:
            return
        self._told_at = now
        with self._installation.pool.connection() as connection:
            goes_on = backtests.progress(connection, self._job.tenant, self._job.id, self._share, step, now)
        if not goes_on:
            raise Cancelled
