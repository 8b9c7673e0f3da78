"""What the simulated world is made of: senders, steps of a story, the span of time it plays in. No texts in here."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Any

import msgspec

from goodsend.kit.clock import DAY, HOUR, MINUTE, Micros
from goodsend.simulation.streams import stream


class Network(msgspec.Struct, frozen=True):
    """Where a client connects from. Addresses are from RFC 5737 and RFC 3849, network numbers from RFC 5398."""

    ip: str
    country: str
    asn: int


class Client(msgspec.Struct, frozen=True):
    """One browser at one place."""

    network: Network
    device: str
    user_agent: str


class Sender(msgspec.Struct, frozen=True):
    """An account of the platform and who stands behind it. `index` is its place in the world, the same at any size."""

    seed: int
    index: int
    role: str
    account: str
    company: str
    person: str
    email: str
    domain: str
    website: str
    phone: str
    country: str
    language: str
    plan: str
    vertical: str
    client: Client
    card: str

    def stream(self, *names: str | int) -> Random:
        """Return a stream of chance of this sender alone."""
        return stream(self.seed, "sender", self.index, *names)

    def id(self, kind: str, *names: str | int) -> str:
        """Return an id such as `camp_10004_2` that follows from the sender and the names."""
        return "_".join([kind, self.account.removeprefix("acc_"), *map(str, names)])


class Item(msgspec.Struct, frozen=True):
    """
    One thing that happens. `abuse` is the ground truth of this event: the abuse type, None when it is honest.

    It is told apart from the event and never part of it.
    """

    at: Micros
    kind: str
    data: dict[str, Any]
    abuse: str | None = None
    channel: str | None = None


class Step(msgspec.Struct, frozen=True):
    """A part of a story that begins at `at`; `play` makes its items, none of them earlier, when the time has come."""

    at: Micros
    play: Callable[[], Iterable[Item]]


class Span(msgspec.Struct, frozen=True):
    """The time the world plays in: `length` microseconds from `start`."""

    start: Micros
    length: Micros

    @property
    def days(self) -> range:
        """The days begun within the span, counted from 0."""
        return range(max(1, -(-self.length // DAY)))

    def after(self, minutes: float, day: int = 0) -> Micros:
        """Return the moment that many minutes into a day of the span."""
        return self.start + day * DAY + round(minutes * MINUTE)

    def clock(self, hour: float, day: int = 0) -> Micros:
        """Return the moment within a day of the span when a clock in UTC shows this hour (0…24)."""
        midnight = self.start - self.start % DAY
        at = midnight + day * DAY + round(hour * HOUR)
        return at if at >= self.start + day * DAY else at + DAY


Persona = Callable[[Sender, Span, int], list[Step]]
"""What a sender does on one day of the span, counted from 0. Day 0 also tells what happened before the span."""


def act(
    block: Callable[..., Iterable[Item]],
    sender: Sender,
    at: Micros,
    *details: Any,
    abuse: str | None = None,
    **fields: Any,
) -> Step:
    """Return the step that plays a building block of a sender at a moment; `abuse` is the truth of its items."""
    return Step(at, partial(_played, partial(block, sender, at, *details, **fields), abuse))


def _played(make: Callable[[], Iterable[Item]], abuse: str | None) -> Iterator[Item]:
    return (msgspec.structs.replace(item, abuse=abuse) for item in make()) if abuse else iter(make())


def once(story: Callable[[Sender, Span], list[Step]]) -> Persona:
    """Return the persona that tells its whole story on the first day."""

    def persona(sender: Sender, span: Span, day: int) -> list[Step]:
        return story(sender, span) if day == 0 else []

    persona.__doc__ = story.__doc__
    return persona
