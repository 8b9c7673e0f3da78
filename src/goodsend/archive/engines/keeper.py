"""
Runs one command and ends it, with everything it started, when the one who asked has gone: however that one died.

Run as a script with nothing but the standard library. Standard input is held open by the asker and never written to;
the kernel closes it at the asker's death. `processes.py` starts it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

PATIENCE_S = 5.0
"""How long the group may take to end by itself."""


def main(command: list[str]) -> int:
    """Run the command in a session of its own; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # meant for the asker, whose end is heard; not SIG_IGN: Java inherits it
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, restore_signals=True)  # noqa: S603
    threading.Thread(target=_wait_for_asker, args=(child.pid,), daemon=True).start()
    code = child.wait()
    _end(child.pid)
    return code if code >= 0 else 128 - code


def _wait_for_asker(group: int) -> None:
    while os.read(0, 4096):
        pass
    _end(group)


def _end(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
