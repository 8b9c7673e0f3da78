"""
Backtests asked for in the console, each run by a process of its own: one at a time, so that events never wait for it.

What the child does lives in `commands/job.py`; here it is started, ended when the job is cancelled, and told as over.
"""

import logging
import os
import subprocess
import tempfile
import time
from typing import IO, Final

import msgspec

from goodsend.children import start
from goodsend.store import backtests
from goodsend.store.backtests import Job
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.jobs")
EVERY_S: Final = 1.0
"""How often to look for jobs and for a cancellation."""


class _Child(msgspec.Struct, frozen=True):
    """A process and its job. `said` is what it wrote; `scratch` its folder for what it need not keep."""

    job: Job
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    scratch: tempfile.TemporaryDirectory[str]

    def close(self) -> None:
        """Remove what it left behind, however it ended."""
        self.said.close()
        self.scratch.cleanup()


class Jobs:
    """The one child process, and the job it works on. Not for several threads."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._child: _Child | None = None
        self._look_at = 0.0

    def tick(self) -> None:
        """Start what is due, end what was cancelled, tell what ended. Raises what the database raises."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + EVERY_S
        if self._child is None:
            with self._installation.pool.connection() as connection:
                job = backtests.claim(connection, self._installation.now())
            if job is not None:
                self._start(job)
            return
        child = self._child
        if child.process.poll() is not None:
            self._child = None
            self._tell_end(child)
            return
        with self._installation.pool.connection() as connection:
            if backtests.one(connection, child.job.tenant, child.job.id).state in ("cancelled", "failed"):
                child.process.terminate()  # one that is done is about to end by itself

    def stop(self) -> None:
        """End the child; its job is told as failed, so that nobody waits for it."""
        if self._child is None:
            return
        child, self._child = self._child, None
        child.process.terminate()
        try:
            child.process.wait(10)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.close()
        job = child.job
        with self._installation.pool.connection() as connection:
            backtests.fail(connection, job.tenant, job.id, "The server was stopped.", self._installation.now())

    def _start(self, job: Job) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child has ended
        scratch = tempfile.TemporaryDirectory(prefix="goodsend-job-")
        arguments = ["job", job.id, "--tenant", job.tenant]
        process = start(self._installation, arguments, stdout=said, more={"TMPDIR": scratch.name})
        self._child = _Child(job, process, said, scratch)

    def _tell_end(self, child: _Child) -> None:
        job, code, said = child.job, child.process.returncode, child.said
        said.seek(max(0, said.seek(0, os.SEEK_END) - 1_500))
        tail = said.read().decode("utf-8", "replace").strip()
        child.close()
        with self._installation.pool.connection() as connection:
            # Changes nothing where the child has told its end itself, or the job was cancelled.
            failed = backtests.fail(
                connection, job.tenant, job.id, tail or f"It ended with code {code}.", self._installation.now()
            )
        if failed:
            _LOG.warning("the backtest %s ended with code %s: %s", job.id, code, tail)
