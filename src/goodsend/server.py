"""The HTTP server: API and console put together as one application. What they answer is theirs."""

import socket

import uvicorn
from litestar import Litestar

from goodsend.api import problems
from goodsend.api.openapi import openapi_config
from goodsend.api.routes import build_api, keyring
from goodsend.api.shortcut import with_shortcut
from goodsend.console.routes import build_console
from goodsend.kit.errors import Misconfigured
from goodsend.wiring import Installation

_BACKLOG = 2_048


def build_app(installation: Installation) -> Litestar:
    """Return the ASGI application of an installation."""
    return Litestar(
        route_handlers=[*build_api(installation), *build_console(installation)],
        openapi_config=openapi_config(),
        exception_handlers={Exception: problems.answer},  # paths that neither knows; the console has its own
        logging_config=None,  # the process that serves sets up logging
        request_max_body_size=installation.settings.body_limit_bytes,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises Misconfigured when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
        server.listen(_BACKLOG)  # now, not when serving begins: who comes before that waits, and is not refused
    except OSError as error:
        server.close()
        raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return server


class Server(uvicorn.Server):
    """uvicorn on a socket that is open already, so that the port is known before the first request."""

    def __init__(self, installation: Installation, sock: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                with_shortcut(build_app(installation), installation, keyring(installation)),
                log_level=installation.settings.log_level,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=10,
            )
        )
        self._socket = sock

    def serve_forever(self) -> None:
        """Serve until a signal or `should_exit`."""
        self.run(sockets=[self._socket])
