"""Sign-ups with stolen cards: a throw-away mailbox, a data centre, one card after another until one is taken."""

from functools import partial
from typing import Any

from goodsend.kit.clock import DAY, MINUTE, Micros
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing
from goodsend.simulation.model import Item, Sender, Span, Step, act, once
from goodsend.simulation.names import SCRIPT
from goodsend.simulation.personas.bulk import fill
from goodsend.simulation.streams import token
from goodsend.simulation.texts import abusive

ABUSE = "stolen_card"
TRIES = (("declined", "US"), ("stolen", "CA"), ("cvc", "AU"), ("declined", "GB"), ("insufficient_funds", "BR"))


def _stolen_card(sender: Sender, span: Span) -> list[Step]:
    """Sign up in three seconds, try five cards, buy the largest plan with the sixth, hand in a bulk offer."""
    random = sender.stream("cards")
    wicked = partial(act, abuse=ABUSE)
    at = span.after(random.uniform(70, 160))
    steps = [wicked(blocks.signed_up, sender, at, 2.8, "direct")]
    for reason, country in TRIES:
        at += round(random.uniform(0.4, 2.5) * MINUTE)
        more: dict[str, Any] = {"card_country": country, "prepaid": random.random() < 0.4, "user_agent": SCRIPT}
        steps.append(wicked(blocks.refused, sender, at, 29_900, f"card_{token(random, 12)}", reason, **more))
    taken = f"card_{token(random, 12)}"
    letter = fill(abusive.COLD[1], sender, 1, f"https://{sender.domain}/solar")
    mailing = Mailing("c1", letter, 30_000, bulk=False)
    return [
        *steps,
        wicked(blocks.paid, sender, at + 2 * MINUTE, 29_900, taken, card_country="US"),
        wicked(blocks.campaign, sender, at + 18 * MINUTE, random, mailing, None),
        wicked(_disputed, sender, at + 2 * DAY, taken),
    ]


def _disputed(sender: Sender, at: Micros, card: str) -> list[Item]:
    money = {"card": card, "amount_minor": 29_900, "currency": "USD", "reason": "fraud"}
    return [Item(at, "payment.disputed", {"account": sender.account} | money)]


stolen_card = once(_stolen_card)
