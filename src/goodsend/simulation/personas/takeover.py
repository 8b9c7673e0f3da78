"""An honest account in foreign hands: passwords tried until one fits, then all that pays is changed within minutes."""

from functools import partial

from goodsend.kit.clock import MINUTE, SECOND
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.model import Sender, Span, Step, act
from goodsend.simulation.names import client, hosting_network
from goodsend.simulation.personas.bulk import bulk, fill
from goodsend.simulation.personas.phishing import lure_letter
from goodsend.simulation.streams import token
from goodsend.simulation.texts import abusive, honest

ABUSE = "account_takeover"
FAILURES = 14
CHANGES = ("second_factor_off", "email", "api_key_made", "contacts_exported", "suppression_cleared")
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36"
)


def takeover(sender: Sender, span: Span, day: int) -> list[Step]:
    """A newsletter that is honest by day, and taken over once."""
    steps = bulk(sender, span, day, honest.NEWSLETTERS[sender.language], (6_000, 14_000))
    return steps + _theft(sender, span) if day == 0 else steps


def _theft(sender: Sender, span: Span) -> list[Step]:
    random = sender.stream("thief")
    thief = client(random, hosting_network(random, "MD"), BROWSER)
    wicked = partial(act, abuse=ABUSE)
    at = span.after(random.uniform(200, 260))
    steps = []
    for _ in range(FAILURES):
        steps.append(wicked(blocks.logged_in, sender, at, thief, success=False))
        at += round(random.uniform(4, 30) * SECOND)
    steps.append(wicked(blocks.logged_in, sender, at, thief))
    for change in CHANGES:
        at += round(random.uniform(1, 4) * MINUTE)
        more = {"key": sender.id("key", token(random, 6))} if change == "api_key_made" else {}
        more |= {"email": "recovery@throwaway.example"} if change == "email" else {}
        steps.append(wicked(blocks.updated, sender, at, change, thief, **more))
    lure = abusive.LURES[1]
    mailing = Mailing("x1", fill(lure_letter(lure, random), sender, "x1"), 14_000, lure.from_name, client=thief)
    rates = Rates(hard=0.01, complaint=0.004, open=0.2)
    return [*steps, wicked(blocks.campaign, sender, at + 9 * MINUTE, random, mailing, rates)]
