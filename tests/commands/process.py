"""`goodsend` as a process, for tests that come in the way a user does: its answer, its peak memory, its end."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

BASE = {key: value for key, value in os.environ.items() if not key.startswith("GOODSEND_")} | {"PYTHONUTF8": "1"}


class Done(msgspec.Struct, frozen=True):
    """What a process left behind. `peak_bytes` is the most memory it held at once."""

    code: int
    out: str
    err: bytes
    peak_bytes: int


def goodsend(*arguments: str | Path, env: Mapping[str, str] = {}, stdin: Path | bytes = b"") -> Done:
    """Run a command to its end; `stdin` is a file to read from, or bytes to feed."""
    with Running(*arguments, env=env, stdin=stdin if isinstance(stdin, Path) else None) as process:
        if isinstance(stdin, bytes):
            process.feed(stdin)
        process.close_input()
        return process.finish()


class Running:
    """A command that runs beside the test; at the end of the block it is killed if it still lives."""

    def __init__(self, *arguments: str | Path, env: Mapping[str, str] = {}, stdin: Path | None = None) -> None:
        source = stdin.open("rb") if stdin is not None else None
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "goodsend", *map(str, arguments)],
            stdin=source or subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BASE | dict(env),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
        )  # fmt: skip
        if source is not None:
            source.close()
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self._readers = [
            threading.Thread(target=_drain, args=(stream, kept), daemon=True)
            for stream, kept in ((self.popen.stdout, self._out), (self.popen.stderr, self._err))
        ]
        for reader in self._readers:
            reader.start()
        self._peak_bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """
        Note the most memory held so far, every few milliseconds, while the process lives.

        What the kernel tells of a child at its end also counts the memory of the process that started it.
        """
        while self.popen.returncode is None:
            try:
                status = Path(f"/proc/{self.popen.pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            if found:
                self._peak_bytes = max(self._peak_bytes, int(found[1]) * 1024)
            time.sleep(0.01)

    @property
    def out(self) -> str:
        """What it printed so far."""
        return b"".join(self._out).decode()

    @property
    def err(self) -> bytes:
        """What it complained of so far."""
        return b"".join(self._err)

    def feed(self, data: bytes) -> None:
        """Write to its standard input; nothing is said when it no longer reads."""
        if self.popen.stdin is None:
            return
        with suppress(BrokenPipeError):
            self.popen.stdin.write(data)
            self.popen.stdin.flush()

    def close_input(self) -> None:
        """End its standard input."""
        if self.popen.stdin is not None:
            with suppress(BrokenPipeError):
                self.popen.stdin.close()

    def printed(self, start: str, patience_s: float = 60.0) -> str:
        """Wait for the line that starts so and return its rest."""

        def line() -> str | None:
            complete = self.out.rpartition("\n")[0]
            return next((line[len(start) :] for line in complete.split("\n") if line.startswith(start)), None)

        def told() -> bool:
            assert self.popen.poll() is None or line() is not None, self.err.decode("utf-8", "replace")[-2000:]
            return line() is not None

        wait_until(told, patience_s)
        return (line() or "").strip()

    def kill(self) -> None:
        """End it without a warning, as the kernel or a power cut would."""
        self.popen.send_signal(signal.SIGKILL)
        self.finish()

    def interrupt(self) -> Done:
        """Press Ctrl-C."""
        self.popen.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self, patience_s: float = 120.0) -> Done:
        """Wait for its end."""
        late = threading.Timer(patience_s, self.popen.kill)
        late.start()
        _, status = os.waitpid(self.popen.pid, 0)
        late.cancel()
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        for reader in self._readers:
            reader.join()
        return Done(self.popen.returncode, self.out, self.err, self._peak_bytes)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.returncode is None:
            self.kill()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _drain(stream: object, kept: list[bytes]) -> None:
    while chunk := os.read(stream.fileno(), 65_536):  # type: ignore[attr-defined]
        kept.append(chunk)


def wait_until(done: Callable[[], bool], patience_s: float = 30.0) -> None:
    """Wait until this is so."""
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
