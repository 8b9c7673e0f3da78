"""Backtests asked for in the console: run by a process of their own from the wish to the report, cancelled, told."""

import dataclasses
import fcntl
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goodsend import approvals
from goodsend.archive.layout import LOCK, archive_folder, tenant_folder
from goodsend.commands.job import Cancelled, run_job
from goodsend.jobs import Jobs
from goodsend.kit.clock import DAY, HOUR, SECOND
from goodsend.kit.errors import Misconfigured
from goodsend.reports.backtest import Report
from goodsend.rules.evaluate import is_in_share
from goodsend.settings import Settings
from goodsend.store import backtests, tenants
from goodsend.store.backtests import Job
from goodsend.wiring import Installation, install

TENANT = "demo"
RULE = """[rule.own_import]
doc = "d"
owner = "o"
policy = "purchased_list"
severity = 3
on = ["list.imported"]
when = "e.recipients >= 1000"
verdict = "review"
reason = "r"
[[rule.own_import.case]]
name = "many"
given = { "e.recipients" = 5000 }
fires = true
[[rule.own_import.case]]
name = "few"
given = { "e.recipients" = 1 }
fires = false
"""


@pytest.fixture(scope="module")
def installation(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A tenant with six imports in the log, two of them of a thousand addresses and more."""
    settings = dataclasses.replace(
        Settings(), database_url=database_url, archive=str(tmp_path_factory.mktemp("archive")), log_level="warning"
    )
    with install(settings) as installed:
        with installed.pool.connection() as connection:
            tenants.ensure(connection, TENANT, "Demo", installed.now())
        installed.engine.start()
        at = installed.now() - HOUR
        events = [
            {
                "id": f"e{number}", "kind": "list.imported", "at": at + number * SECOND,
                "data": {"account": f"a{number % 2}", "recipients": many},
            }
            for number, many in enumerate((10, 2_000, 30, 999, 1_000, 7))
        ]  # fmt: skip
        installed.engine.submit(TENANT, events).result()
        yield installed


@pytest.fixture
def jobs(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """What starts them, looking at every tick."""
    monkeypatch.setattr("goodsend.jobs.EVERY_S", 0.0)
    made = Jobs(installation)
    yield made
    made.stop()


def ask(installation: Installation, name: str, definition: tuple[str, str, int] | None = None) -> Job:
    """Ask for a backtest of the last day."""
    now = installation.now()
    with installation.pool.connection() as connection:
        return backtests.ask(
            connection, TENANT, name, asked_by="ann", at=now, since=now - DAY, until=now, definition=definition
        )


def job_of(installation: Installation, name: str) -> Job:
    """A job as it stands."""
    with installation.pool.connection() as connection:
        return backtests.one(connection, TENANT, name)


def tick_until_over(jobs: Jobs, installation: Installation, name: str, seconds: float = 90) -> Job:
    """Tick until a job is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not job_of(installation, name).is_over:
        jobs.tick()
        time.sleep(0.05)
    return job_of(installation, name)


def draft(installation: Installation, body: str) -> tuple[str, str, int]:
    """A new version of the rule, not live."""
    made = approvals.draft(installation, TENANT, "rules", "own_import", body, author="ann", why="w")
    return ("rules", "own_import", made.version)


def claim(installation: Installation, name: str) -> Job:
    """Mark a job running, as its starter does."""
    with installation.pool.connection() as connection:
        taken = backtests.claim(connection, installation.now())
    assert taken is not None
    assert taken.id == name
    return taken


def cancel(installation: Installation, name: str) -> None:
    """Cancel a job as somebody does on its page."""
    with installation.pool.connection() as connection:
        backtests.cancel(connection, TENANT, name, actor="bob", at=installation.now())


def test_from_the_wish_to_the_report(installation: Installation, jobs: Jobs) -> None:
    """A process of its own exports the archive and tries the version against what is live: two hits, both new."""
    ask(installation, "whole", draft(installation, RULE))

    job = tick_until_over(jobs, installation, "whole")

    assert (job.state, job.message, job.progress) == ("done", "", 1)
    report = msgspec.convert(job.result, Report)
    found = next(rule for rule in report.rules if rule.id == "own_import")
    assert (report.events, found.judged, found.hits, found.status) == (6, 6, 2, "new")
    assert found.change is not None
    assert {sample.event_id for sample in found.change.new_samples} == {"e1", "e4"}
    assert list(Path(installation.settings.archive).rglob("*.parquet"))


def test_a_backtest_and_a_quick_count_say_the_same_of_what_acts(installation: Installation) -> None:
    """The share counts in both, and both hold a narrower version against the live one: nothing new, the rest lost."""

    def write(id_: str, least: int, share: float) -> str:
        said = f'mode = "live"\nshare = {share}\nreason = "r"'
        return RULE.replace("own_import", id_).replace(">= 1000", f">= {least}").replace('reason = "r"', said)

    ids = [f"shared_{number}" for number in range(40)]  # which account is inside differs by rule: one has one of two
    id_ = next(one for one in ids if is_in_share(one, "a0", 0.5) != is_in_share(one, "a1", 0.5))
    for least, approves in ((20, True), (1_000, False)):
        made = approvals.draft(installation, TENANT, "rules", id_, write(id_, least, 0.5), author="ann", why="w")
        if approves:
            approvals.propose(installation, TENANT, "rules", id_, made.version, actor="ann")
            approvals.approve(installation, TENANT, "rules", id_, made.version, actor="bob")
    ask(installation, "agreed", ("rules", id_, made.version))

    report = run_job(installation, claim(installation, "agreed"))
    found = next(rule for rule in report.rules if rule.id == id_)
    counted = approvals.count(installation, TENANT, approvals.check(installation, TENANT, "rules", id_, made.body))
    approvals.retire(installation, TENANT, "rules", id_, actor="bob", why="w")
    with installation.pool.connection() as connection:
        backtests.finish(connection, TENANT, "agreed", report, installation.now())

    assert counted is not None
    assert found.change is not None
    assert (counted.hits, counted.live, counted.new, counted.lost) == (2, 4, 0, 2)
    assert (found.hits, found.change.new, found.change.lost) == (counted.hits, counted.new, counted.lost)
    assert (found.acting, found.acting_accounts) == (counted.acting, counted.acting_accounts)
    assert (found.change.new_acting, found.change.lost_acting) == (counted.new_acting, counted.lost_acting)
    assert 0 < (counted.live_acting or 0) < counted.live


def test_cancelled_while_it_runs(installation: Installation, jobs: Jobs) -> None:
    """Its process is ended and leaves nothing behind; it stays cancelled."""
    ask(installation, "long")
    jobs.tick()
    assert job_of(installation, "long").state == "running"
    assert jobs._child is not None
    child, scratch = jobs._child.process, Path(jobs._child.scratch.name)
    assert scratch.is_dir()

    with installation.pool.connection() as connection:
        backtests.cancel(connection, TENANT, "long", actor="bob", at=installation.now())
    end = time.monotonic() + 30
    while time.monotonic() < end and jobs._child is not None:
        jobs.tick()
        time.sleep(0.05)

    assert child.poll() is not None
    assert jobs._child is None
    assert not scratch.exists()
    job = job_of(installation, "long")
    assert (job.state, job.message, job.result) == ("cancelled", "Cancelled by bob.", None)


def test_report_of_a_cancelled_job_is_not_kept(installation: Installation) -> None:
    """The work itself ends at the next sign of life, also where its process could not be ended."""
    ask(installation, "quiet")
    job = claim(installation, "quiet")
    with installation.pool.connection() as connection:
        backtests.cancel(connection, TENANT, "quiet", actor="bob", at=installation.now())

    with pytest.raises(Cancelled):
        run_job(installation, job)
    with installation.pool.connection() as connection:
        backtests.finish(connection, TENANT, "quiet", {}, installation.now())
    assert job_of(installation, "quiet").state == "cancelled"


def test_another_export_is_waited_for(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own export at the same time fails no backtest; what waits can still be cancelled."""
    monkeypatch.setattr("goodsend.commands.job._WAIT_S", 0.05)
    monkeypatch.setattr("goodsend.commands.job.SECOND", 0)
    folder = tenant_folder(archive_folder(installation.settings), TENANT)
    folder.mkdir(parents=True, exist_ok=True)
    ask(installation, "patient")
    job = claim(installation, "patient")
    with (folder / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        letting_go = threading.Timer(0.5, fcntl.flock, (held, fcntl.LOCK_UN))
        letting_go.start()
        assert run_job(installation, job).events == 6
        letting_go.join()
        fcntl.flock(held, fcntl.LOCK_EX)
        cancelling = threading.Timer(0.5, cancel, (installation, "patient"))
        cancelling.start()
        with pytest.raises(Cancelled):
            run_job(installation, job)
        cancelling.join()


def test_a_long_export_gives_signs_of_life(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them, who starts jobs would take it for dead in the middle of the first export of a large log."""
    monkeypatch.setattr("goodsend.commands.job.SECOND", 0)
    shutil.rmtree(archive_folder(installation.settings), ignore_errors=True)
    said: list[str] = []

    def progress(*told: Any) -> bool:
        said.append(told[4])
        return True

    monkeypatch.setattr("goodsend.commands.job.backtests.progress", progress)
    ask(installation, "alive")
    run_job(installation, claim(installation, "alive"))
    cancel(installation, "alive")

    assert "Bringing the archive up to date: 6 of 6 events" in said


def test_rule_that_is_off_cannot_be_tried(installation: Installation) -> None:
    """It would judge nothing: said, instead of a report of zeros."""
    ask(
        installation, "off", draft(installation, RULE.replace('verdict = "review"', 'verdict = "review"\nmode = "off"'))
    )
    job = claim(installation, "off")

    with pytest.raises(Misconfigured, match="the rule is off in this version"):
        run_job(installation, job)
    with installation.pool.connection() as connection:
        backtests.fail(connection, TENANT, "off", "x", installation.now())


def test_failure_is_told(installation: Installation, jobs: Jobs) -> None:
    """What the process said last is the job's message."""
    ask(installation, "wrong", draft(installation, RULE.replace("e.recipients >=", "e.recipientz >=")))

    job = tick_until_over(jobs, installation, "wrong")

    assert job.state == "failed"
    assert "e.recipientz" in job.message


def test_server_that_stops_tells_its_job(installation: Installation) -> None:
    """Nobody waits for a job whose server has gone."""
    jobs = Jobs(installation)
    ask(installation, "stopped")
    jobs.tick()
    jobs.stop()

    job = job_of(installation, "stopped")

    assert (job.state, job.message) == ("failed", "The server was stopped.")


def test_job_without_a_sign_of_life_is_taken_for_dead(installation: Installation) -> None:
    """Its server was killed: it is told as failed when the next looks for work."""
    ask(installation, "dead")
    claim(installation, "dead")

    with installation.pool.connection() as connection:
        assert backtests.claim(connection, installation.now() + backtests.LOST + SECOND) is None

    assert job_of(installation, "dead").state == "failed"
