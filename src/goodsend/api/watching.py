"""What to watch rules by: alarms, and what rules in shadow would have done."""

from itertools import islice
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, access_of, database, installation_of, pack_of
from goodsend.api.describe import faults
from goodsend.api.parameters import Since, Until, time_of
from goodsend.api.wire import Time, VerdictName
from goodsend.kit.clock import DAY, format_time
from goodsend.reports.shadow import Shadowed, compare
from goodsend.store import alarms, shadow


class AlarmAnswer(Struct, frozen=True):
    """Something people should look at."""

    id: str
    kind: Annotated[str, Meta(description="breaker, rule_rose, rule_fell or rule_silent.")]
    subject: Annotated[str, Meta(description="The action of a breaker, else the rule.")]
    at: Annotated[Time, Meta(description="The hour it is about.")]
    raised_at: Time
    reason: str
    detail: Annotated[dict[str, Any], Meta(description="The figures behind it.")]
    seen_by: str | None


class AlarmsAnswer(Struct, frozen=True):
    """The latest alarms."""

    items: list[AlarmAnswer]


class ChangeAnswer(Struct, frozen=True):
    """An event whose verdict would have been another."""

    event_id: str
    decision_id: str
    account: str | None
    before: VerdictName
    after: VerdictName


class VerdictChange(Struct, frozen=True):
    """How many events would have gone from one verdict to another."""

    before: VerdictName
    after: VerdictName
    events: int


class ShadowAnswer(Struct, frozen=True):
    """One rule that fired without acting."""

    rule: str
    mode: Annotated[str, Meta(description="shadow, or live with a share of the accounts.")]
    hits: Annotated[int, Meta(description="Events it fired on without acting.")]
    acting: Annotated[int, Meta(description="Events it acted on, where it has a share; of the decisions looked at.")]
    accounts: int
    agreed: Annotated[int, Meta(description="Of its hits, those that were more than allowed anyway.")]
    live: Annotated[dict[str, int], Meta(description="Its hits by the verdict they got.")]
    changes: list[VerdictChange]
    accounts_changed: int
    samples: Annotated[list[ChangeAnswer], Meta(description="The latest of the changes.")]


class ShadowsAnswer(Struct, frozen=True):
    """What rules in shadow would have changed."""

    since: Time
    until: Time
    decisions: Annotated[int, Meta(description="Decisions looked at: those in which some rule did not act.")]
    truncated: Annotated[bool, Meta(description="There were more; the latest were looked at.")]
    rules: list[ShadowAnswer]


@get(
    "/v1/alarms",
    guards=[needs("read")],
    operation_id="listAlarms",
    summary="List alarms",
    description="Alarms, latest first: breakers that held actions back, rules that rose, fell or went silent.",
    response_description="The alarms.",
    responses=faults(),
    tags=["Definitions"],
    sync_to_thread=True,
)
def list_alarms(
    request: Asked,
    unseen: Annotated[bool, QueryParameter(description="Only those nobody has seen.")] = False,
    limit: Annotated[int, QueryParameter(description="Most alarms.", ge=1, le=500)] = 50,
) -> Response[AlarmsAnswer]:
    """Answer with the latest alarms."""
    with database(request) as connection:
        found = alarms.latest(connection, access_of(request).tenant, unseen=unseen, limit=limit)
    items = [
        AlarmAnswer(
            alarm.id, alarm.kind, alarm.subject, format_time(alarm.at), format_time(alarm.raised_at), alarm.reason,
            alarm.body, alarm.seen_by,
        )
        for alarm in found
    ]  # fmt: skip
    return Response(AlarmsAnswer(items))


@get(
    "/v1/rules/shadow",
    guards=[needs("read")],
    operation_id="compareShadow",
    summary="Compare rules in shadow with what was decided",
    description=(
        "For each rule that fired without acting, because it is in shadow or the account is out of its share: how "
        "often, on how many accounts, what was decided on those events, and which verdicts would have been others with "
        "it. The last seven days unless told otherwise."
    ),
    response_description="The comparison.",
    responses=faults(),
    tags=["Definitions"],
    sync_to_thread=True,
)
def compare_shadow(
    request: Asked,
    rule: Annotated[str | None, QueryParameter(description="Only this rule.", max_length=200)] = None,
    since: Since = None,
    until: Until = None,
) -> Response[ShadowsAnswer]:
    """Answer from the decisions of that time."""
    end = time_of("to", until)
    end = installation_of(request).now() + 1 if end is None else end
    begin = time_of("from", since)
    begin = end - 7 * DAY if begin is None else begin
    pack = pack_of(request)
    with database(request) as connection:
        found = shadow.decisions(connection, access_of(request).tenant, begin, end, rule=rule, most=shadow.MOST + 1)
        looked = list(islice(found, shadow.MOST))
        truncated = next(found, None) is not None
    compared = compare(looked, pack.ruleset, pack.thresholds, rule)
    return Response(
        ShadowsAnswer(format_time(begin), format_time(end), len(looked), truncated, [_shadow(one) for one in compared])
    )


def _shadow(one: Shadowed) -> ShadowAnswer:
    return ShadowAnswer(
        rule=one.rule,
        mode=one.mode.value,
        hits=one.hits,
        acting=one.acting,
        accounts=one.accounts,
        agreed=one.agreed,
        live={verdict.value: number for verdict, number in one.live.items()},
        changes=[VerdictChange(before.value, after.value, n) for (before, after), n in one.changes.items()],
        accounts_changed=one.accounts_changed,
        samples=[
            ChangeAnswer(s.event_id, s.decision_id, s.account, s.before.value, s.after.value) for s in one.samples
        ],
    )
