"""`goodsend demo` as a process: where to look, that it fills, that a second start keeps what the first one made."""

import signal
import time
from pathlib import Path

import httpx

from tests.commands.process import Running, wait_until


def test_the_demo_from_its_first_start_to_its_second(tmp_path: Path) -> None:
    """Three lines say where to look; a day is played; a restart keeps it, with a new key and the old one void."""
    command = ("demo", "--data", tmp_path / "demo", "--port", "0", "--accounts", "12")

    with Running(*command, "--seconds", "2") as process:
        address, sign_in, key = (process.printed(start) for start in ("Console  ", "Sign-in  ", "API key  "))
        process.printed("The day is played: ")
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}) as client:
            ready = client.get("/readyz").status_code
            before = client.get("/v1/events", params={"limit": 200}).json()["items"]
            cases = client.get("/v1/cases").json()["items"]
        process.popen.send_signal(signal.SIGINT)
        first = process.finish()

    began = time.monotonic()
    with Running(*command) as process:
        again, new_key = (process.printed(start) for start in ("Console  ", "API key  "))
        wait_until(lambda: _ready(again))
        took = time.monotonic() - began
        with httpx.Client(base_url=again, headers={"Authorization": f"Bearer {new_key}"}) as client:
            after = client.get("/v1/events", params={"limit": 200}).json()["items"]
            old = client.get("/v1/events", headers={"Authorization": f"Bearer {key}"}).status_code
        process.popen.send_signal(signal.SIGTERM)
        second = process.finish()

    print(f"the second start took {took:.1f} s")
    assert address.startswith("http://127.0.0.1:")
    assert sign_in.startswith("admin@demo.example  ")
    assert ready == 200
    assert len(before) == 200
    assert len(cases) >= 3
    assert [event["id"] for event in after] == [event["id"] for event in before]
    assert old == 401
    assert (first.code, second.code) == (130, 0)
    assert (first.err, second.err) == (b"", b"")


def _ready(address: str) -> bool:
    try:
        return httpx.get(address + "/readyz").status_code == 200
    except httpx.TransportError:
        return False
