"""
The world, played: many stories at once, told as wire events in order of arrival. Nothing here reads a clock.

The same arguments give the same bytes. Memory grows with the number of accounts, not with the length of time.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any

import msgspec

from goodsend.kit.clock import DAY, MINUTE, SECOND, Micros, format_time
from goodsend.kit.ids import derived_id
from goodsend.simulation.cast import BLOCK, WITH_FORM, role_at, senders
from goodsend.simulation.model import Item, Span, Step
from goodsend.simulation.personas.bombing import form_relay, list_bombing
from goodsend.simulation.streams import stream

LATE_SHARE = 0.012
REPEATED_SHARE = 0.006
LATEST = 20 * MINUTE
"""Shares of events that arrive late or twice, and how late at most: queues and retries do that. Own values."""

_BEFORE_ALL_HISTORY = 400 * DAY


class _Actor(msgspec.Struct):
    """Whose steps these are. `serial` counts the actor's items, which is what makes event ids stable."""

    number: int
    name: str
    serial: int = 0


class _Arrival(msgspec.Struct, frozen=True):
    """An item under the id of its event, on its way to the platform."""

    event_id: str
    item: Item


class _Morning(msgspec.Struct, frozen=True):
    """The moment a sender's day is planned."""

    day: int


Entry = tuple[Micros, int, int, _Actor, Step | _Arrival | _Morning]
"""When, whose, and a running number: these order the heap. Then the actor and what happens."""


def simulate(
    seed: int,
    start: Micros,
    length: Micros = DAY,
    accounts: int = 40,
    *,
    late_share: float = LATE_SHARE,
    repeated_share: float = REPEATED_SHARE,
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """
    Return (wire event, label) pairs in order of arrival, from the accounts' history up to `start + length`.

    A label holds `event_id`, `account`, `label` (the abuse type, or "honest"), `abuse_type` (None when honest) and
    `persona`. History reaches back 300 days with few events: sign-ups, sign-ins, sums of mail. An event that arrives
    twice is told twice.
    """
    span = Span(start, length)
    people = dict(enumerate(senders(seed, accounts)))
    personas = {sender.account: role.name for role, sender in people.values()}
    heap: list[Entry] = []
    order = count()

    def push(at: Micros, actor: _Actor, what: Step | _Arrival | _Morning) -> None:
        heappush(heap, (at, actor.number, next(order), actor, what))

    for index in people:
        push(start - _BEFORE_ALL_HISTORY, _Actor(index, f"sender {index}"), _Morning(0))
    for number, (name, steps) in enumerate(_attacks(seed, accounts, span), accounts):
        actor = _Actor(number, name)
        for step in steps:
            push(step.at, actor, step)

    while heap:
        at, _, _, actor, what = heappop(heap)
        if at > span.start + span.length:
            return
        match what:
            case _Morning(day=day):
                role, sender = people[actor.number]
                for step in role.play(sender, span, day):
                    push(step.at, actor, step)
                if day + 1 in span.days:
                    push(start + (day + 1) * DAY, actor, _Morning(day + 1))
            case Step(play=play):
                for item in play():
                    actor.serial += 1
                    if item.data["account"] not in personas:
                        continue  # an attack on somebody who lives only in a larger world
                    event_id = derived_id("evt", str(seed), actor.name, str(actor.serial))
                    for arrival in _arrivals(seed, event_id, item.at, late_share, repeated_share):
                        push(arrival, actor, _Arrival(event_id, item))
            case _Arrival():
                yield _wire(what), _label(what, personas)


def accounts_truth(seed: int, accounts: int) -> Iterator[dict[str, Any]]:
    """Return one label per account: what it is, and the abuse it commits or suffers (`suffers` is None for none)."""
    for role, sender in senders(seed, accounts):
        yield {
            "account": sender.account,
            "label": role.abuse or "honest",
            "abuse_type": role.abuse,
            "suffers": "account_takeover" if role.name == "takeover" else None,
            "persona": role.name,
        }


def _attacks(seed: int, accounts: int, span: Span) -> Iterator[tuple[str, list[Step]]]:
    for block in range(-(-accounts // BLOCK)):
        places = [(role_at(seed, index), index) for index in range(block * BLOCK, (block + 1) * BLOCK)]
        with_form = [role.make(seed, index) for role, index in places if role.name in WITH_FORM]
        clubs = [role.make(seed, index) for role, index in places if role.name == "club"]
        yield f"bombing {block}", list_bombing(seed, block, with_form, span)
        yield f"relay {block}", form_relay(seed, block, clubs[0], span)


def _arrivals(seed: int, event_id: str, at: Micros, late_share: float, repeated_share: float) -> list[Micros]:
    random = stream(seed, "arrival", event_id)
    arrival = at + round(random.random() * LATEST) if random.random() < late_share else at
    if random.random() < repeated_share:
        return [arrival, arrival + round(random.uniform(1, 60) * SECOND)]
    return [arrival]


def _wire(arrival: _Arrival) -> dict[str, Any]:
    item = arrival.item
    data = {name: value for name, value in item.data.items() if value is not None}
    event = {"id": arrival.event_id, "kind": item.kind, "at": format_time(item.at), "data": data}
    return event | {"channel": item.channel} if item.channel else event


def _label(arrival: _Arrival, personas: dict[str, str]) -> dict[str, Any]:
    account, abuse = arrival.item.data["account"], arrival.item.abuse
    return {
        "event_id": arrival.event_id,
        "account": account,
        "label": abuse or "honest",
        "abuse_type": abuse,
        "persona": personas[account],
    }
