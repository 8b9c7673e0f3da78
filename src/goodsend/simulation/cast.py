"""
Who lives in the simulated world: forty places that repeat in blocks. The first block holds every abuse type.

A place is decided by the seed and its index alone, so a larger world is the smaller one with more people in it.
"""

from collections.abc import Callable, Iterator

import msgspec

from goodsend.simulation.model import Client, Persona, Sender
from goodsend.simulation.names import client, hosting_network, make_sender
from goodsend.simulation.personas import bulk, everyday, lists, payment, phishing, sms, snowshoe, takeover, vertical
from goodsend.simulation.streams import stream, token

BLOCK = 40
ABUSE_SHARE_LATER = 0.25
"""In blocks after the first, the share of abusive places that stay so; the others are honest newsletters. Own value."""


class Role(msgspec.Struct, frozen=True):
    """A place in the cast. `abuse` is the truth about the account, None for honest ones; `make` builds its sender."""

    name: str
    play: Persona
    make: Callable[[int, int], Sender]
    abuse: str | None = None


def _honest(name: str, play: Persona, trade: str, language: str = "en", plan: str = "business") -> Role:
    def make(seed: int, index: int) -> Sender:
        return make_sender(seed, index, name, trade=trade, language=language, plan=plan)

    return Role(name, play, make)


def _thief(name: str, play: Persona, company: str, abuse: str, vertical_name: str = "marketing") -> Role:
    def make(seed: int, index: int) -> Sender:
        return make_sender(
            seed, index, name, company=f"{company} {index + 1}", vertical=vertical_name, email_host="throwaway.example",
            hosting=True,
        )  # fmt: skip

    return Role(name, play, make, abuse)


def _merchant(name: str, play: Persona, company: str, abuse: str, vertical_name: str) -> Role:
    def make(seed: int, index: int) -> Sender:
        return make_sender(seed, index, name, company=f"{company} {index + 1}", vertical=vertical_name)

    return Role(name, play, make, abuse)


def _snowshoe_foot(seed: int, index: int) -> Sender:
    company = f"Home Comfort {('Direct', 'Savings', 'Offers', 'Deals')[index % 4]} {index + 1}"
    sender = make_sender(seed, index, "snowshoe", company=company, vertical="home", email_host="freemail.example")
    shared, card = _shared(seed, "snowshoe", index // BLOCK)
    return msgspec.structs.replace(sender, client=shared, card=card)


def _agency_customer(seed: int, index: int) -> Sender:
    sender = make_sender(seed, index, "agency", trade="newsletter", plan="business")
    shared, card = _shared(seed, "agency", index // BLOCK)
    at_home = msgspec.structs.replace(shared, network=sender.client.network)
    return msgspec.structs.replace(sender, client=at_home, card=card)


def _shared(seed: int, who: str, block: int) -> tuple[Client, str]:
    random = stream(seed, who, block)
    return client(random, hosting_network(random, "US")), f"card_{token(random, 12)}"


CAST: tuple[Role, ...] = (
    _honest("newsletter", bulk.newsletter, "newsletter"),
    _honest("shop", bulk.shop, "shop"),
    _thief("stolen_card", payment.stolen_card, "Sunny Roof", payment.ABUSE),
    _honest("application", everyday.application, "saas"),
    _honest("takeover", takeover.takeover, "newsletter", plan="business"),
    _honest("school", bulk.school, "school", plan="free"),
    _merchant("purchased_list", lists.purchased_list, "Lead Harbor", lists.ABUSE, "marketing"),
    _honest("charity", bulk.charity, "charity"),
    _thief("phishing_campaign", phishing.phishing_campaign, "Quick Post", phishing.ABUSE),
    _honest("club", bulk.club, "club", plan="free"),
    _thief("smishing", sms.smishing, "Text Now", sms.ABUSE),
    Role("snowshoe", snowshoe.snowshoe, _snowshoe_foot, snowshoe.ABUSE),
    Role("snowshoe", snowshoe.snowshoe, _snowshoe_foot, snowshoe.ABUSE),
    Role("snowshoe", snowshoe.snowshoe, _snowshoe_foot, snowshoe.ABUSE),
    Role("snowshoe", snowshoe.snowshoe, _snowshoe_foot, snowshoe.ABUSE),
    _merchant("prohibited_vertical", vertical.prohibited_vertical, "Wellness Depot", vertical.ABUSE, "health"),
    _thief("phishing_page", phishing.phishing_page, "Site Builder Pro", phishing.PAGE_ABUSE),
    _honest("careless", bulk.careless, "club", plan="free"),
    _honest("traveller", everyday.traveller, "newsletter"),
    _honest("clinic", everyday.clinic, "clinic"),
    _honest("newsletter", bulk.newsletter, "newsletter", "de"),
    _honest("newcomer", everyday.newcomer, "charity", plan="starter"),
    _honest("shop", bulk.shop, "shop", "fr"),
    Role("agency", bulk.agency, _agency_customer),
    Role("agency", bulk.agency, _agency_customer),
    _honest("festival", bulk.festival, "events"),
    _honest("newsletter", bulk.newsletter, "newsletter", "es"),
    _honest("application", everyday.application, "saas"),
    _honest("school", bulk.school, "school", plan="free"),
    _honest("shop", bulk.shop, "shop", "de"),
    _honest("newsletter", bulk.newsletter, "newsletter"),
    _honest("club", bulk.club, "club", plan="free"),
    _honest("charity", bulk.charity, "charity"),
    _honest("newsletter", bulk.newsletter, "newsletter", "pt"),
    _honest("shop", bulk.shop, "shop"),
    _honest("parcel_texts", everyday.parcel_texts, "shop"),
    _honest("newsletter", bulk.newsletter, "newsletter", "fr"),
    _honest("festival", bulk.festival, "events"),
    _honest("shop", bulk.shop, "shop", "es"),
    _honest("newsletter", bulk.newsletter, "newsletter"),
)

INSTEAD = _honest("newsletter", bulk.newsletter, "newsletter")
WITH_FORM = frozenset({"newsletter", "charity", "club", "newcomer"})
"""Roles whose senders have a sign-up form, which attackers may use."""


def role_at(seed: int, index: int) -> Role:
    """Return the role at a place of the world."""
    role = CAST[index % BLOCK]
    block = index // BLOCK
    wicked = role.abuse is not None or role.name == "takeover"
    if block and wicked and stream(seed, "stays", block, role.name).random() >= ABUSE_SHARE_LATER:
        return INSTEAD
    return role


def senders(seed: int, accounts: int) -> Iterator[tuple[Role, Sender]]:
    """Return every place with its sender, in order."""
    for index in range(accounts):
        role = role_at(seed, index)
        yield role, role.make(seed, index)
