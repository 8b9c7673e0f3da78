"""
Processes of this program beside the server: what takes long and may wait. They run behind everything else, because
requests should not notice them.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from goodsend.settings import PREFIX, environment_of
from goodsend.wiring import Installation

NICE = 10
"""Of two that want a core, the server's threads get nine tenths of it."""


def start(
    installation: Installation,
    arguments: Sequence[str],
    *,
    stdout: int | IO[bytes] = subprocess.PIPE,
    more: Mapping[str, str] | None = None,
) -> "subprocess.Popen[Any]":
    """
    Start `goodsend` with these arguments on the installation's own database and settings.

    What it says, errors included, goes to `stdout`; `more` is put into its environment.
    """
    settings = dataclasses.replace(installation.settings, database_url=str(installation.pool.conninfo))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = subprocess.Popen(  # noqa: S603 - this program itself
        [sys.executable, "-m", "goodsend", *arguments],
        env=ours | environment_of(settings) | dict(more or {}),
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with suppress(OSError, AttributeError):  # a system that has no such thing, or does not allow it
        os.setpriority(os.PRIO_PROCESS, child.pid, NICE)
    return child


def said_by(child: "subprocess.Popen[bytes]") -> str:
    """Wait for the end of a child whose output is a pipe, and return what it said."""
    return child.communicate()[0].decode("utf-8", "replace").strip()
