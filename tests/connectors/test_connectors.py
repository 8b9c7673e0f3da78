"""Ways out: one contract for all of them, then what only the webhook must withstand."""

import hashlib
import hmac
import http.server
import io
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from goodsend.connectors.model import Call, Connector, Delivery
from goodsend.connectors.printed import Printed
from goodsend.connectors.webhook import ANSWER_CHARS, Webhook, is_public, sign
from tests.conftest import NOW

SECRET = "0123456789abcdef"


def make_call(**but: Any) -> Call:
    """A hold of cmp_1, but with these fields."""
    given: dict[str, Any] = {
        "tenant": "demo", "id": "act_1", "action": "hold_campaign", "target_type": "campaign", "target": "cmp_1",
        "payload": {"params": {"hours": 4}, "policy": "purchased_list"}, "created_at": NOW, "at": NOW + 1_000_000,
        "secret": SECRET,
    }  # fmt: skip
    return Call(**(given | but))


class Receiver:
    """A real HTTP server on loopback that keeps what it gets; `answer` says how it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[http.server.BaseHTTPRequestHandler], None] = lambda handler: reply(handler, 200, b"ok")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def webhook() -> Webhook:
    return Webhook(["127.0.0.1", "localhost"], timeout_s=2.0)


class Printing:
    """The printed connector with its stream, as the contract sees it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.connector: Connector = Printed(self.stream)

    def seen(self) -> list[Any]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def call(self, **but: Any) -> Call:
        return make_call(**but)


class Posting:
    """The webhook with its receiver, as the contract sees it."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.connector: Connector = Webhook(["127.0.0.1"])

    def seen(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.receiver.got]

    def call(self, **but: Any) -> Call:
        return make_call(url=self.receiver.url, **but)


@pytest.fixture(params=["printed", "webhook"])
def way(request: pytest.FixtureRequest, receiver: Receiver) -> Printing | Posting:
    return Printing() if request.param == "printed" else Posting(receiver)


class TestEveryConnector:
    """What the worker may rely on, whichever way an action goes out."""

    def test_the_receiver_learns_what_to_do(self, way: Printing | Posting) -> None:
        """Id, action, target, time and details arrive as one JSON object."""
        delivery = way.connector.deliver(way.call())

        assert (delivery.ok, delivery.error, delivery.retryable) == (True, None, False)
        assert way.seen() == [
            {
                "id": "act_1", "tenant": "demo", "action": "hold_campaign",
                "target": {"type": "campaign", "id": "cmp_1"}, "created_at": "2026-11-22T12:00:00Z",
                "details": {"params": {"hours": 4}, "policy": "purchased_list"},
            }
        ]  # fmt: skip

    def test_a_second_attempt_says_the_same(self, way: Printing | Posting) -> None:
        """A repeat carries the same id and the same words, so that it can be recognised."""
        way.connector.deliver(way.call())
        way.connector.deliver(way.call(attempt=2, at=NOW + 99_000_000))

        first, second = way.seen()
        assert first == second

    def test_hostile_text_stays_text(self, way: Printing | Posting) -> None:
        """Line breaks and escapes in a target do not break out of the record."""
        target = 'x\n{"id": "act_2"}\r\n\x1b[2J\u202e'

        way.connector.deliver(way.call(target=target))

        assert [seen["id"] for seen in way.seen()] == ["act_1"]

    def test_many_threads_at_once(self, way: Printing | Posting) -> None:
        """Calls from several threads arrive whole, each once."""
        threads = [threading.Thread(target=way.connector.deliver, args=(way.call(id=f"act_{n}"),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(seen["id"] for seen in way.seen()) == [f"act_{n}" for n in range(8)]


def test_the_log_is_the_default_way_to_print(caplog: pytest.LogCaptureFixture) -> None:
    """Without a stream the line goes to the log."""
    with caplog.at_level("INFO", logger="goodsend.actions"):
        Printed().deliver(make_call())

    assert '"id":"act_1"' in "\n".join(caplog.messages)


def test_the_signature_covers_time_and_body(receiver: Receiver, webhook: Webhook) -> None:
    """A receiver that knows the secret can check who called, when, and that nothing was changed."""
    webhook.deliver(make_call(url=receiver.url, attempt=3))

    ((path, headers, body),) = receiver.got
    expected = hmac.new(SECRET.encode(), f"{headers['Goodsend-Timestamp']}.".encode() + body, hashlib.sha256)
    assert path == "/hook?x=1"
    assert headers["Goodsend-Signature"] == f"v1={expected.hexdigest()}"
    assert headers["Goodsend-Timestamp"] == str(NOW // 1_000_000 + 1)
    assert (headers["Goodsend-Id"], headers["Goodsend-Attempt"]) == ("act_1", "3")
    assert headers["Content-Type"] == "application/json"


def test_a_known_signature() -> None:
    """The scheme does not drift: `printf '1700000000.{}' | openssl dgst -sha256 -hmac secret` gives the same."""
    expected = "v1=" + hmac.digest(b"secret", b"1700000000.{}", "sha256").hex()

    assert sign("secret", 1_700_000_000, b"{}") == expected


@pytest.mark.parametrize(
    ("status", "ok", "retryable"),
    [
        (200, True, False), (202, True, False), (204, True, False), (301, False, False), (307, False, False),
        (400, False, False), (404, False, True), (409, False, True), (410, False, False), (422, False, False),
        (429, False, True), (500, False, True), (503, False, True),
    ],
)  # fmt: skip
def test_what_a_status_means(receiver: Receiver, webhook: Webhook, status: int, ok: bool, retryable: bool) -> None:
    """2xx is done, a redirect is refused, a refusal that time may heal is tried again, another is not."""
    receiver.answer = lambda handler: reply(handler, status, Location="/elsewhere")

    delivery = webhook.deliver(make_call(url=receiver.url))

    assert (delivery.ok, delivery.status, delivery.retryable) == (ok, status, retryable)
    assert (delivery.error is None) == ok
    assert len(receiver.got) == 1


def test_answers_are_cut(receiver: Receiver, webhook: Webhook) -> None:
    """Of a long answer the beginning is kept, broken characters replaced."""
    receiver.answer = lambda handler: reply(handler, 500, b"\xff" + b"x" * 100_000)

    delivery = webhook.deliver(make_call(url=receiver.url))

    assert delivery.answer is not None
    assert (len(delivery.answer), delivery.answer[:2]) == (ANSWER_CHARS, "\ufffdx")


def test_a_receiver_that_drips_is_cut_off(receiver: Receiver) -> None:
    """The time limit is for the whole call, not for each byte."""

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: y\r\n"[:1])
            handler.wfile.flush()
            time.sleep(0.05)

    receiver.answer = quietly(drip)
    began = time.monotonic()

    delivery = Webhook(["127.0.0.1"], timeout_s=0.3).deliver(make_call(url=receiver.url))

    assert time.monotonic() - began < 2.0
    assert (delivery.ok, delivery.retryable, delivery.error) == (False, True, "no answer within 0.3 s")


def test_an_answer_that_breaks_off_keeps_its_status(receiver: Receiver) -> None:
    """Who said 200 has taken the call, even when the rest of the answer never comes."""

    def stall(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.flush()
        time.sleep(1.0)

    receiver.answer = quietly(stall)

    delivery = Webhook(["127.0.0.1"], timeout_s=0.3).deliver(make_call(url=receiver.url))

    assert (delivery.ok, delivery.status) == (True, 200)


def quietly(
    act: Callable[[http.server.BaseHTTPRequestHandler], None],
) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """The caller hangs up on purpose; the receiver's complaint about it is not the test's matter."""

    def acted(handler: http.server.BaseHTTPRequestHandler) -> None:
        try:
            act(handler)
        except OSError:
            handler.close_connection = True

    return acted


def test_garbage_and_silence_are_tried_again(webhook: Webhook) -> None:
    """A peer that speaks no HTTP, or hangs up, is an outage."""
    for said in (b"SSH-2.0-x\r\n", b""):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=_say_once, args=(server, said))
            thread.start()
            delivery = webhook.deliver(make_call(url=f"http://127.0.0.1:{server.getsockname()[1]}/"))
            thread.join()

        assert (delivery.ok, delivery.status, delivery.retryable) == (False, None, True)


def _say_once(server: socket.socket, said: bytes) -> None:
    peer, _ = server.accept()
    with peer:
        peer.recv(65_536)
        peer.sendall(said)


def test_a_closed_port_is_tried_again(webhook: Webhook) -> None:
    """Nobody listening is an outage."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    delivery = webhook.deliver(make_call(url=f"http://127.0.0.1:{port}/"))

    assert (delivery.ok, delivery.retryable) == (False, True)


@pytest.mark.parametrize(
    "url",
    [
        None, "", "hook", "ftp://example.com/", "file:///etc/passwd", "https://", "https://user:pw@example.com/",
        "http://example.com:99999/", "http://[::1", "http://exa mple.com/", "http://example.com/a b\r\nX: y",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_called(url: str | None) -> None:
    """An address that is none is refused without being tried again, and nothing is resolved to a real host."""
    delivery = Webhook(resolve=lambda host, port: ["127.0.0.1"]).deliver(make_call(url=url))

    assert (delivery.ok, delivery.retryable) == (False, False)


def test_a_call_is_never_sent_unsigned(receiver: Receiver, webhook: Webhook) -> None:
    """Without a secret nothing goes out."""
    delivery = webhook.deliver(make_call(url=receiver.url, secret=None))

    assert (delivery.ok, delivery.retryable, receiver.got) == (False, False, [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.100.100.200", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
        "2001:0:53aa:64c::1",
    ],
)  # fmt: skip
def test_inner_addresses_are_refused(address: str) -> None:
    """No name leads into a private network, to the machine itself, or to a cloud's metadata, in whatever disguise."""
    delivery = Webhook(resolve=lambda host, port: ["93.184.215.14", address]).deliver(
        make_call(url="https://hooks.example.com/")
    )

    assert not is_public(ip_address(address))
    assert (delivery.ok, delivery.retryable) == (False, False)
    assert delivery.error is not None
    assert "not a public address" in delivery.error


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    """The open internet is let through."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", "127.1"])
def test_literal_inner_addresses_are_refused(host: str) -> None:
    """Nor does an address written as a number lead there, in any notation that the system's resolver knows."""
    delivery = Webhook().deliver(make_call(url=f"http://{host}:9/"))

    assert not delivery.ok
    assert delivery.error is not None
    assert "not a public address" in delivery.error or "cannot be resolved" in delivery.error


def test_the_judged_address_is_the_one_that_is_called(receiver: Receiver) -> None:
    """A name is resolved once: an answer that changes between judging and calling changes nothing."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    port = receiver.url.split(":")[2].split("/")[0]
    delivery = Webhook(["hooks.example.com"], resolve=resolve).deliver(
        make_call(url=f"http://Hooks.Example.com:{port}/hook")
    )

    assert delivery == Delivery(ok=True, status=200, answer="ok")
    assert asked == ["hooks.example.com"]
    assert receiver.got[0][1]["Host"] == f"hooks.example.com:{port}"


def test_an_unknown_name_is_tried_again() -> None:
    """A resolver that is away is an outage."""

    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    delivery = Webhook(resolve=resolve).deliver(make_call(url="https://hooks.example.com/"))

    assert (delivery.ok, delivery.retryable) == (False, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_the_certificate_is_for_the_name(tmp_path: Path) -> None:
    """TLS is checked against the name, although an address is connected to; an unknown signer is told."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", "/CN=hooks.example.com",
         "-addext", "subjectAltName=DNS:hooks.example.com"],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(cert, key)
    receiver = Receiver()
    receiver.server.socket = theirs.wrap_socket(receiver.server.socket, server_side=True)
    receiver.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the refused handshakes
    port = receiver.url.split(":")[2].split("/")[0]
    names = ["hooks.example.com", "other.example.com"]
    trusting = Webhook(names, tls=ssl.create_default_context(cafile=cert), resolve=lambda host, port: ["127.0.0.1"])
    doubting = Webhook(names, resolve=lambda host, port: ["127.0.0.1"])

    right = trusting.deliver(make_call(url=f"https://hooks.example.com:{port}/"))
    wrong = trusting.deliver(make_call(url=f"https://other.example.com:{port}/"))
    unknown = doubting.deliver(make_call(url=f"https://hooks.example.com:{port}/"))
    receiver.close()

    assert right.ok
    assert [w.error is not None and "certificate is not trusted" in w.error for w in (wrong, unknown)] == [True, True]
    assert len(receiver.got) == 1
