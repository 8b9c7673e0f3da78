"""Honest senders of mailings: newsletters, shops, schools, charities, clubs, festivals. Established, with a history."""

from collections.abc import Iterator, Sequence

import msgspec

from goodsend.kit.clock import DAY, HOUR, MINUTE, Micros
from goodsend.simulation import blocks
from goodsend.simulation.blocks import Mailing, Rates
from goodsend.simulation.mail import Letter
from goodsend.simulation.model import Item, Sender, Span, Step, act
from goodsend.simulation.names import FIRST_NAMES, client, home_network
from goodsend.simulation.texts import honest

COHORTS_DAYS = (40, 75, 120, 180, 300)
"""How long before the span established accounts signed up. Few different days, so that few days of history are made."""

HISTORY_DAYS = (6, 3, 1)
"""The days before the span of which something is told: sign-ins, and mail sums."""

CARELESS = Rates(hard=0.075, soft=0.02, complaint=0.0, unsubscribe=0.004)
"""A volunteer's old address book: many addresses are gone, but nobody is angry."""


def established(sender: Sender, span: Span, *, daily: int = 0) -> list[Step]:
    """Return the steps before the span: the sign-up, the first import and payment, sign-ins, `daily` messages sent."""
    random = sender.stream("history")
    joined = span.start - random.choice(COHORTS_DAYS) * DAY + round(random.random() * 6 * HOUR)
    steps = [act(blocks.signed_up, sender, joined, round(random.uniform(40, 240), 1))]
    if sender.plan != "free":
        steps.append(act(blocks.paid, sender, joined + 15 * MINUTE, 2900))
    if daily:
        steps.append(act(blocks.imported, sender, joined + 30 * MINUTE, daily))
    for ago in HISTORY_DAYS:
        at = span.start - ago * DAY + round(random.uniform(1, 8) * HOUR)
        steps.append(act(blocks.logged_in, sender, at))
        if daily:
            steps.append(act(_past_mail, sender, at + HOUR, daily, ago))
    return steps


def _past_mail(sender: Sender, at: Micros, sent: int, ago: int) -> Iterator[Item]:
    base = {"account": sender.account, "campaign": sender.id("camp", f"past{ago}")}
    hard = sent // 300
    yield Item(at, "message.delivered", {**base, "messages": sent - hard})
    if hard:
        yield Item(at + 1, "message.bounced", {**base, "messages": hard, "bounce_class": "hard", "code": "5.1.1"})


def bulk(
    sender: Sender,
    span: Span,
    day: int,
    letters: Sequence[Letter],
    recipients: tuple[int, int],
    rates: Rates | None = None,
) -> list[Step]:
    """Return a day of an honest sender: sign in, send a mailing to a list whose size lies between `recipients`."""
    size = sender.stream("size").randint(*recipients)
    steps = established(sender, span, daily=size) if day == 0 else []
    random = sender.stream("bulk", day)
    begin = span.clock(random.uniform(5, 19), day)
    steps.append(act(blocks.logged_in, sender, begin, second_factor=random.random() < 0.4))
    at = begin + round(random.uniform(8, 50) * MINUTE)
    letter = fill(random.choice(letters), sender, day)
    mailing = Mailing(f"d{day}", letter, round(size * random.uniform(0.97, 1.04)))
    steps.append(act(blocks.campaign, sender, at, random, mailing, rates or Rates()))
    return steps


def form_traffic(sender: Sender, span: Span, day: int, visitors: int) -> list[Step]:
    """Return visitors who fill in the sender's form over the day; about half of them confirm."""
    random = sender.stream("form", day)
    times = [span.clock(min(23.9, max(0.0, random.gauss(13, 4))), day) for _ in range(visitors)]
    return [act(visit, sender, at, day, number) for number, at in enumerate(times)]


def visit(sender: Sender, at: Micros, day: int, number: int) -> Iterator[Item]:
    """Fill in the sender's form as one honest visitor, and perhaps confirm."""
    random = sender.stream("visitor", day, number)
    visitor = client(random, home_network(random, sender.country))
    name = random.choice(FIRST_NAMES[sender.language])
    text = random.choice(honest.FORM_MESSAGES) or None
    entry = list(blocks.form_entry(sender, at, random, visitor, visitor_name=name, message_text=text))
    yield from entry
    if random.random() < 0.55:
        entered = entry[0].data
        data = {name: entered[name] for name in ("account", "form", "recipient", "ip", "ip_country", "asn", "device")}
        data |= {"list": sender.id("list", "main"), "source": "form", "confirmed": True}
        yield Item(at + round(random.uniform(1, 30) * MINUTE), "contact.added", data, channel="form")


def fill(letter: Letter, sender: Sender, number: int | str, link: str | None = None) -> Letter:
    """Return a letter with its places filled for one mailing."""
    random = sender.stream("reader", number)
    values = {
        "first": random.choice(FIRST_NAMES[letter.language]),
        "company": sender.company,
        "site": sender.website,
        "number": number if isinstance(number, str) else 40 + number,
        "link": link or sender.website,
    }
    parts = {name: getattr(letter, name).format(**values) for name in ("subject", "button", "link", "shown", "hidden")}
    paragraphs = tuple(paragraph.format(**values) for paragraph in letter.paragraphs)
    return msgspec.structs.replace(letter, paragraphs=paragraphs, **parts)


def newsletter(sender: Sender, span: Span, day: int) -> list[Step]:
    """A newsletter with a sign-up form and, for every third, a landing page."""
    letters = honest.NEWSLETTERS[sender.language]
    steps = bulk(sender, span, day, letters, (3_000, 16_000)) + form_traffic(sender, span, day, 14)
    if sender.index % 3 == 0 and day == 0:
        random = sender.stream("page")
        title, text = random.choice(honest.PAGE_TEXTS)
        html = honest.PAGE.format(language=sender.language, title=title, text=text, site=sender.website)
        at = span.clock(random.uniform(8, 17))
        steps.append(act(blocks.published, sender, at, "welcome", title, html))
    return steps


def shop(sender: Sender, span: Span, day: int) -> list[Step]:
    """A shop that sends offers."""
    return bulk(
        sender, span, day, honest.SHOP_OFFERS[sender.language], (8_000, 30_000), Rates(complaint=0.0003, click=0.05)
    )


def school(sender: Sender, span: Span, day: int) -> list[Step]:
    """A school that writes to parents."""
    return bulk(sender, span, day, honest.SCHOOL, (400, 1_500), Rates(complaint=0.0, unsubscribe=0.0004, open=0.6))


def charity(sender: Sender, span: Span, day: int) -> list[Step]:
    """A non-profit with volunteers, donors and a form."""
    return bulk(sender, span, day, honest.CHARITY, (2_000, 9_000)) + form_traffic(sender, span, day, 12)


def club(sender: Sender, span: Span, day: int) -> list[Step]:
    """A small club with a busy contact form and few members."""
    rates = Rates(complaint=0.0, hard=0.01, open=0.6)
    return bulk(sender, span, day, honest.CLUB, (80, 320), rates) + form_traffic(sender, span, day, 20)


def festival(sender: Sender, span: Span, day: int) -> list[Step]:
    """An organiser of events who writes to last year's guests."""
    return bulk(sender, span, day, honest.EVENTS, (5_000, 20_000), Rates(hard=0.009, unsubscribe=0.004))


def careless(sender: Sender, span: Span, day: int) -> list[Step]:
    """An honest beginner whose small address book is old: a high share of bounces, of very few messages."""
    return bulk(sender, span, day, honest.CLUB, (110, 150), CARELESS)


def agency(sender: Sender, span: Span, day: int) -> list[Step]:
    """One of two customers of an agency, which works for both from one desk and pays with one card."""
    return bulk(sender, span, day, honest.NEWSLETTERS[sender.language], (1_500, 6_000))
