"""
The small process that keeps one embedded PostgreSQL: starts it, counts who uses it, stops it after the last one.

Run as a script by `postgres.py`, with nothing but the standard library, so that it starts in a few milliseconds. Users
are connections on a Unix socket: the kernel closes them whatever way a user dies, so nobody has to say goodbye. The
keeper has one thread, because Linux ties a parent-death signal to the thread that started the child. Nothing here
creates databases or knows a table.
"""

import argparse
import ctypes
import fcntl
import json
import os
import pwd
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOCKET_PATH_BYTES = 103
"""Longest path of a Unix socket, without its ending NUL: 107 on Linux, 103 on macOS (`sun_path` in sys/un.h)."""

PORT = 5432
"""Only the name of the socket file hangs on it; no TCP port is opened."""

FIRST_USER_S = 15.0
START_S = 60.0
STOP_S = 60.0
LOG_BYTES = 10_000_000

SETTINGS = {
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "20s",
    "checkpoint_timeout": "15min",
    "effective_cache_size": "1GB",
    "io_method": "sync",
    "jit": "off",
    "listen_addresses": "",
    "log_timezone": "UTC",
    "maintenance_work_mem": "128MB",
    "max_connections": "50",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
    "wal_buffers": "16MB",
    "work_mem": "16MB",
}
"""For a small machine that must not lose an acknowledged event. Given at every start, so a release may change them."""

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_VERSION_3 = 0x20080522
_IS_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True)


class CannotStart(Exception):  # noqa: N818 - becomes text on a pipe, never leaves this process
    """Why there is no server, in a sentence for the operator."""


Become = Callable[[], None]
"""Runs in the child between fork and exec: who PostgreSQL runs as, and that it ends with the keeper."""


def _prctl(option: int, *arguments: int) -> bool:
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _IS_LINUX and _LIBC.prctl(option, *(ctypes.c_ulong(value) for value in padded)) == 0


def _die_with_keeper() -> None:
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients that may never leave.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _enter_user_namespace() -> None:
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _die_with_keeper()


def _drop_to(uid: int, gid: int) -> Become:
    def become() -> None:
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        _keep_reaching_files()
        _die_with_keeper()

    return become


def _keep_reaching_files() -> None:
    # The data and the program may lie below folders only root can enter (a 0700 home); their modes are not ours to
    # change. Where root has the capability (containers usually give it), the server keeps this one. No answer is
    # needed: without it the server reaches what its user reaches.
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    bit = 1 << _CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _IS_LINUX and _LIBC.capset(header, data) == 0:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _may_enter_user_namespace() -> bool:
    if not _IS_LINUX:
        return False
    child = os.fork()
    if child == 0:
        os._exit(0 if _LIBC.unshare(_CLONE_NEWUSER) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _identity(data: Path, wanted: str) -> tuple[str, int, Become]:
    """
    Return how, as which user id, and the step that makes it so. PostgreSQL refuses to run as root.

    Root runs it as the owner of the data where that is not root, else as itself inside a user namespace, else (where
    a container forbids those) as the user nobody.
    """
    if os.geteuid() != 0:
        return "plain", os.geteuid(), _die_with_keeper
    owner = data.stat().st_uid if data.exists() else 0
    if wanted == "namespace" or (wanted == "auto" and owner == 0 and _may_enter_user_namespace()):
        return "namespace", 0, _enter_user_namespace
    try:
        account = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        uid, gid = account.pw_uid, account.pw_gid
    except KeyError:
        uid, gid = owner or 65534, owner or 65534
    return "dropped", uid, _drop_to(uid, gid)


class Keeper:
    """One folder: `data` (PostgreSQL's own), `run` (sockets), `sockets` (their place), `keeper.lock`, `server.log`."""

    def __init__(self, folder: Path, programs: Path, wanted: str, settings: dict[str, str], watcher: bool) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.programs = programs
        self.settings = SETTINGS | settings
        self.watcher = watcher
        self.how, self.uid, self.become = _identity(self.data, wanted)
        self.server: subprocess.Popen[bytes] | None = None
        self.lock = -1
        self.watch: tuple[int, int] | None = None

    def hold_folder(self) -> None:
        """Wait for a keeper that is still stopping; there is never more than one for a folder."""
        self.lock = os.open(self.folder / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + STOP_S
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CannotStart(f"another process holds {self.folder} and does not answer") from None
                time.sleep(0.02)

    def listen(self) -> socket.socket:
        """Open the keeper's own socket in a folder whose path is short enough for PostgreSQL's socket too."""
        run = self.folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        listener = _bound(run)
        if listener is None:
            self._forget_sockets()
            short = tempfile.gettempdir() if len(os.fsencode(tempfile.gettempdir())) < 50 else "/tmp"  # noqa: S108
            run = Path(tempfile.mkdtemp(prefix="goodsend-", dir=short))
            listener = _bound(run)
        if listener is None:
            raise CannotStart(f"no Unix socket can be made in {self.folder} nor in {run}")
        if self.how == "dropped":
            os.chown(run, self.uid, -1)
        self.run = run
        (self.folder / "sockets").write_text(str(run), encoding="utf-8", errors="surrogateescape")
        return listener

    def _forget_sockets(self) -> None:
        with suppress(OSError):
            old = Path((self.folder / "sockets").read_text(encoding="utf-8", errors="surrogateescape"))
            if old != self.folder / "run" and old.name.startswith("goodsend-") and old.stat().st_uid == os.geteuid():
                shutil.rmtree(old)

    def prepare(self) -> None:
        """Make the data folder on first use; a killed first use leaves only `data.new`, which is thrown away."""
        new = self.folder / "data.new"
        if self.how == "dropped" and self.data.exists() and self.data.stat().st_uid != self.uid:
            for path in (self.data, *self.data.rglob("*")):
                os.chown(path, self.uid, -1, follow_symlinks=False)
        if self.data.exists():
            return
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self.how == "dropped":
            os.chown(new, self.uid, -1)
        made = subprocess.run(  # noqa: S603
            [
                str(self.programs / "initdb"), f"--pgdata={new}", "--username=goodsend", "--auth=trust",
                "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--no-instructions", *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=self.become, cwd="/", check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise CannotStart("initdb failed: " + made.stdout.decode("utf-8", "replace").strip()[-800:])
        new.rename(self.data)

    def clear_stale(self) -> None:
        """
        Stop a server that lost its keeper, and remove the pid file of one that is gone.

        After a restart of a container the old number often belongs to another process, and PostgreSQL would refuse.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            pid_file.unlink(missing_ok=True)
            return
        deadline = time.monotonic() + STOP_S
        while self._is_server(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if time.monotonic() > deadline:
                raise CannotStart(f"an old server (process {pid}) on {self.data} does not stop")
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _is_server(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            if _IS_LINUX:
                return False
            command = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout  # noqa: S603, S607
        return b"postgres" in command and os.fsencode(self.data) in command

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        log_path = self.folder / "server.log"
        if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
            log_path.replace(self.folder / "server.log.1")
        options = {**self.settings, "unix_socket_directories": str(self.run), "port": str(PORT)}
        with log_path.open("ab") as log:
            began = log.tell()
            self.server = subprocess.Popen(  # noqa: S603
                [
                    str(self.programs / "postgres"), "-D", str(self.data),
                    *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=self.become, cwd="/", start_new_session=True,  # noqa: PLW1509 - this process has one thread
            )  # fmt: skip
        if self.watcher:
            self._watch()
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self.server.poll() is not None:
                with log_path.open("rb") as log:
                    log.seek(began)
                    raise CannotStart("PostgreSQL did not start: " + log.read().decode("utf-8", "replace")[-800:])
            if time.monotonic() > deadline:
                self.stop()
                raise CannotStart(f"PostgreSQL was not ready after {START_S:.0f} s; see {log_path}")
            time.sleep(0.005)

    def _is_ready(self) -> bool:
        assert self.server is not None  # noqa: S101
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.server.pid) and lines[7].strip() == "ready"

    def _watch(self) -> None:
        # Where no parent-death signal exists (macOS) a second process waits for this one's end of a pipe to close.
        assert self.server is not None  # noqa: S101
        theirs, ours = os.pipe()
        child = os.fork()
        if child == 0:
            os.closerange(0, theirs)
            os.closerange(theirs + 1, 4096)
            os.read(theirs, 1)
            with suppress(ProcessLookupError):
                os.kill(self.server.pid, signal.SIGINT)
            os._exit(0)
        os.close(theirs)
        self.watch = child, ours

    def stop(self) -> None:
        """Stop the server, letting no client delay it; kill it when even that takes too long (it recovers then)."""
        if self.watch is not None:
            child, ours = self.watch
            self.watch = None
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(ours)
        if self.server is None or self.server.poll() is not None:
            return
        for how, patience in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            self.server.send_signal(how)
            try:
                self.server.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def serve(self, listener: socket.socket) -> None:
        """Run until the last user has gone (or the first did not come), or the server has ended by itself."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        users: set[socket.socket] = set()
        last: socket.socket | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            listener.setblocking(False)
            seen_any = False
            while last is None and self.server is not None and self.server.poll() is None:
                ready = selector.select(None if seen_any else FIRST_USER_S)
                if not ready and not seen_any:
                    break
                for key, _ in ready:
                    if key.fileobj is listener:
                        with suppress(OSError):
                            user, _ = listener.accept()
                            user.sendall(b"ready\n")
                            users.add(user)
                            selector.register(user, selectors.EVENT_READ)
                            seen_any = True
                    elif key.fileobj == woken:
                        os.read(woken, 4096)
                    elif isinstance(key.fileobj, socket.socket) and _has_left(key.fileobj):
                        selector.unregister(key.fileobj)
                        users.discard(key.fileobj)
                        if users:
                            key.fileobj.close()
                        else:
                            last = key.fileobj  # closed by our exit: it tells the last user that the server has stopped
        listener.close()
        (self.run / "keeper").unlink(missing_ok=True)
        self.stop()
        self._forget_sockets()


def _bound(run: Path) -> socket.socket | None:
    name = run / "keeper"
    if len(os.fsencode(run / f".s.PGSQL.{PORT}.lock")) > SOCKET_PATH_BYTES:
        return None
    name.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(name))
    except OSError:  # some shared folders of virtual machines hold files, but no sockets
        listener.close()
        return None
    return listener


def _has_left(user: socket.socket) -> bool:
    try:
        return user.recv(64) == b""
    except OSError:
        return True


def _run(keeper: Keeper, tell: int) -> None:
    keeper.hold_folder()
    listener = keeper.listen()
    try:
        keeper.prepare()
        keeper.clear_stale()
        keeper.start()
    except BaseException:
        (keeper.run / "keeper").unlink(missing_ok=True)
        keeper.stop()
        raise
    listener.listen(64)
    os.write(tell, b"{}")
    os.close(tell)
    keeper.serve(listener)


def main() -> int:
    """Go to the background, start the server there, and return (in the foreground) when it is ready or could not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--as", dest="wanted", default="auto", choices=("auto", "namespace", "dropped"))
    parser.add_argument("--watcher", action="store_true", default=not _IS_LINUX)
    parser.add_argument("--set", dest="settings", default="{}")
    asked = parser.parse_args()
    heard, tell = os.pipe()
    if os.fork() > 0:
        os.close(tell)
        with os.fdopen(heard, "rb") as answer:
            text = answer.read()
        print((text or b'{"error": "the keeper of PostgreSQL ended without a word"}').decode())
        return 0 if text == b"{}" else 1
    os.close(heard)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    # Whoever stops a group of processes stops the users; the server must outlive the last of them.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    keeper = Keeper(asked.folder, asked.programs, asked.wanted, json.loads(asked.settings), asked.watcher)
    try:
        _run(keeper, tell)
    except (CannotStart, OSError, subprocess.SubprocessError) as error:
        reason = str(error)
        if keeper.how == "dropped":
            reason = (
                "PostgreSQL refuses to run as root, a user namespace is not to be had here, and as user "
                f"{keeper.uid} it did not work: {reason}"
            )
        with suppress(OSError):
            os.write(tell, json.dumps({"error": reason}).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
