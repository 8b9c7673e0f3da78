"""Honest senders other than bulk mail: transactional mail, text messages, newcomers, a traveller."""

from collections.abc import Iterator, Sequence

import msgspec

from goodsend.kit.clock import HOUR, MINUTE, SECOND, Micros
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.model import Item, Sender, Span, Step, act, once
from goodsend.simulation.names import far_network, recipient
from goodsend.simulation.personas.bulk import bulk, established, fill, visit
from goodsend.simulation.streams import token
from goodsend.simulation.texts import honest

MESSAGES_PER_DAY = 60
"""Transactional messages a day of one application that are told one by one."""


def application(sender: Sender, span: Span, day: int) -> list[Step]:
    """A software service that sends invoices, summaries and password resets through the interface."""
    steps = established(sender, span, daily=2_000) if day == 0 else []
    random = sender.stream("transactional", day)
    times = [span.clock(min(23.9, max(0.0, random.gauss(14, 4))), day) for _ in range(MESSAGES_PER_DAY)]
    steps += [act(_transactional, sender, at, day, number) for number, at in enumerate(times)]
    steps += [act(_calls, sender, span.clock(hour + random.random(), day)) for hour in range(0, 24, 2)]
    return steps


def _transactional(sender: Sender, at: Micros, day: int, number: int) -> Iterator[Item]:
    random = sender.stream("message", day, number)
    name = f"t{day}_{number}"
    letter = fill(random.choice(honest.TRANSACTIONAL), sender, f"{random.randint(1000, 9999)}")
    from_email, to = f"no-reply@{sender.domain}", recipient(random, sender.language)
    message = sender.id("msg", name)
    data = {
        "account": sender.account,
        "key": sender.id("key", 1),
        "message": message,
        "recipient": to,
        "subject": letter.subject,
        "from_email": from_email,
        "sending_domain": sender.domain,
        "ip": sender.client.network.ip,
        "ip_country": sender.client.network.country,
        "asn": sender.client.network.asn,
        "content": blocks.mail_content(sender, Mailing(name, letter, 1, bulk=False), sender.company, from_email, at),
    }
    yield Item(at, "message.submitted", data)
    about = {"account": sender.account, "message": message, "recipient": to, "recipient_domain": to.partition("@")[2]}
    if random.random() < 0.006:
        yield Item(at + 2 * SECOND, "message.bounced", about | {"bounce_class": "hard", "code": "5.1.1"})
        return
    yield Item(at + round(random.uniform(1, 8) * SECOND), "message.delivered", about)
    if random.random() < 0.5:
        yield Item(at + round(random.uniform(1, 90) * MINUTE), "message.opened", about | {"machine": False})


def _calls(sender: Sender, at: Micros) -> Iterator[Item]:
    network = sender.client.network
    client_data = {"ip": network.ip, "ip_country": network.country, "asn": network.asn}
    call = {"account": sender.account, "key": sender.id("key", 1), "operation": "messages.send", "status": 202}
    yield Item(at, "api.called", call | client_data)


def clinic(sender: Sender, span: Span, day: int) -> list[Step]:
    """A practice that reminds its patients by text message."""
    return _texting(sender, span, day, honest.SMS, "CLINIC")


def parcel_texts(sender: Sender, span: Span, day: int) -> list[Step]:
    """A shop that tells by text where its parcels are, with links to its own site."""
    return _texting(sender, span, day, honest.SMS_PARCELS, "SHOP")


def _texting(sender: Sender, span: Span, day: int, texts: Sequence[str], sender_id: str) -> list[Step]:
    steps = established(sender, span) if day == 0 else []
    random = sender.stream("sms", day)
    times = [span.clock(random.uniform(9, 18), day) for _ in range(6)]
    return steps + [act(_texts, sender, at, f"d{day}n{n}", texts, sender_id) for n, at in enumerate(times)]


def _texts(sender: Sender, at: Micros, name: str, texts: Sequence[str], sender_id: str) -> Iterator[Item]:
    random = sender.stream("texts", name)
    text = random.choice(texts).format(company=sender.company, site=sender.website, number=random.randint(9, 18))
    count = random.randint(20, 160)
    yield from blocks.texted(sender, at, name, text, count, sender_id)
    yield from blocks.sms_deliveries(sender, at + MINUTE, random, name, count, filtered=0.002, stop=0.004)
    base = {"account": sender.account, "campaign": sender.id("sms", name), "recipient_country": sender.country}
    for reply in random.sample(honest.REPLIES, 2):
        later = at + 41 * MINUTE + round(random.uniform(1, 60) * MINUTE)
        yield Item(later, "sms.replied", base | {"stop": False, "text": reply})


def _newcomer(sender: Sender, span: Span) -> list[Step]:
    """An honest sender who signs up today, imports a small list with proof of consent and sends a first letter."""
    random = sender.stream("newcomer")
    begin = span.after(random.uniform(60, 600))
    count = random.randint(200, 900)
    first = begin + 2 * HOUR
    mailing = Mailing("first", fill(random.choice(honest.CHARITY), sender, 1), count)
    steps = [
        act(blocks.signed_up, sender, begin, 130.0),
        act(blocks.paid, sender, begin + 12 * MINUTE, 2900),
        act(blocks.imported, sender, begin + 30 * MINUTE, count),
        act(blocks.campaign, sender, first, random, mailing, Rates()),
    ]
    return steps + [act(visit, sender, first + n * 40 * MINUTE, 0, n) for n in range(5)]


newcomer = once(_newcomer)


def traveller(sender: Sender, span: Span, day: int) -> list[Step]:
    """An honest sender who works from abroad: a country never seen, the laptop everybody knows, a second factor."""
    steps = bulk(sender, span, day, honest.NEWSLETTERS[sender.language], (2_000, 6_000))
    random = sender.stream("journey", day)
    away = msgspec.structs.replace(sender.client, network=far_network(random, "PT"))
    early = span.after(95, day)
    steps.append(act(blocks.logged_in, sender, early, away, second_factor=True))
    if day == 0:
        key = sender.id("key", token(random, 6))
        steps.append(act(blocks.updated, sender, early + 15 * MINUTE, "api_key_made", away, key=key))
    return steps
