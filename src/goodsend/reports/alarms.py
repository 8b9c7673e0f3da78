"""
Alarms about rules: the share of accounts a rule fires on departs from its history, or it falls silent. Pure sums.

Each hour each rule is put to three binomial tests of accounts: has its share risen, has it fallen, is it silent. What
counts as a surprise is set by how many false alarms a week are bearable: the chance of each test is that number divided
by all the tests of a week (Bonferroni). So the expected number of false alarms stays below it however the rules depend
on each other, as long as accounts behave independently within an hour. They do not always, so a rise must also be large
(`least_factor`) and of several accounts (`least_accounts`). The history enters as the bound of its own 95 % interval
(Wilson) that makes an alarm harder: a short history raises none.

Source: Dunn, Multiple comparisons among means, JASA 56 (1961); Wilson, JASA 22 (1927).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from goodsend.events.functions import wilson
from goodsend.kit.clock import DAY, HOUR, Micros, format_time
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.rules.shape import shape_problem

Kind = Literal["breaker", "rule_rose", "rule_fell", "rule_silent"]
_TESTS = 3
"""Tests an hour and rule."""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    When to raise an alarm: `alarms.toml`.

    A history needs `least_history_hours` and is at most `history_hours` long, the tested hours apart. A rule is silent
    when it fired on nobody for `silent_hours`. An alarm on the same rule comes again after `repeat_after_hours`.
    """

    false_alarms_per_week: float
    history_hours: int
    least_history_hours: int
    silent_hours: int
    least_accounts: int
    least_factor: float
    repeat_after_hours: int
    source: str


class RuleHour(msgspec.Struct, frozen=True):
    """
    What a rule, in one version, did in one hour: hits, distinct accounts it fired on, and distinct accounts that had
    events it looks at.
    """

    hour: Micros
    version: str
    hits: int
    accounts: int
    seen: int


class Alarm(msgspec.Struct, frozen=True):
    """Something people should look at. `at` is the hour it is about, `body` the figures behind it."""

    id: str
    kind: Kind
    subject: str
    at: Micros
    reason: str
    body: dict[str, Any]


def parse_watch(files: Mapping[str, Mapping[str, Any]]) -> tuple[Watch | None, list[Problem]]:
    """Read alarms.toml; the last file wins as a whole. None where there is none: then no rule raises an alarm."""
    watch = None
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            watch = msgspec.convert(raw, Watch)
        except msgspec.ValidationError as error:
            problems.append(shape_problem(file, error, Watch))
            continue
        problems += [
            Problem(f"{file}: {name}", "is not above 0", "leave the whole file out for no alarms")
            for name in Watch.__struct_fields__
            if name != "source" and getattr(watch, name) <= 0
        ]
        if watch.least_factor <= 1:
            problems.append(Problem(f"{file}: least_factor", "is not above 1", "2.0: twice or half of what it was"))
    return watch, problems


def log_at_least(count: int, of: int, share: float) -> float:
    """
    Return the natural logarithm of the chance of `count` or more of `of`, each with this chance (0…1): the exact tail.

    Terms are added in logarithms from the largest on, so a chance of 1e-300 or far less is no 0. The error is that of
    `lgamma`: below 1e-9 of the logarithm for up to a billion trials.
    """
    if count <= 0:
        return 0.0
    if count > of or share <= 0:
        return -math.inf
    if share >= 1:
        return 0.0
    if count <= of * share:
        below = log_at_most(count - 1, of, share)
        return math.log1p(-math.exp(below)) if below < 0 else -math.inf
    term = total = 1.0
    odds = share / (1 - share)
    at = count
    while at < of and term > total * 1e-17:
        term *= (of - at) / (at + 1) * odds
        total += term
        at += 1
    return min(0.0, _log_of(count, of, share) + math.log(total))


def log_at_most(count: int, of: int, share: float) -> float:
    """Return the natural logarithm of the chance of `count` or fewer of `of`; the mirror of `log_at_least`."""
    if count >= of or share <= 0:
        return 0.0 if count >= 0 else -math.inf
    if count < 0 or share >= 1:
        return -math.inf
    if count > of * share:
        above = log_at_least(count + 1, of, share)
        return math.log1p(-math.exp(above)) if above < 0 else -math.inf
    term = total = 1.0
    odds = (1 - share) / share
    at = count
    while at > 0 and term > total * 1e-17:
        term *= at / (of - at + 1) * odds
        total += term
        at -= 1
    return min(0.0, _log_of(count, of, share) + math.log(total))


def _log_of(count: int, of: int, share: float) -> float:
    """Return the logarithm of the chance of exactly `count` of `of`."""
    ways = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    return ways + count * math.log(share) + (of - count) * math.log1p(-share)


def alarms_of(
    tenant: str,
    hour: Micros,
    by_rule: Mapping[str, Sequence[RuleHour]],
    watch: Watch,
    recent: Mapping[tuple[str, str], Micros],
) -> list[Alarm]:
    """
    Return the alarms that the hour beginning at `hour` raises.

    `by_rule` are the hours of each rule, this one included, earliest first; `recent` says by (kind, rule) which hour
    the last alarm was about. Only hours of a rule's present version count: another threshold begins a new history.
    """
    chance = math.log(watch.false_alarms_per_week / (_TESTS * max(1, len(by_rule)) * (7 * DAY // HOUR)))
    found: list[Alarm | None] = []
    for rule, every in sorted(by_rule.items()):
        if not every or every[-1].hour != hour:
            continue
        same = [one for one in every if one.version == every[-1].version and one.hour <= hour]
        found += [_departed(tenant, rule, same, watch, chance), _silent(tenant, rule, same, watch, chance)]
    return [alarm for alarm in found if alarm is not None and not _is_repeated(alarm, recent, watch)]


def _is_repeated(alarm: Alarm, recent: Mapping[tuple[str, str], Micros], watch: Watch) -> bool:
    last = recent.get((alarm.kind, alarm.subject))
    return last is not None and alarm.at - last < watch.repeat_after_hours * HOUR


def _departed(tenant: str, rule: str, hours: Sequence[RuleHour], watch: Watch, chance: float) -> Alarm | None:
    """Test the last hour against those before it."""
    last = hours[-1]
    history = [one for one in hours[:-1] if one.hour >= last.hour - watch.history_hours * HOUR]
    if len(history) < watch.least_history_hours or not last.seen:
        return None
    accounts, seen = _sums(history)
    low, high = wilson(accounts, seen) or (0.0, 1.0)
    before, now = accounts / seen if seen else 0.0, last.accounts / last.seen
    figures = {"accounts": last.accounts, "seen": last.seen, "history_accounts": accounts, "history_seen": seen,
               "history_hours": len(history)}  # fmt: skip
    told = (
        f"In the hour from {format_time(last.hour)} {rule} fired on {last.accounts:,} of {last.seen:,} accounts "
        f"({_percent(now)}); in the {len(history)} hours before on {_percent(before)}"
    )
    if last.accounts >= watch.least_accounts and now >= watch.least_factor * before:
        log = log_at_least(last.accounts, last.seen, high)
        if log <= chance:
            reason = f"{told}. That is more than chance explains."
            return _alarm(tenant, "rule_rose", rule, last.hour, reason, figures, log)
    if before and now <= before / watch.least_factor and last.accounts:
        log = log_at_most(last.accounts, last.seen, low)
        if log <= chance:
            reason = f"{told}. That is less than chance explains."
            return _alarm(tenant, "rule_fell", rule, last.hour, reason, figures, log)
    return None


def _silent(tenant: str, rule: str, hours: Sequence[RuleHour], watch: Watch, chance: float) -> Alarm | None:
    """Test the last hours, in which the rule fired on nobody, against those before them."""
    last = hours[-1]
    begin = last.hour - (watch.silent_hours - 1) * HOUR
    quiet = [one for one in hours if one.hour >= begin]
    history = [one for one in hours if begin - watch.history_hours * HOUR <= one.hour < begin]
    if len(history) < watch.least_history_hours or any(one.accounts for one in quiet):
        return None
    accounts, seen = _sums(history)
    _, of = _sums(quiet)
    low, _ = wilson(accounts, seen) or (0.0, 1.0)
    log = log_at_most(0, of, low)
    if accounts < watch.least_accounts or log > chance:
        return None
    reason = (
        f"{rule} has fired on nobody for {watch.silent_hours} hours, among {of:,} accounts an hour taken together; "
        f"before, on {_percent(accounts / seen)}. Either what it finds is over, or it no longer sees it."
    )
    figures = {"accounts": 0, "seen": of, "history_accounts": accounts, "history_seen": seen,
               "history_hours": len(history)}  # fmt: skip
    return _alarm(tenant, "rule_silent", rule, last.hour, reason, figures, log)


def _sums(hours: Iterable[RuleHour]) -> tuple[int, int]:
    accounts = seen = 0
    for one in hours:
        accounts += one.accounts
        seen += one.seen
    return accounts, seen


def _alarm(tenant: str, kind: Kind, rule: str, hour: Micros, reason: str, figures: dict[str, Any], log: float) -> Alarm:
    named = derived_id("alm", tenant, kind, rule, str(hour))
    return Alarm(named, kind, rule, hour, reason, {**figures, "log10_chance": round(log / math.log(10), 3)})


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
