"""Goods and services the platform does not carry: prescription drugs, gambling."""

from functools import partial

from goodsend.kit.clock import HOUR, MINUTE
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.model import Sender, Span, Step, act, once
from goodsend.simulation.personas.bulk import fill
from goodsend.simulation.texts import abusive

ABUSE = "prohibited_vertical"
RATES = Rates(hard=0.03, complaint=0.002, unsubscribe=0.006, open=0.15, click=0.02)
RECIPIENTS = 1_800


def _prohibited_vertical(sender: Sender, span: Span) -> list[Step]:
    """Sign up as a health shop, then advertise pills without prescription and, later, a casino."""
    random = sender.stream("vertical")
    wicked = partial(act, abuse=ABUSE)
    begin = span.after(random.uniform(30, 90))
    steps = [
        wicked(blocks.signed_up, sender, begin, 52.0, "search"),
        wicked(blocks.paid, sender, begin + 8 * MINUTE, 2_900),
        wicked(blocks.imported, sender, begin + 20 * MINUTE, RECIPIENTS),
    ]
    for number, text in enumerate(abusive.VERTICAL):
        letter = fill(text, sender, number, f"https://www.{sender.domain}/now")
        mailing = Mailing(f"v{number}", letter, RECIPIENTS)
        steps.append(wicked(blocks.campaign, sender, begin + (1 + 3 * number) * HOUR, random, mailing, RATES))
    return steps


prohibited_vertical = once(_prohibited_vertical)
