"""Snowshoe: several accounts that look unrelated, each under every limit, run from one browser, paid with one card."""

from functools import partial
from typing import Any

from goodsend.kit.clock import DAY, HOUR, MINUTE
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.model import Sender, Span, Step, act
from goodsend.simulation.personas.bulk import fill
from goodsend.simulation.texts import abusive

ABUSE = "snowshoe"
RATES = Rates(hard=0.02, complaint=0.0014, unsubscribe=0.004, open=0.12, click=0.01)
JOINED_DAYS_AGO = 5
IMPORT: dict[str, Any] = {"has_consent_fields": False, "consent_source": "partners"}


def snowshoe(sender: Sender, span: Span, day: int) -> list[Step]:
    """One foot of the snowshoe: joined some days ago, a small import, three small mailings a day at level volume."""
    wicked = partial(act, abuse=ABUSE)
    steps = []
    if day == 0:
        joined = span.start - JOINED_DAYS_AGO * DAY + round(sender.stream("joined").uniform(0, 3) * HOUR)
        steps += [
            wicked(blocks.signed_up, sender, joined, 41.0, "search"),
            wicked(blocks.paid, sender, joined + 11 * MINUTE, 2_900),
            wicked(blocks.imported, sender, joined + 40 * MINUTE, 2_700, **IMPORT),
        ]
    for wave in range(3):
        random = sender.stream("wave", day, wave)
        at = span.after(90 + 300 * wave + random.uniform(0, 60), day)
        letter = fill(random.choice(abusive.SNOWSHOE), sender, f"{day}{wave}", f"https://{sender.domain}/bath")
        mailing = Mailing(f"s{day}w{wave}", letter, random.randint(870, 930))
        steps.append(wicked(blocks.logged_in, sender, at - 6 * MINUTE))
        steps.append(wicked(blocks.campaign, sender, at, random, mailing, RATES))
    return steps
