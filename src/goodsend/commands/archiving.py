"""
Beside the server: bring the archive up to date every so often (GOODSEND_ARCHIVE_EVERY), in a process of its own, so
that the engine loses no time to it.
"""

import dataclasses
import logging
import os
import subprocess
import sys
import threading

from goodsend.kit.clock import SECOND
from goodsend.settings import PREFIX, environment_of
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.archive")


def run(installation: Installation, stop: threading.Event) -> None:
    """Export what is new of every tenant, wait, and again, until told to stop. Does nothing when the setting is 0."""
    wait_s = installation.settings.archive_every / SECOND
    while wait_s and not stop.is_set():
        _export(installation, stop)
        stop.wait(wait_s)


def _export(installation: Installation, stop: threading.Event) -> None:
    settings = dataclasses.replace(installation.settings, database_url=str(installation.pool.conninfo))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = subprocess.Popen(
        [sys.executable, "-m", "goodsend", "archive"],
        env=environment | environment_of(settings), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while child.poll() is None:
        if stop.wait(0.2):
            child.terminate()  # the step it was in is as if it had not begun
    said = child.communicate()[0].strip()
    if child.returncode == 0:
        _LOG.info("%s", said)
    elif child.returncode == 1:
        _LOG.warning("%s", said)
    elif not stop.is_set():
        _LOG.warning("the archive waits: %s", said[-500:])
