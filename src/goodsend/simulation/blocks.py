"""
Building blocks that every story is made of: a sign-up, a sign-in, a payment, an import, a campaign and what comes back.

Each takes the sender, the moment and its own stream of chance, and returns items in order of time.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from random import Random
from typing import Any

import msgspec

from goodsend.kit.clock import HOUR, MINUTE, SECOND, Micros
from goodsend.simulation.mail import Envelope, Letter, mail_source
from goodsend.simulation.model import Client, Item, Sender
from goodsend.simulation.names import MAIL_PROVIDERS, recipient
from goodsend.simulation.streams import successes, token


class Rates(msgspec.Struct, frozen=True):
    """
    What becomes of a mailing, as shares 0…1: bounces of all that is sent, the rest of what is delivered.

    The usual values are those of a well-kept list, own values: an honest sender stays well clear of the limits that
    mailbox providers publish (bounce 2 %, complaint 0.1 %).
    """

    hard: float = 0.004
    soft: float = 0.004
    complaint: float = 0.0002
    unsubscribe: float = 0.0015
    open: float = 0.32
    click: float = 0.035


class Mailing(msgspec.Struct, frozen=True):
    """One mailing: a letter to so many recipients. `client` is where it is handed in from, the usual place for None."""

    name: str
    letter: Letter
    recipients: int
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""
    bulk: bool = True
    client: Client | None = None
    list_name: str = "main"


def signed_up(sender: Sender, at: Micros, form_seconds: float = 74.0, referrer: str = "search") -> Iterator[Item]:
    """Create the account, with its profile."""
    data = {**_client(sender.client), **_profile(sender), "form_seconds": form_seconds, "referrer": referrer}
    yield Item(at, "account.signed_up", {"account": sender.account, **data})


def logged_in(
    sender: Sender, at: Micros, client: Client | None = None, *, success: bool = True, second_factor: bool = False
) -> Iterator[Item]:
    """Sign in, from the usual place unless another is given."""
    data = {**_client(client or sender.client), "success": success, "second_factor": second_factor}
    yield Item(at, "account.logged_in", {"account": sender.account, "user": _user(sender), **data})


def updated(sender: Sender, at: Micros, change: str, client: Client | None = None, **data: Any) -> Iterator[Item]:
    """Change one setting of the account."""
    fields = {"account": sender.account, "user": _user(sender), **_client(client or sender.client), "change": change}
    yield Item(at, "account.updated", fields | data)


def paid(sender: Sender, at: Micros, amount_minor: int, card: str | None = None, **data: Any) -> Iterator[Item]:
    """Pay with the sender's card unless another is given."""
    yield Item(at, "payment.succeeded", _payment(sender, amount_minor, card) | {"plan": sender.plan} | data)


def refused(sender: Sender, at: Micros, amount_minor: int, card: str, reason: str, **data: Any) -> Iterator[Item]:
    """Try to pay and be refused."""
    yield Item(at, "payment.failed", _payment(sender, amount_minor, card) | {"reason": reason} | data)


def imported(sender: Sender, at: Micros, recipients: int, **data: Any) -> Iterator[Item]:
    """Import contacts. Without further fields it is a clean file with proof of consent."""
    clean = {
        "list": sender.id("list", "main"),
        "recipients": recipients,
        "new_recipients": recipients,
        "role_addresses": round(recipients * 0.003),
        "invalid_addresses": round(recipients * 0.001),
        "typo_addresses": 0,
        "known_elsewhere": round(recipients * 0.04),
        "suppressed_matches": 0,
        "has_consent_fields": True,
        "consent_source": "sign-up form on our website, confirmed by mail",
        "file_name": "subscribers.csv",
        "columns": ["email", "name", "opt_in_at", "opt_in_source"],
    }
    yield Item(at, "list.imported", {"account": sender.account, **_client(sender.client), **clean} | data)


def campaign(sender: Sender, at: Micros, random: Random, mailing: Mailing, rates: Rates | None) -> Iterator[Item]:
    """Hand in a mailing; with rates, it goes out and what comes back follows."""
    id_ = sender.id("camp", mailing.name)
    from_name = mailing.from_name or sender.company
    from_email = mailing.from_email or f"hello@{sender.domain}"
    data = {
        "account": sender.account,
        "user": _user(sender),
        **_client(mailing.client or sender.client),
        "campaign": id_,
        "list": sender.id("list", mailing.list_name),
        "recipients": mailing.recipients,
        "subject": mailing.letter.subject,
        "from_name": from_name,
        "from_email": from_email,
        "reply_to": mailing.reply_to or None,
        "sending_domain": sender.domain,
        "content": mail_content(sender, mailing, from_name, from_email, at),
    }
    yield Item(at, "campaign.submitted", data)
    if rates is not None:
        yield from deliveries(sender, at + 4 * MINUTE, random, mailing.recipients, rates, campaign_id=id_)


def mail_content(sender: Sender, mailing: Mailing, from_name: str, from_email: str, at: Micros) -> dict[str, str]:
    """Return the message source as a content field."""
    leave = f"{sender.website}unsubscribe?l={mailing.list_name}&r=" if mailing.bulk else ""
    envelope = Envelope(
        from_name=from_name,
        from_email=from_email,
        to="subscriber@example.com",
        at=at,
        message_id=f"{sender.id('m', mailing.name)}@{sender.domain}",
        reply_to=mailing.reply_to,
        list_id=f"{mailing.list_name}.{sender.domain}" if mailing.bulk else "",
        unsubscribe=f"{leave}{token(sender.stream('unsubscribe', mailing.name), 16)}" if mailing.bulk else "",
        postal=f"{sender.company}, 12 Example Street" if mailing.bulk else "",
    )
    return {"type": "message/rfc822", "text": mail_source(mailing.letter, envelope)}


def deliveries(
    sender: Sender, at: Micros, random: Random, sent: int, rates: Rates, *, campaign_id: str, hours: float = 2.0
) -> Iterator[Item]:
    """
    Deliver a mailing from `at` on, over some hours, and let its readers answer.

    One event stands for many messages where they are many: deliveries and soft bounces always, the rest above some
    dozens. The totals are exact.
    """
    hard, soft = successes(random, sent, rates.hard), successes(random, sent, rates.soft)
    delivered = max(0, sent - hard - soft)
    length = round(hours * HOUR)
    base = {"account": sender.account, "campaign": campaign_id}
    parts: list[list[Item]] = [
        _many(random, "message.delivered", base, delivered, at, length, most=36),
        _many(random, "message.bounced", base, hard, at, length, most=40, fixed=HARD_BOUNCES),
        _many(random, "message.bounced", base, soft, at, length, most=6, fixed=SOFT_BOUNCES),
    ]
    later, tail = at + 5 * MINUTE, length + 6 * HOUR
    opened, clicked = successes(random, delivered, rates.open), successes(random, delivered, rates.click)
    complained = successes(random, delivered, rates.complaint)
    left = successes(random, delivered, rates.unsubscribe)
    parts += [
        _many(
            random, "message.opened", base, opened, later, tail, most=40, fixed=({"machine": False}, {"machine": True})
        ),
        _many(random, "message.clicked", base, clicked, later, tail, most=30, fixed=({"machine": False},)),
        _many(random, "message.complained", base, complained, later, tail, most=60, fixed=COMPLAINTS),
        _many(random, "message.unsubscribed", base, left, later, tail, most=20, fixed=UNSUBSCRIBES),
    ]
    yield from sorted(chain.from_iterable(parts), key=lambda item: item.at)


HARD_BOUNCES: tuple[dict[str, Any], ...] = (
    {"bounce_class": "hard", "code": "5.1.1", "diagnostic": "550 5.1.1 user unknown"},
    {"bounce_class": "hard", "code": "5.1.2", "diagnostic": "550 5.1.2 host not found"},
)
SOFT_BOUNCES: tuple[dict[str, Any], ...] = (
    {"bounce_class": "soft", "code": "4.2.2", "diagnostic": "452 4.2.2 mailbox full"},
    {"bounce_class": "soft", "code": "4.7.0", "diagnostic": "421 4.7.0 try again later"},
)
COMPLAINTS: tuple[dict[str, Any], ...] = ({"feedback_type": "abuse", "provider": "freemail.example"},)
UNSUBSCRIBES: tuple[dict[str, Any], ...] = ({"method": "one_click"}, {"method": "link"})


def _many(
    random: Random,
    kind: str,
    base: dict[str, Any],
    total: int,
    at: Micros,
    length: Micros,
    *,
    most: int,
    fixed: Sequence[dict[str, Any]] = ({},),
) -> list[Item]:
    """Return at most `most` items that together stand for `total` messages, spread over `length`, early ones denser."""
    count = min(total, most)
    items = []
    for number in range(count):
        share = total // count + (number < total % count)
        where = random.choice(MAIL_PROVIDERS)
        data = {**base, "recipient_domain": where, **random.choice(fixed)}
        if share > 1:
            data["messages"] = share
        items.append(Item(at + round(length * random.random() ** 2), kind, data))
    return items


def form_entry(sender: Sender, at: Micros, random: Random, client: Client, **data: Any) -> Iterator[Item]:
    """Fill in the sender's sign-up form, which answers with a mail asking to confirm."""
    visitor = {
        "ip": client.network.ip,
        "ip_country": client.network.country,
        "asn": client.network.asn,
        "device": client.device,
        "user_agent": client.user_agent,
    }
    entry = {
        "account": sender.account,
        "form": sender.id("form", "main"),
        "recipient": recipient(random, sender.language),
        **visitor,
        "fill_seconds": round(6 + random.expovariate(0.05), 1),
        "sends_confirmation": True,
        "captcha": False,
    }
    yield Item(at, "form.submitted", entry | data)


def published(
    sender: Sender, at: Micros, name: str, title: str, html: str, client: Client | None = None
) -> Iterator[Item]:
    """Put a landing page online."""
    data = {
        "account": sender.account,
        "user": _user(sender),
        **_client(client or sender.client),
        "page": sender.id("page", name),
        "url": f"https://{sender.domain.removesuffix('.example')}.pages.example/{name}",
        "title": title,
        "content": {"type": "text/html", "text": html},
    }
    yield Item(at, "page.published", data)


def texted(
    sender: Sender, at: Micros, name: str, text: str, recipients: int, sender_id: str, client: Client | None = None
) -> Iterator[Item]:
    """Hand in one text message for many numbers."""
    data = {
        "account": sender.account,
        "user": _user(sender),
        **_client(client or sender.client),
        "campaign": sender.id("sms", name),
        "message": sender.id("smsg", name),
        "sender_id": sender_id,
        "recipient_country": sender.country,
        "recipients": recipients,
        "content": {"type": "text/plain", "text": text},
    }
    yield Item(at, "sms.submitted", data)


def sms_deliveries(
    sender: Sender, at: Micros, random: Random, name: str, sent: int, *, filtered: float, stop: float
) -> Iterator[Item]:
    """Deliver text messages; `filtered` and `stop` are the shares (0…1) the carrier blocks and that answer STOP."""
    base = {"account": sender.account, "campaign": sender.id("sms", name), "recipient_country": sender.country}
    blocked, stopped = successes(random, sent, filtered), successes(random, sent, stop)
    parts = [
        _many_sms(random, "sms.delivered", base, sent - blocked, at, most=20, fixed={}),
        _many_sms(random, "sms.failed", base, blocked, at, most=20, fixed={"filtered": True, "code": "30007"}),
        _many_sms(random, "sms.replied", base, stopped, at + MINUTE, most=30, fixed={"stop": True, "text": "STOP"}),
    ]
    yield from sorted(chain.from_iterable(parts), key=lambda item: item.at)


def _many_sms(
    random: Random, kind: str, base: dict[str, Any], total: int, at: Micros, *, most: int, fixed: dict[str, Any]
) -> list[Item]:
    items = _many(random, kind, base | fixed, total, at, 40 * MINUTE, most=most)
    for item in items:
        del item.data["recipient_domain"]
    return items


def _client(client: Client) -> dict[str, Any]:
    network = client.network
    return {
        "ip": network.ip,
        "ip_country": network.country,
        "asn": network.asn,
        "device": client.device,
        "user_agent": client.user_agent,
    }


def _profile(sender: Sender) -> dict[str, Any]:
    names = ("email", "company", "website", "domain", "phone", "country", "plan", "vertical")
    return {"name": sender.person} | {name: getattr(sender, name) for name in names}


def _payment(sender: Sender, amount_minor: int, card: str | None) -> dict[str, Any]:
    money = {
        "card": card or sender.card,
        "card_country": sender.country,
        "prepaid": False,
        "amount_minor": amount_minor,
        "currency": "USD" if sender.country == "US" else "EUR",
    }
    return {"account": sender.account, **_client(sender.client), **money}


def _user(sender: Sender) -> str:
    return sender.id("user", 1)


def seconds(count: float) -> Micros:
    """Return seconds as microseconds."""
    return round(count * SECOND)
