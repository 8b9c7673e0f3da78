"""Bought lists: forty thousand addresses nobody gave, and what mail servers say about them."""

from functools import partial
from typing import Any

from goodsend.kit.clock import HOUR, MINUTE
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.model import Sender, Span, Step, act, once
from goodsend.simulation.personas.bulk import fill
from goodsend.simulation.texts import abusive

ABUSE = "purchased_list"
RECIPIENTS = 40_000
FIRST_PART = 6_000
RATES = Rates(hard=0.115, soft=0.03, complaint=0.007, unsubscribe=0.012, open=0.05, click=0.002)
VENDOR: dict[str, Any] = {
    "role_addresses": 1_640,
    "invalid_addresses": 2_380,
    "typo_addresses": 130,
    "known_elsewhere": 15_900,
    "suppressed_matches": 880,
    "has_consent_fields": False,
    "consent_source": "business directory",
    "columns": abusive.VENDOR_COLUMNS,
}


def _purchased_list(sender: Sender, span: Span) -> list[Step]:
    """Sign up, pay, import a data vendor's file, and write to all of it; the first part goes out and comes back."""
    random = sender.stream("list")
    wicked = partial(act, abuse=ABUSE)
    begin = span.after(random.uniform(40, 100))
    sent = begin + HOUR
    file_name = random.choice(abusive.VENDOR_FILES)
    letter = fill(abusive.COLD[0], sender, 1, f"https://www.{sender.domain}/prices")
    mailing = Mailing("b1", letter, RECIPIENTS, sender.person, reply_to=sender.email, bulk=False)
    back = {"campaign_id": sender.id("camp", "b1")}
    return [
        wicked(blocks.signed_up, sender, begin, 38.0, "search"),
        wicked(blocks.paid, sender, begin + 6 * MINUTE, 9_900),
        wicked(blocks.imported, sender, begin + 22 * MINUTE, RECIPIENTS, file_name=file_name, **VENDOR),
        wicked(blocks.campaign, sender, sent, random, mailing, None),
        wicked(blocks.deliveries, sender, sent + 8 * MINUTE, random, FIRST_PART, RATES, **back),
    ]


purchased_list = once(_purchased_list)
