"""Processes beside the server run behind it, on its settings and database."""

import dataclasses
import os

from goodsend.children import NICE, said_by, start
from goodsend.settings import Settings
from goodsend.wiring import install


def test_a_child_runs_behind_the_server_on_its_settings(database_url: str) -> None:
    """It says what it has to say into the pipe; where it began it yields to others."""
    settings = dataclasses.replace(Settings(), database_url=database_url)
    with install(settings) as installation:
        child = start(installation, ["doctor", "--no-such-option"])
        nice = os.getpriority(os.PRIO_PROCESS, child.pid)
        said = said_by(child)

    assert nice == os.getpriority(os.PRIO_PROCESS, 0) + NICE
    assert child.returncode == 2
    assert "no-such-option" in said or "doctor" in said
