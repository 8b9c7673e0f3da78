"""Smishing: parcel and customs texts with a look-alike link, from a new account."""

from functools import partial
from typing import Any

from goodsend.kit.clock import HOUR, MINUTE
from goodsend.simulation import blocks
from goodsend.simulation.model import Sender, Span, Step, act, once
from goodsend.simulation.streams import token
from goodsend.simulation.texts import abusive

ABUSE = "smishing"
NUMBERS = 2_400


def _smishing(sender: Sender, span: Span) -> list[Step]:
    """Sign up, pay once, and send three waves of parcel texts; carriers filter a part, people answer STOP."""
    random = sender.stream("smishing")
    wicked = partial(act, abuse=ABUSE)
    begin = span.after(random.uniform(60, 140))
    steps = [
        wicked(blocks.signed_up, sender, begin, 5.5, "direct"),
        wicked(blocks.paid, sender, begin + 5 * MINUTE, 4_900),
    ]
    for number, (sender_id, host, text) in enumerate(abusive.SMISHING):
        at = begin + 20 * MINUTE + number * HOUR
        name = f"w{number}"
        filled = text.format(link=f"https://{host}/{token(random, 5)}")
        back: dict[str, Any] = {"filtered": 0.09, "stop": 0.04}
        steps.append(wicked(blocks.texted, sender, at, name, filled, NUMBERS, sender_id))
        steps.append(wicked(blocks.sms_deliveries, sender, at + MINUTE, random, name, NUMBERS, **back))
    return steps


smishing = once(_smishing)
