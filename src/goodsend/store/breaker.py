"""What the circuit breaker counts, kept: which action ids counted in which hour, and what was held back."""

from collections.abc import Collection, Iterable

import msgspec

from goodsend.decisions.breaker import Counted, hour_of
from goodsend.decisions.model import Decision
from goodsend.kit.clock import Micros, format_time
from goodsend.kit.ids import derived_id
from goodsend.reports.alarms import Alarm
from goodsend.store import alarms
from goodsend.store.connection import At, Connection
from goodsend.store.partitions import date_of

DAYS_MAX = 60
"""Of how many days of event time the counts are kept in memory; beyond, they are read anew."""


class Held(msgspec.Struct, frozen=True):
    """An action that a breaker held back in one hour, how many decisions wanted it, and the first of them."""

    hour: Micros
    action: str
    per_hour: int
    decisions: int
    first_decision: str
    first_at: Micros
    last_at: Micros


def catch_up(connection: Connection, tenant: str, asked: Counted, times: Collection[Micros]) -> None:
    """Make `asked` know the days of these event times; days it knows cost nothing."""
    if not asked.limits:
        return
    days = {date_of(at) for at in times}
    missing = days - asked.days
    if not missing:
        return
    if len(asked.days) + len(missing) > DAYS_MAX:
        asked.clear()
        missing = days
    rows = connection.execute(
        "SELECT action_id, action, hour FROM action_asked WHERE tenant = %s AND day = ANY(%s)", (tenant, list(missing))
    )
    for action_id, action, hour in rows:
        asked.add(action_id, action, hour)
    asked.days |= missing


def keep(connection: Connection, tenant: str, asked: Counted, decisions: Iterable[Decision], now: Micros) -> None:
    """Write what a batch of decisions asked for and what was held back of it, and tell people of the latter."""
    new: dict[str, tuple[object, ...]] = {}
    held: dict[tuple[Micros, str], list[Decision]] = {}
    for decision in decisions:
        for action in decision.actions:
            if action.name in asked.limits:
                counted = asked.hour_of(action.id)
                hour = At(hour_of(decision.at) if counted is None else counted)
                new.setdefault(action.id, (tenant, date_of(decision.at), action.id, action.name, hour))
        for back in decision.held_back:
            held.setdefault((hour_of(decision.at), back.action.name), []).append(decision)
    if new:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO action_asked (tenant, day, action_id, action, hour) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                list(new.values()),
            )
    for (begin, name), wanting in held.items():
        _hold(connection, tenant, begin, name, asked.limits[name], wanting, now)


def _hold(
    connection: Connection, tenant: str, hour: Micros, action: str, per_hour: int, wanting: list[Decision], now: Micros
) -> None:
    connection.execute(
        "INSERT INTO action_held (tenant, hour, action, per_hour, decisions, first_decision_id, first_at, last_at) "
        "VALUES (%(tenant)s, %(hour)s, %(action)s, %(limit)s, %(count)s, %(first)s, %(now)s, %(now)s) "
        "ON CONFLICT (tenant, hour, action) DO UPDATE SET decisions = action_held.decisions + EXCLUDED.decisions, "
        "per_hour = EXCLUDED.per_hour, last_at = EXCLUDED.last_at",
        {
            "tenant": tenant, "hour": At(hour), "action": action, "limit": per_hour, "count": len(wanting),
            "first": wanting[0].id, "now": At(now),
        },
    )  # fmt: skip
    reason = (
        f"Rules asked for {action} more than {per_hour:,} times in the hour from {format_time(hour)}. "
        "Until the hour is over, decisions that want it fall back to review."
    )
    rules = sorted({rule for one in wanting for back in one.held_back for rule in back.action.because})
    alarm = Alarm(
        derived_id("alm", tenant, "breaker", action, str(hour)), "breaker", action, hour, reason,
        {"per_hour": per_hour, "rules": rules, "decision": wanting[0].id},
    )  # fmt: skip
    alarms.raise_all(connection, tenant, [alarm], now)


def held_back(connection: Connection, tenant: str, since: Micros) -> list[Held]:
    """Return what was held back in hours from `since` on, latest first."""
    rows = connection.execute(
        "SELECT hour, action, per_hour, decisions, first_decision_id, first_at, last_at FROM action_held "
        "WHERE tenant = %s AND hour >= %s ORDER BY hour DESC, action",
        (tenant, At(since)),
    )
    return [Held(*row) for row in rows]
