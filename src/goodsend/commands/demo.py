"""`goodsend demo`: an installation of its own, a made-up platform, and a day of its life played through the API."""

import argparse
import dataclasses
import fcntl
import logging
import secrets
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import TextIO

import httpx
import msgspec

from goodsend.commands.key import SCOPES
from goodsend.commands.serve import Ending, address_of, working
from goodsend.kit.clock import DAY, Micros
from goodsend.kit.errors import Misconfigured
from goodsend.server import Server, listen
from goodsend.settings import Settings
from goodsend.simulation.world import simulate
from goodsend.store import keys, members, outbox, tenants
from goodsend.wiring import Installation, install

TENANT = "demo"
PEOPLE = (
    ("admin@demo.example", "Ada Admin", "admin"),
    ("lead@demo.example", "Leo Lead", "lead"),
    ("analyst@demo.example", "Ana Analyst", "analyst"),
    ("viewer@demo.example", "Vic Viewer", "viewer"),
)
_STEPS = 160
_BATCH = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--data", type=Path, help="folder of the demo's data (default: demo under GOODSEND_DATA_DIR)")
    parser.add_argument("--port", type=int, help="port to listen on (default: GOODSEND_PORT, or a free one when taken)")
    parser.add_argument("--seed", type=int, default=7, help="the made-up world (default 7)")
    parser.add_argument("--accounts", type=int, default=48, help="senders in it (default 48)")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the day takes to play (default 40)")
    parser.add_argument("--fresh", action="store_true", help="throw the demo's data away first")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Start everything, print where to look, play the day, and serve until a signal."""
    ending = Ending()
    folder = (options.data or settings.data_dir.expanduser() / "demo").absolute()
    alone = _alone(folder)
    if options.fresh:
        shutil.rmtree(folder / "postgres", ignore_errors=True)
    settings = dataclasses.replace(settings, data_dir=folder, log_level="warning")
    sock = _listen(settings, options.port)
    with alone, sock, install(settings) as installation, working(installation):
        password, key, day = _people(installation, options)
        address = address_of(settings, sock.getsockname()[1])
        print(f"Console  {address}")
        print(f"Sign-in  {PEOPLE[0][0]}  {password}")
        print(f"API key  {key}")
        print(f"Tenant   {TENANT}, in GOODSEND_DATA_DIR={folder}")
        print(f"The same password opens {', '.join(login for login, _, _ in PEOPLE[1:])}. Ctrl-C stops.", flush=True)
        server = Server(installation, sock)
        if not day.is_played:
            local = f"http://127.0.0.1:{sock.getsockname()[1]}"
            player = threading.Thread(
                target=_play, args=(installation, local, key, day, options.seconds), name="player", daemon=True
            )
            player.start()
        ending.serve(server)
    return 0


def _alone(folder: Path) -> TextIO:
    """Return an open lock on the folder: a second demo would take away the first one's password and key."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / "demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Misconfigured(f"a demo runs on {folder} already: stop it, or use another folder with --data") from None
    return lock


def _listen(settings: Settings, port: int | None) -> socket.socket:
    try:
        return listen(settings.host, settings.port if port is None else port)
    except Misconfigured:
        if port is not None:
            raise
        return listen(settings.host, 0)


class _Day(msgspec.Struct):
    """The day that is played; kept with the tenant, so that a demo that was stopped goes on where it was."""

    seed: int
    accounts: int
    start: Micros
    is_played: bool = False


def _people(installation: Installation, options: argparse.Namespace) -> tuple[str, str, _Day]:
    """Make the tenant, its people with one new password, and a key; return these two and the tenant's day."""
    password = secrets.token_urlsafe(9)
    now = installation.now()
    with installation.pool.connection() as connection:
        tenants.ensure(connection, TENANT, "Demo platform", now)
        for login, name, role in PEOPLE:
            members.ensure(connection, TENANT, login=login, name=name, role=role, password=password, at=now)
        outbox.set_destination(connection, TENANT, "printed", None, None, now)
        keys.revoke_named(connection, TENANT, "demo", now)
        key = keys.create(connection, TENANT, "demo", SCOPES, now)
        kept = tenants.one(connection, TENANT).settings.get("day")
        day = msgspec.convert(kept, _Day) if kept else _Day(options.seed, options.accounts, now - DAY)
        tenants.change_settings(connection, TENANT, {"day": msgspec.to_builtins(day)})
    return password, key, day


def _play(installation: Installation, address: str, key: str, day: _Day, seconds: float) -> None:
    """Send the day in small steps, so that the console fills while one looks; what was sent before is known."""
    log = logging.getLogger("goodsend.demo")
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        _await_ready(client)
        everything = [event for event, _ in simulate(day.seed, day.start, accounts=day.accounts)]
        step = max(1, len(everything) // _STEPS)
        began = time.monotonic()
        for number, first in enumerate(range(0, len(everything), step), 1):
            for offset in range(first, min(first + step, len(everything)), _BATCH):
                batch = everything[offset : min(offset + _BATCH, first + step)]
                answer = client.post("/v1/events", content=msgspec.json.encode({"events": batch}),
                                     headers={"Content-Type": "application/json"})  # fmt: skip
                if answer.status_code != 200:
                    log.error("the day stopped: %s %s", answer.status_code, answer.text[:500])
                    return
            time.sleep(max(0.0, began + seconds * number / _STEPS - time.monotonic()))
    day.is_played = True
    with installation.pool.connection() as connection:
        tenants.change_settings(connection, TENANT, {"day": msgspec.to_builtins(day)})
    events = len({event["id"] for event in everything})
    print(
        f"The day is played: {events:,} events. {len(everything) - events:,} were sent twice, as platforms do, and "
        "taken once.",
        flush=True,
    )  # fmt: skip


def _await_ready(client: httpx.Client) -> None:
    for _ in range(300):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
