"""What an adversary sent through the front doors and broke something with; each stays mended."""

import ipaddress
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from goodsend.connectors.webhook import is_public
from goodsend.kit.errors import NotFound
from goodsend.pack import build_pack
from goodsend.store.jsonable import KEY_BYTES, KEY_CHARS, key
from goodsend.store.paging import page_of, place_of
from tests.api.conftest import Api, api, client, make_item
from tests.conftest import NOW
from tests.live import PASSWORD, Live, live_server

__all__ = ["api", "client", "live_server"]


def wide(first: int, count: int = 512) -> str:
    """A key of characters that take four bytes each and do not compress."""
    return "".join(chr(0x20000 + (first + 7_919 * number) % 0xA000) for number in range(count))


def test_an_event_with_the_longest_keys_is_taken(client: httpx.Client) -> None:
    """Two keys of 512 characters of four bytes outgrow an index row; they answered 503 for ever, to everybody."""
    item = make_item("wide", account=wide(1), device=wide(2), list=wide(3))

    response = client.post("/v1/events", json=item)

    assert (response.status_code, response.json()["results"][0]["status"]) == (200, "accepted")
    assert client.post("/v1/events", json=item).json()["results"][0]["status"] == "duplicate"


def test_the_account_behind_the_longest_key_is_found(client: httpx.Client) -> None:
    """What is stored under a shortened key is read under the key that was sent."""
    client.post("/v1/events", json=make_item("wide_account", account=wide(9)))

    found = client.get("/v1/events", params={"account": wide(9)}).json()["items"]

    assert [item["id"] for item in found] == ["wide_account"]


@pytest.mark.parametrize("text", ["x" * 9_000, wide(1, 512), wide(1, 9_000), "\u00e9" * 601, "ab" + wide(1, 300)])
def test_keys_stay_within_the_index(text: str) -> None:
    """However long and wide a text is, its key fits, and the key of a key is itself."""
    short = key(text)

    assert len(short) <= KEY_CHARS
    assert len(short.encode()) <= KEY_BYTES
    assert short == key(short)
    assert short != key(text + "x")


@pytest.mark.parametrize(
    "place", [[2**63, "x"], [-(2**63), "x"], [2**63 - 1, "x"], [1, "a\0b"], [1.5, "x"], [None, "x"], [[1], "x"]]
)
def test_a_cursor_that_points_beyond_everything_is_refused(place: list[object]) -> None:
    """Times and texts that the database cannot be asked about never reach it."""
    cursor = page_of([1, 2], 1, *place).next

    with pytest.raises(NotFound):
        place_of(cursor, int, str)


def test_a_cursor_that_was_handed_out_is_taken() -> None:
    """The bounds leave real places alone."""
    cursor = page_of([1, 2], 1, NOW, "acc_1").next

    assert place_of(cursor, int, str) == (NOW, "acc_1")


@pytest.mark.parametrize("text", ["192.0.0.192", "192.88.99.1", "64:ff9b:1::7f00:1", "3fff::1", "5f00::1"])
def test_special_networks_are_closed_whatever_python_says(text: str) -> None:
    """Older Pythons call these global; a cloud keeps its machines' secrets at the first."""
    assert not is_public(ipaddress.ip_address(text))


def test_a_client_that_leaves_is_no_mistake_of_ours(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A body that breaks off is not logged as an error with a trace: anybody could fill the disk with them."""

    def half() -> Iterator[bytes]:
        yield b"["
        raise ConnectionAbortedError

    with api.client() as leaving, pytest.raises(ConnectionAbortedError):
        leaving.post("/v1/events", content=half(), headers={"Content-Type": "application/json"})
    time.sleep(0.3)

    assert [record for record in caplog.records if record.name == "goodsend.api"] == []


def test_a_crowd_at_the_door_leaves_the_engine_alone(live_server: Live) -> None:
    """Most of sixty strangers who sign in at once are turned away at once, and who comes next gets in."""
    statuses: list[int] = []

    def knock(number: int) -> None:
        form = {"login": f"nobody{number}", "password": "x" * 900}
        statuses.append(httpx.post(f"{live_server.url}/sign-in", data=form, timeout=60, trust_env=False).status_code)

    crowd = [threading.Thread(target=knock, args=(number,)) for number in range(60)]
    for stranger in crowd:
        stranger.start()
    for stranger in crowd:
        stranger.join()

    assert 429 in statuses
    assert {401, 429} >= set(statuses)
    welcome = httpx.post(
        f"{live_server.url}/sign-in", data={"login": live_server.login, "password": PASSWORD}, trust_env=False
    )
    assert welcome.status_code == 303


def test_nothing_of_another_tenant_is_reached(api: Api, client: httpx.Client) -> None:
    """Ids, cursors and digests of one tenant mean nothing with the key of another."""
    client.post("/v1/events", json=[make_item(f"mine_{number}", account=f"mine_{number}") for number in range(3)])
    cursor = client.get("/v1/events", params={"limit": 1}).json()["next"]

    with api.client(api.other) as other:
        assert other.get("/v1/events/mine_0").status_code == 404
        assert other.get("/v1/accounts/mine_0").status_code == 404
        assert other.get("/v1/events", params={"cursor": cursor}).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [b"a = " + b"[" * 20_000 + b"]" * 20_000, b"a = " + b"{b = " * 2_000 + b"1" + b"}" * 2_000, b"a = " + b"9" * 5_000],
)
def test_a_pack_that_breaks_the_toml_reader_is_a_problem(body: bytes) -> None:
    """Nesting and numbers beyond what Python reads are the author's mistake, told with the file."""
    pack, problems = build_pack({"own/rules/bomb.toml": body})

    assert pack is None
    assert "own/rules/bomb.toml" in [problem.place for problem in problems]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_said_in_a_sentence(tmp_path: Path) -> None:
    """What cannot be written is no item that was rejected (1), and no trace for people."""
    (tmp_path / "a.eml").write_bytes(b"Subject: x\r\n\r\nx")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "goodsend", "scan", str(tmp_path)], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


def test_one_of_twenty_who_send_an_id_at_once_is_first(api: Api) -> None:
    """The same id from twenty clients at the same moment is accepted once."""
    body = msgspec.json.encode(make_item("at_once"))
    found: list[str] = []

    def send() -> None:
        with api.client() as opened:
            response = opened.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
            found.append(response.json()["results"][0]["status"])

    senders = [threading.Thread(target=send) for _ in range(20)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert ["accepted", *["duplicate"] * 19] == sorted(found)
