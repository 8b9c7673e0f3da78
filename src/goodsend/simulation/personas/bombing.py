"""Attacks through the forms of honest customers: one mailbox flooded with confirmations, names that carry a link."""

from collections.abc import Sequence

from goodsend.kit.clock import MINUTE, Micros
from goodsend.simulation import blocks
from goodsend.simulation.model import Client, Item, Sender, Span, Step, act
from goodsend.simulation.names import SCRIPT, client, hosting_network, recipient
from goodsend.simulation.streams import stream
from goodsend.simulation.texts import abusive

BOMBING = "subscription_bombing"
RELAY = "form_relay"
ENTRIES = 160
RELAYED = 120
VICTIM = "press.office@post.example"
RELAY_HOST = "prize-claims.example"


def list_bombing(seed: int, block: int, targets: Sequence[Sender], span: Span) -> list[Step]:
    """Enter one victim's address into the forms of all targets, again and again, for three quarters of an hour."""
    random = stream(seed, "bombing", block)
    robots = [client(random, hosting_network(random), SCRIPT) for _ in range(6)]
    begin = span.after(random.uniform(100, 200))
    victim = VICTIM if block == 0 else recipient(random)
    steps = []
    for number in range(ENTRIES):
        at = begin + round(45 * MINUTE * random.random())
        target, robot = targets[number % len(targets)], random.choice(robots)
        steps.append(act(_enter, target, at, "bomb", number, robot, abuse=BOMBING, recipient=victim, fill_seconds=0.4))
    return steps


def form_relay(seed: int, block: int, target: Sender, span: Span) -> list[Step]:
    """Enter strangers' addresses into one form, with a link in place of the name, which the confirmation carries."""
    random = stream(seed, "relay", block)
    robots = [client(random, hosting_network(random), SCRIPT) for _ in range(3)]
    begin = span.after(random.uniform(280, 420))
    steps = []
    for number in range(RELAYED):
        at = begin + round(70 * MINUTE * random.random())
        name = random.choice(abusive.RELAY_NAMES).format(host=RELAY_HOST, number=random.randint(100, 999))
        entry = {"visitor_name": name, "fill_seconds": 0.9}
        steps.append(act(_enter, target, at, "relay", number, random.choice(robots), abuse=RELAY, **entry))
    return steps


def _enter(target: Sender, at: Micros, purpose: str, number: int, robot: Client, **entry: object) -> list[Item]:
    return list(blocks.form_entry(target, at, target.stream(purpose, number), robot, **entry))
