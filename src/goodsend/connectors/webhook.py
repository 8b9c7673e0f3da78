"""
The signed webhook: a POST of JSON to an address that the tenant chose.

The receiver checks `Goodsend-Signature: v1=<hex>`, HMAC-SHA256 with the shared secret over the timestamp of
`Goodsend-Timestamp`, a dot and the body, and remembers `Goodsend-Id`, because a call may come more than once. An
address chosen by somebody else must not reach the installation's own network: names are resolved once, every address
is judged, and a judged one is connected to.
"""

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import idna

from goodsend import __version__
from goodsend.connectors.model import Call, Delivery
from goodsend.kit.clock import SECOND

TIMEOUT_S = 10.0
"""For one call as a whole, so that a receiver that drips bytes holds nobody up. Own starting value."""

ANSWER_CHARS = 1_000

NOT_YET = frozenset({401, 403, 404, 408, 409, 421, 423, 425, 429})
"""Refusals that may pass with the same call: the receiver is being set up, is locked or busy (RFC 9110, 15.5)."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")
)
"""
Special-purpose networks that some supported versions of Python call global (IANA special-purpose registries, RFC 6890).
A cloud keeps its machines' secrets at 192.0.0.192.
"""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]


class _Refused(Exception):  # noqa: N818 - never leaves this file
    """Why a call is not made at all, in one sentence."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of Goodsend-Signature; `timestamp` is in whole seconds since 1970."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"


def is_public(address: Address) -> bool:
    """Say whether an address is on the open internet: not private, loopback, link-local, shared, multicast."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    if any(address in network for network in _CLOSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Webhook:
    """
    Posts calls. `private_hosts` are hosts the operator lets it reach wherever they are (lower case, without a port).

    `tls` replaces the system's certificates, `resolve` the system's resolver, for tests and closed networks.
    """

    def __init__(
        self,
        private_hosts: Collection[str] = (),
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._private_hosts = frozenset(host.lower() for host in private_hosts)
        self._tls = tls or ssl.create_default_context()
        self._resolve = resolve
        self._timeout_s = timeout_s

    def deliver(self, call: Call) -> Delivery:
        """Post the call once. Redirects are not followed; any 2xx is success."""
        try:
            url = _checked(call.url)
            if not call.secret:
                raise _Refused("the destination has no secret to sign with")
            addresses, port = self._addressed(url)
        except _Refused as refusal:
            return Delivery(ok=False, error=str(refusal))
        except OSError as error:
            return Delivery(ok=False, error=f"the host cannot be resolved: {error.strerror or error}", retryable=True)
        return self._post(call, call.secret, url, addresses, port)

    def _addressed(self, url: SplitResult) -> tuple[list[str], int]:
        host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        found = self._resolve(host, port)
        if not found:
            raise OSError("no address")
        if host not in self._private_hosts:
            for text in found:
                if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                    raise _Refused(
                        f"{host} is at {text}, which is not a public address; see GOODSEND_WEBHOOK_PRIVATE_HOSTS"
                    )
        return found, port

    def _post(self, call: Call, secret: str, url: SplitResult, addresses: list[str], port: int) -> Delivery:
        body = call.body()
        timestamp = call.at // SECOND
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"goodsend/{__version__}",
            "Goodsend-Id": call.id,
            "Goodsend-Attempt": str(call.attempt),
            "Goodsend-Timestamp": str(timestamp),
            "Goodsend-Signature": sign(secret, timestamp, body),
        }
        line = _Line(url, addresses, port, self._timeout_s, self._tls)
        alarm = threading.Timer(self._timeout_s, line.cut)
        alarm.daemon = True
        alarm.start()
        try:
            line.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
            with line.getresponse() as response:
                return _judged(response.status, _answer_of(response))
        except ssl.SSLCertVerificationError as error:
            return Delivery(ok=False, error=f"the certificate is not trusted: {error.verify_message}", retryable=True)
        except http.client.InvalidURL as error:
            return Delivery(ok=False, error=f"the address cannot be used: {error}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            if line.was_cut or isinstance(error, TimeoutError):
                said = f"no answer within {self._timeout_s:g} s"
            else:
                said = f"no usable answer: {type(error).__name__}: {error}"
            return Delivery(ok=False, error=said, retryable=True)
        finally:
            alarm.cancel()
            line.close()


class _Line(http.client.HTTPConnection):
    """One connection to one of the addresses that were judged, under the name they were judged for."""

    def __init__(
        self, url: SplitResult, addresses: list[str], port: int, timeout_s: float, tls: ssl.SSLContext
    ) -> None:
        super().__init__(url.hostname or "", port, timeout=timeout_s)
        self.default_port = 443 if url.scheme == "https" else 80
        self.was_cut = False
        self._addresses = addresses
        self._context = tls if url.scheme == "https" else None

    def connect(self) -> None:
        """Connect to the first address that takes it; the name counts for the certificate alone."""
        for number, address in enumerate(self._addresses, 1):
            try:
                self.sock: Any = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError:
                if number == len(self._addresses) or self.was_cut:
                    raise
        if self._context is not None:
            # The handshake comes second, so that `cut` finds the socket it has to end.
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
        if self.was_cut:
            raise TimeoutError("the time was up before the connection stood")

    def cut(self) -> None:
        """End the call from another thread; one that ends by itself at the same moment is no matter."""
        self.was_cut = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _answer_of(response: http.client.HTTPResponse) -> str:
    # The status has said already what became of the call; an answer that breaks off does not change it.
    with suppress(OSError, http.client.HTTPException, ValueError):
        return response.read(4 * ANSWER_CHARS).decode("utf-8", "replace")[:ANSWER_CHARS]
    return ""


def _checked(text: str | None) -> SplitResult:
    if not text:
        raise _Refused("the destination has no address")
    try:
        url = urlsplit(text)
        port = url.port
        host = url.hostname
        if host and not host.isascii():
            host = idna.encode(host, uts46=True).decode()
    except ValueError as error:  # idna's errors are ValueErrors too
        raise _Refused(f"the address {text!r} cannot be read: {error}") from error
    if url.scheme not in ("http", "https") or not host:
        raise _Refused(f"the address {text!r} is not an http or https address")
    if url.username is not None or url.password is not None:
        raise _Refused("the address carries a user name or password; the signature is what proves the caller")
    shown = f"[{host}]" if ":" in host else host
    return url._replace(netloc=shown if port is None else f"{shown}:{port}", fragment="")


def _judged(status: int, answer: str) -> Delivery:
    if 200 <= status < 300:
        return Delivery(ok=True, status=status, answer=answer)
    if 300 <= status < 400:
        return Delivery(ok=False, status=status, error="the receiver redirects, which is not followed", answer=answer)
    retryable = status in NOT_YET or status >= 500
    return Delivery(
        ok=False, status=status, error=f"the receiver answered {status}", retryable=retryable, answer=answer
    )
