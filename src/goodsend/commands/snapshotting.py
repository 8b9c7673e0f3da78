"""Snapshots while the server runs: a process of its own for each, when the log has grown enough since the last one."""

import logging
import subprocess
import threading
import time

import psycopg
from psycopg_pool import PoolTimeout

from goodsend.children import start
from goodsend.store import snapshots
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.snapshots")
_LOOK_S = 5.0
_REST = 5.0
"""A snapshot that took 4 seconds is followed by a rest of 20: a fifth of one core at most. Own starting value."""


def run(installation: Installation, stop: threading.Event) -> None:
    """Take snapshots until told to stop."""
    rested_at = 0.0
    while not stop.wait(_LOOK_S):
        if time.monotonic() < rested_at:
            continue
        began = time.monotonic()
        try:
            tenant = _due(installation)
            if tenant is None:
                continue
            _take(installation, tenant, stop)
        except (psycopg.OperationalError, PoolTimeout):
            continue  # the worker says that the database is away
        except Exception as error:  # noqa: BLE001 - such as no memory for a process: the next one may succeed
            _LOG.error("no snapshot was taken", exc_info=error)
        rested_at = time.monotonic() + _REST * (time.monotonic() - began)


def _due(installation: Installation) -> str | None:
    """Return the tenant whose log has grown most since its last snapshot, None when none has grown enough."""
    arrivals = {found.tenant: found.arrival for found in installation.engine.progress()}
    if not arrivals:
        return None
    with installation.pool.connection() as connection:
        kept = snapshots.latest_arrivals(connection)
    grown = {tenant: arrival - kept.get(tenant, 0) for tenant, arrival in arrivals.items()}
    most = max(grown, key=lambda tenant: grown[tenant])
    return most if grown[most] >= installation.settings.snapshot_events else None


def _take(installation: Installation, tenant: str, stop: threading.Event) -> None:
    child = start(installation, ["snapshot", "--tenant", tenant])
    said = _said(child, stop).strip()
    if child.returncode == 0:
        _LOG.info("%s", said)
    elif not stop.is_set():
        _LOG.warning("no snapshot of tenant %s was taken: %s", tenant, said[-500:])


def _said(child: "subprocess.Popen[bytes]", stop: threading.Event) -> str:
    """Wait for the end of a process and return what it printed; when told to stop, end it."""
    while True:
        try:
            return child.communicate(timeout=0.2)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            if stop.is_set():
                child.terminate()
