"""What every connector is given and gives back. Each way out is a file of its own, and none of them knows a table."""

from typing import Any, Protocol

import msgspec

from goodsend.kit.clock import Micros, format_time


class Call(msgspec.Struct, frozen=True):
    """
    One effect on its way out. `id` is the receiver's idempotency key: the same however often it is delivered.

    `at` is the time of this attempt, `attempt` counts from 1. `url` and `secret` are those of the tenant's
    destination, None for connectors without one.
    """

    tenant: str
    id: str
    action: str
    target_type: str
    target: str
    payload: dict[str, Any]
    created_at: Micros
    at: Micros
    attempt: int = 1
    url: str | None = None
    secret: str | None = None

    def body(self) -> bytes:
        """Return what the receiver reads, as JSON; equal for every attempt."""
        told: dict[str, Any] = {
            "id": self.id,
            "tenant": self.tenant,
            "action": self.action,
            "target": {"type": self.target_type, "id": self.target},
            "created_at": format_time(self.created_at),
            "details": self.payload,
        }
        return msgspec.json.encode(told)


class Delivery(msgspec.Struct, frozen=True):
    """
    What became of a call. `status` is the HTTP status, None when none came. `error` is one sentence, None when ok.

    `retryable` says that the same call may succeed later. `answer` is the beginning of what the receiver said.
    """

    ok: bool
    status: int | None = None
    error: str | None = None
    retryable: bool = False
    answer: str | None = None


class Connector(Protocol):
    """A way out. Calls may come from several threads; what goes wrong outside is a Delivery, not an exception."""

    def deliver(self, call: Call) -> Delivery:
        """Carry out one call."""
        ...
