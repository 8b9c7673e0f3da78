"""Phishing: by a campaign that imitates a brand, and by a hosted page that asks for passwords and cards."""

from functools import partial
from random import Random
from typing import Any

import msgspec

from goodsend.kit.clock import HOUR, MINUTE, Micros
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.mail import Letter
from goodsend.simulation.model import Item, Sender, Span, Step, act, once
from goodsend.simulation.personas.bulk import fill
from goodsend.simulation.streams import token
from goodsend.simulation.texts import abusive
from goodsend.simulation.texts.abusive import Lure

ABUSE = "phishing"
PAGE_ABUSE = "phishing_page"
RATES = Rates(hard=0.06, complaint=0.006, unsubscribe=0.0, open=0.2, click=0.05)
RECIPIENTS = 5_200
NO_PROOF: dict[str, Any] = {
    "has_consent_fields": False,
    "consent_source": None,
    "role_addresses": 90,
    "invalid_addresses": 120,
    "known_elsewhere": 900,
    "suppressed_matches": 30,
    "file_name": "list.txt",
    "columns": ["email"],
}


def lure_letter(lure: Lure, random: Random) -> Letter:
    """Return the lure's letter with a link of its own."""
    link = f"https://{lure.host}/{token(random, 6)}/?id={random.randint(10_000, 99_999)}"
    shown = lure.letter.shown.format(number=random.randint(10_000, 99_999))
    return msgspec.structs.replace(lure.letter, link=link, shown=shown)


def _phishing_campaign(sender: Sender, span: Span) -> list[Step]:
    """Sign up, import, imitate a parcel carrier within the hour and another brand later; a brand owner reports it."""
    random = sender.stream("phishing")
    wicked = partial(act, abuse=ABUSE)
    begin = span.after(random.uniform(20, 50))
    steps = [
        wicked(blocks.signed_up, sender, begin, 4.1, "direct"),
        wicked(blocks.imported, sender, begin + 9 * MINUTE, RECIPIENTS, **NO_PROOF),
    ]
    sent = begin + 25 * MINUTE
    for name, at, lure in (("p1", sent, abusive.LURES[0]), ("p2", sent + 3 * HOUR, random.choice(abusive.LURES[2:]))):
        letter = fill(lure_letter(lure, random), sender, f"{random.randint(10**9, 10**10 - 1)}")
        mailing = Mailing(name, letter, RECIPIENTS, lure.from_name, bulk=False)
        steps.append(wicked(blocks.campaign, sender, at, random, mailing, RATES))
    return [*steps, wicked(_report, sender, sent + 50 * MINUTE, sender.id("camp", "p1"))]


def _report(sender: Sender, at: Micros, campaign_id: str) -> list[Item]:
    data = {
        "account": sender.account,
        "campaign": campaign_id,
        "complaint_type": "phishing",
        "reporter": "brand-protection.example",
        "trusted": True,
        "text": "This mail pretends to come from a parcel carrier and asks for card details.",
    }
    return [Item(at, "complaint.received", data, channel="email")]


def _phishing_page(sender: Sender, span: Span) -> list[Step]:
    """Sign up and put a copied sign-in page online, then a second one when nobody seems to look."""
    random = sender.stream("page")
    wicked = partial(act, abuse=PAGE_ABUSE)
    begin = span.after(random.uniform(130, 220))
    steps = [wicked(blocks.signed_up, sender, begin, 3.9, "direct")]
    for number, (lure, wait) in enumerate(((abusive.LURES[1], 11), (abusive.LURES[2], 190))):
        collector = f"collect-{token(random, 6)}.example"
        html = abusive.PHISHING_PAGE.format(brand=lure.brand, host=lure.host, collector=collector)
        title = f"{lure.brand} - Sign in to your account"
        steps.append(wicked(blocks.published, sender, begin + wait * MINUTE, f"login{number}", title, html))
    return steps


phishing_campaign = once(_phishing_campaign)
phishing_page = once(_phishing_page)
