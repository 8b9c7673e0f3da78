"""The connector that prints: each call becomes one line of JSON, in the log or on a stream. The twin of all others."""

import logging
import threading
from typing import TextIO

from goodsend.connectors.model import Call, Delivery
from goodsend.kit.text import printable

_LOG = logging.getLogger("goodsend.actions")


class Printed:
    """Writes to a stream, or to the log `goodsend.actions` when there is none."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._guard = threading.Lock()

    def deliver(self, call: Call) -> Delivery:
        """Print the call; it always succeeds."""
        line = printable(call.body().decode())
        if self._stream is None:
            _LOG.info("%s", line)
        else:
            with self._guard:
                self._stream.write(line + "\n")
                self._stream.flush()
        return Delivery(ok=True)
