"""
What a backtest says: counts over past events become shares with intervals, overlaps, delays, changes and costs.

Counting is the archive's, drawing the console's and the command's. Everything here is a pure sum over what was counted,
so the same counts give the same report. No evidence is not zero: a share of nothing is None, never 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from goodsend.decisions.decide import Thresholds, points_of, verdict_of
from goodsend.events.functions import wilson
from goodsend.facts import Value
from goodsend.kit.clock import Micros
from goodsend.kit.errors import Problem
from goodsend.rules.groups import suppress
from goodsend.rules.model import Hit, Mode, Rule, Verdict
from goodsend.rules.ruleset import Ruleset

# -- the report -------------------------------------------------------------------------------------------------------


class Share(msgspec.Struct, frozen=True):
    """`count` of `of`. `share` and its 95 % Wilson interval from `low` to `high` are 0…1, None where `of` is 0."""

    count: int
    of: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


class SeenValue(msgspec.Struct, frozen=True):
    """A fact that a rule read on an event, as it was. `personal` values are masked by role."""

    name: str
    value: Value
    personal: bool = False


class Sample(msgspec.Struct, frozen=True):
    """One event among many, with the values that the rule read. `label` is None where nothing is known about it."""

    event_id: str
    arrival: int
    at: Micros
    kind: str
    account: str | None
    label: str | None
    values: tuple[SeenValue, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """
    One rule against its live version: events that only the new one hits, only the live one, both.

    `new_acting` are events on which only the new one would act (live, the account inside the share), `lost_acting`
    those on which only the live one does; None in reports from before that was counted.
    """

    new: int
    lost: int
    kept: int
    new_accounts: int
    lost_accounts: int
    new_samples: tuple[Sample, ...] = ()
    lost_samples: tuple[Sample, ...] = ()
    new_acting: int | None = None
    lost_acting: int | None = None


class Quality(msgspec.Struct, frozen=True):
    """
    How well hits agree with labels, counted in accounts or in events.

    `precision`: of what was hit and has a label, the abusive. `recall`: of what is labelled abusive and was active, the
    hit. `honest`: of what is labelled honest, the hit. `unlabelled` hits say nothing either way.
    """

    unit: Literal["account", "event"]
    precision: Share
    recall: Share
    honest: Share
    unlabelled: int


class Delay(msgspec.Struct, frozen=True):
    """
    Time until the first hit on accounts labelled abusive: `found` of them, `missed` never; seconds, None of none.

    `since` says from where time counts. A first hit before that is 0 seconds.
    """

    since: Literal["first event", "first abusive event"]
    found: int
    missed: int
    median_s: float | None
    p90_s: float | None


class CostLine(msgspec.Struct, frozen=True):
    """One line of the sum: `count` × `each` = `total`, in the unit of the weights."""

    what: str
    count: float
    each: float
    total: float
    side: Literal["wrong", "prevented"]


class Cost(msgspec.Struct, frozen=True):
    """Cost of wrong actions against harm prevented, in `unit`. Of `unlabelled` account-days neither is known."""

    unit: str
    lines: tuple[CostLine, ...]
    wrong: float
    prevented: float
    balance: float
    unlabelled: int


class RuleReport(msgspec.Struct, frozen=True):
    """
    One rule over the span. `judged` events were of its kinds, `unknown` of them neither true nor false.

    `days` are hits per day of `Report.days`. `recipients` is None where no event it hit says a number. `status` is how
    it stands to the live rule of its id: `new`, `changed`, `same`, `gone` (live only), or None without a comparison.

    `acting` are the hits that would act: of a live rule, on `acting_accounts` inside its rollout `share` (0…1); None in
    reports from before that was counted. `hits` are all, whether or not they would act.
    """

    id: str
    doc: str
    owner: str
    policy: str
    verdict: Verdict
    mode: Mode
    when: str
    version: str
    status: Literal["new", "changed", "same", "gone"] | None
    live_when: str | None
    judged: int
    unknown: int
    hits: int
    accounts: int
    recipients: int | None
    days: tuple[int, ...]
    quality: tuple[Quality, ...] = ()
    delay: tuple[Delay, ...] = ()
    change: Change | None = None
    cost: Cost | None = None
    samples: tuple[Sample, ...] = ()
    share: float = 1.0
    acting: int | None = None
    acting_accounts: int | None = None


class Overlap(msgspec.Struct, frozen=True):
    """Two rules that hit the same events: `both`, and the Jaccard index both ÷ either (0…1)."""

    first: str
    second: str
    both: int
    either: int
    jaccard: float


class Transition(msgspec.Struct, frozen=True):
    """Events whose verdict goes from `before` (live) to `after`; `before` is None without a comparison."""

    before: Verdict | None
    after: Verdict
    events: int
    accounts: int
    recipients: int | None
    samples: tuple[Sample, ...] = ()


class Labels(msgspec.Struct, frozen=True):
    """What was known: where labels came from, and how many active accounts and events carry one."""

    sources: tuple[str, ...]
    abusive_accounts: int
    honest_accounts: int
    abusive_events: int
    honest_events: int


class Report(msgspec.Struct, frozen=True):
    """
    A whole backtest. `since` and `until` are µs (`until` not included), `days` UTC dates in order.

    `on_time` says that facts were taken as if all events had been on time, not as known when decided. `notes` are what
    a reader must know: files passed over, facts that could not be had. `cost` is that of the whole pack's decisions.
    """

    tenant: str
    pack: str
    against: str | None
    engine: str
    since: Micros
    until: Micros
    on_time: bool
    events: int
    accounts: int
    recipients: int | None
    days: tuple[str, ...]
    events_per_day: tuple[int, ...]
    rules: tuple[RuleReport, ...]
    overlaps: tuple[Overlap, ...]
    verdicts: tuple[Transition, ...]
    labels: Labels
    cost: Cost | None
    live_cost: Cost | None
    weights_source: str
    notes: tuple[str, ...] = ()
    schema: int = 1


# -- weights ----------------------------------------------------------------------------------------------------------


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a wrong action costs and what abuse does, in one `unit`; data in `backtest.toml`.

    `wrong` per verdict: one honest account acted on for a day. `harm_per_event` and `harm_per_recipient`: one abusive
    event that goes through. `stops` are the verdicts that keep an event from going through. `recipients` is the fact
    that says how many people an event reaches.
    """

    unit: str
    wrong: dict[Verdict, float]
    harm_per_event: float
    harm_per_recipient: float
    stops: tuple[Verdict, ...]
    recipients: str
    source: str


NO_WEIGHTS = Weights("points", {}, 0.0, 0.0, (), "e.recipients", "none")


def parse_weights(files: Mapping[str, Mapping[str, Any]]) -> tuple[Weights, list[Problem]]:
    """Read backtest.toml by file name; the last file wins as a whole."""
    weights, problems = NO_WEIGHTS, []
    for file, raw in files.items():
        try:
            weights = msgspec.convert(raw, Weights)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        figures = [*weights.wrong.values(), weights.harm_per_event, weights.harm_per_recipient]
        if not all(0 <= figure < 1e12 for figure in figures):
            problems.append(Problem(file, "a weight lies outside 0…10^12", "costs and harm are not negative"))
    return weights, problems


# -- what was counted -------------------------------------------------------------------------------------------------


class RuleCount(msgspec.Struct, frozen=True):
    """
    What the archive counted of one rule. `recipients` None: no hit event says a number. `acting` are the hits that act.

    `accounts_by` and `events_by` are hits by label: `abusive`, `honest`, `unlabelled`. `wrong_days`: (account, day)
    pairs of honest accounts hit, `unlabelled_days` of those nobody knows about. `harm`: abusive events hit, and their
    recipients. `delays`: seconds to the first hit per abusive account, by `since`.
    """

    judged: int = 0
    unknown: int = 0
    hits: int = 0
    accounts: int = 0
    recipients: int | None = None
    acting: int = 0
    acting_accounts: int = 0
    days: Mapping[str, int] = {}
    accounts_by: Mapping[str, int] = {}
    events_by: Mapping[str, int] = {}
    wrong_days: int = 0
    unlabelled_days: int = 0
    harm: tuple[int, int] = (0, 0)
    delays: Mapping[str, Sequence[float]] = {}


class Combination(msgspec.Struct, frozen=True):
    """Rules that hit together on `events` events: those of the pack, and those of the live one."""

    rules: tuple[str, ...]
    live: tuple[str, ...]
    events: int


# -- sums -------------------------------------------------------------------------------------------------------------


def share_of(count: int, of: int) -> Share:
    """Return a share with its 95 % interval (Wilson 1927), its figures None where there is nothing to be a share of."""
    bounds = wilson(count, of)
    if bounds is None:
        return Share(count, of)
    return Share(count, of, count / of, *bounds)


def quality_of(unit: Literal["account", "event"], hit: Mapping[str, int], active: Mapping[str, int]) -> Quality:
    """Return precision and recall from what was hit and what was active, both by label."""
    abusive, honest = hit.get("abusive", 0), hit.get("honest", 0)
    return Quality(
        unit=unit,
        precision=share_of(abusive, abusive + honest),
        recall=share_of(abusive, active.get("abusive", 0)),
        honest=share_of(honest, active.get("honest", 0)),
        unlabelled=hit.get("unlabelled", 0),
    )


def delay_of(since: Literal["first event", "first abusive event"], seconds: Sequence[float], abusive: int) -> Delay:
    """Return how long it took, over accounts labelled abusive of which `abusive` were active."""
    ordered = sorted(seconds)
    return Delay(since, len(ordered), abusive - len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.9))


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share (0…1) of the ordered values do not exceed, None of none."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def overlaps_of(combinations: Iterable[Combination]) -> tuple[Overlap, ...]:
    """Return every two rules that hit an event together, most alike first."""
    single: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for combination in combinations:
        rules = sorted(combination.rules)
        for place, first in enumerate(rules):
            single[first] += combination.events
            for second in rules[place + 1 :]:
                pairs[first, second] += combination.events
    found = [
        Overlap(first, second, both, either, both / either)
        for (first, second), both in pairs.items()
        if (either := single[first] + single[second] - both)
    ]
    return tuple(sorted(found, key=lambda overlap: (-overlap.jaccard, overlap.first, overlap.second)))


def combined_verdict(hit: Iterable[str], ruleset: Ruleset, thresholds: Thresholds) -> Verdict:
    """
    Return the verdict that these rules lead to together, by the groups and sums of a decision.

    A rule in shadow does not act; one whose rollout share the account is outside of must not be among them.
    """
    hits = [_as_hit(ruleset.rules[id_]) for id_ in sorted(hit) if id_ in ruleset.rules]
    acting = [one for one in suppress(hits, ruleset.groups, ruleset.orders) if one.acts]
    points, by_group = points_of(acting, thresholds.cap_per_policy, ruleset.groups)
    return verdict_of(acting, points, by_group, thresholds, ruleset.groups)


def _as_hit(rule: Rule) -> Hit:
    return Hit(
        rule=rule.id, version=rule.version, policy=rule.policy, severity=rule.severity, mode=rule.mode,
        verdict=rule.verdict, reason="", values={}, weight=rule.weight, acts=rule.mode is Mode.LIVE, group=rule.group,
    )  # fmt: skip


def cost_of(
    weights: Weights, wrong_days: Mapping[Verdict, int], stopped: tuple[int, int], unlabelled: int
) -> Cost | None:
    """
    Return cost against harm, or None without weights.

    `wrong_days`: days on which an honest account was acted on, by gravest verdict. `stopped`: abusive events stopped
    and their recipients.
    """
    if weights.source == NO_WEIGHTS.source:
        return None
    lines = [
        CostLine(f"honest account on a day: {verdict.value}", days, each, days * each, "wrong")
        for verdict in Verdict
        if (days := wrong_days.get(verdict, 0)) and (each := weights.wrong.get(verdict, 0.0))
    ]
    for what, count, each in (
        ("abusive event stopped", stopped[0], weights.harm_per_event),
        ("recipient of an abusive event spared", stopped[1], weights.harm_per_recipient),
    ):
        if count and each:
            lines.append(CostLine(what, count, each, count * each, "prevented"))
    wrong = sum(line.total for line in lines if line.side == "wrong")
    prevented = sum(line.total for line in lines if line.side == "prevented")
    return Cost(weights.unit, tuple(lines), wrong, prevented, prevented - wrong, unlabelled)


def rule_cost(rule: Rule, counted: RuleCount, weights: Weights) -> Cost | None:
    """Return what this rule alone would cost and prevent, were it live."""
    stopped = counted.harm if rule.verdict in weights.stops else (0, 0)
    return cost_of(weights, {rule.verdict: counted.wrong_days}, stopped, counted.unlabelled_days)


def rule_report(
    rule: Rule,
    counted: RuleCount,
    days: Sequence[str],
    labels: Labels,
    weights: Weights,
    *,
    live: Rule | None = None,
    compared: bool = False,
    change: Change | None = None,
    samples: tuple[Sample, ...] = (),
) -> RuleReport:
    """Return what is said of one rule. `live` is the rule of its id in force, where `compared` with the live pack."""
    quality = []
    if labels.abusive_accounts or labels.honest_accounts:
        active = {"abusive": labels.abusive_accounts, "honest": labels.honest_accounts}
        quality.append(quality_of("account", counted.accounts_by, active))
    if labels.abusive_events or labels.honest_events:
        active = {"abusive": labels.abusive_events, "honest": labels.honest_events}
        quality.append(quality_of("event", counted.events_by, active))
    return RuleReport(
        id=rule.id, doc=rule.doc, owner=rule.owner, policy=rule.policy, verdict=rule.verdict, mode=rule.mode,
        when=rule.when, version=rule.version, status=_status(rule, live) if compared else None,
        live_when=live.when if live is not None and live.when != rule.when else None,
        judged=counted.judged, unknown=counted.unknown, hits=counted.hits, accounts=counted.accounts,
        recipients=counted.recipients, days=tuple(counted.days.get(day, 0) for day in days),
        quality=tuple(quality),
        delay=tuple(
            delay_of(since, counted.delays[since], labels.abusive_accounts)
            for since in ("first event", "first abusive event") if since in counted.delays
        ) if labels.abusive_accounts else (),
        change=change, cost=rule_cost(rule, counted, weights), samples=samples, share=rule.share,
        acting=counted.acting, acting_accounts=counted.acting_accounts,
    )  # fmt: skip


def _status(rule: Rule, live: Rule | None) -> Literal["new", "changed", "same"]:
    if live is None:
        return "new"
    return "same" if live.version == rule.version else "changed"


def without_personal(report: Report) -> Report:
    """Return the report with every personal value left out, for files that go from hand to hand."""

    def cut(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        return tuple(
            msgspec.structs.replace(
                sample,
                values=tuple(msgspec.structs.replace(v, value=None) if v.personal else v for v in sample.values),
            )
            for sample in samples
        )

    rules = []
    for rule in report.rules:
        change = rule.change
        if change is not None:
            change = msgspec.structs.replace(
                change, new_samples=cut(change.new_samples), lost_samples=cut(change.lost_samples)
            )
        rules.append(msgspec.structs.replace(rule, samples=cut(rule.samples), change=change))
    verdicts = [msgspec.structs.replace(move, samples=cut(move.samples)) for move in report.verdicts]
    return msgspec.structs.replace(report, rules=tuple(rules), verdicts=tuple(verdicts))
