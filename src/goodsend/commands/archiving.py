"""
Beside the server: bring the archive up to date every so often (GOODSEND_ARCHIVE_EVERY), in a process of its own, so
that the engine loses no time to it.
"""

import logging
import threading

from goodsend.children import said_by, start
from goodsend.kit.clock import SECOND
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.archive")


def run(installation: Installation, stop: threading.Event) -> None:
    """Export what is new of every tenant, wait, and again, until told to stop. Does nothing when the setting is 0."""
    wait_s = installation.settings.archive_every / SECOND
    while wait_s and not stop.is_set():
        _export(installation, stop)
        stop.wait(wait_s)


def _export(installation: Installation, stop: threading.Event) -> None:
    child = start(installation, ["archive"])
    while child.poll() is None:
        if stop.wait(0.2):
            child.terminate()  # the step it was in is as if it had not begun
    said = said_by(child)
    if child.returncode == 0:
        _LOG.info("%s", said)
    elif child.returncode == 1:
        _LOG.warning("%s", said)
    elif not stop.is_set():
        _LOG.warning("the archive waits: %s", said[-500:])
