"""
The truths of rules over past events become counts, in DuckDB. What the counts say is for `reports/backtest.py`.

Read are these tables or views of the connection, times in µs:

- `judged(arrival, at_us, id, kind, account, recipients)`: the events of the span;
- `truths(arrival, r_…)` and, where a live pack is compared, `live_truths(arrival, r_…)`: a BOOLEAN per rule;
- `account_label(account, label)` and `event_label(id, label)`: `abusive` or `honest`, one row each;
- `beginnings(account, first_at, first_abusive_at)`: of accounts labelled abusive.

Made are `marked` (judged with labels), `fired` (arrival, the rules that hit, the live ones), `acting` (the same, those
alone that act: live, and the account inside their rollout share) and `hits` (one of `fired` a row).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from goodsend.kit.clock import SECOND
from goodsend.reports.backtest import Combination, Labels, RuleCount
from goodsend.rules.evaluate import is_in_share
from goodsend.rules.model import Mode, Rule, Verdict

_DAY_TEXT = "strftime(day, '%Y-%m-%d')"
_DAY = "make_timestamp(at_us)::DATE"
"""The UTC date of `at_us`."""


class Totals(msgspec.Struct, frozen=True):
    """The span as a whole; `recipients` is None where no event says a number."""

    events: int
    accounts: int
    recipients: int | None
    days: Mapping[str, int]
    kinds: Mapping[str, int]


class Moved(msgspec.Struct, frozen=True):
    """Events that go from one verdict to another."""

    before: Verdict | None
    after: Verdict
    events: int
    accounts: int
    recipients: int | None


class Acted(msgspec.Struct, frozen=True):
    """
    What a pack's decisions come to: days of honest accounts by gravest verdict, abusive events stopped with their
    recipients, days of accounts nobody knows about.
    """

    wrong_days: Mapping[Verdict, int]
    stopped: tuple[int, int]
    unlabelled: int


class Gone(msgspec.Struct, frozen=True):
    """
    Hits against the live version: events, accounts, and arrivals of a few, one an account.

    `new_acting` are events on which the rule would act and its live version does not, `lost_acting` the reverse.
    """

    new: int = 0
    lost: int = 0
    kept: int = 0
    new_accounts: int = 0
    lost_accounts: int = 0
    new_some: tuple[int, ...] = ()
    lost_some: tuple[int, ...] = ()
    new_acting: int = 0
    lost_acting: int = 0


def prepare(
    db: duckdb.DuckDBPyConnection, rules: Mapping[str, Rule], live: Mapping[str, Rule], *, compared: bool = False
) -> None:
    """Make the tables that everything else reads. `rules` and `live` are those whose columns there are."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE marked AS SELECT j.*, a.label AS account_label, e.label AS event_label, "
        f"coalesce(e.label, a.label) AS label, {_DAY} AS day FROM judged j "
        "LEFT JOIN account_label a ON a.account = j.account LEFT JOIN event_label e ON e.id = j.id"
    )
    db.execute("CREATE OR REPLACE TEMP TABLE rule_name (number SMALLINT, id VARCHAR)")
    names = list(dict.fromkeys([*rules, *live]))
    if names:
        db.executemany("INSERT INTO rule_name VALUES (?, ?)", [[number, id_] for number, id_ in enumerate(names)])
    number_of = {id_: number for number, id_ in enumerate(names)}
    ours = _fired("truths", [(number_of[id_], id_) for id_ in rules])
    theirs = _fired("live_truths", [(number_of[id_], id_) for id_ in live]) if compared else None
    empty = "[]::SMALLINT[]"
    if theirs is None:
        db.execute(f"CREATE OR REPLACE TEMP TABLE fired AS SELECT arrival, rules, {empty} AS live FROM ({ours})")
    else:
        db.execute(
            "CREATE OR REPLACE TEMP TABLE fired AS SELECT arrival, "
            f"coalesce(o.rules, {empty}) AS rules, coalesce(t.rules, {empty}) AS live "
            f"FROM ({ours}) o FULL JOIN ({theirs}) t USING (arrival)"
        )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE hits AS SELECT n.id AS rule, m.* EXCLUDE (id, kind) FROM "
        "(SELECT arrival, unnest(rules) AS number FROM fired) f JOIN rule_name n USING (number) "
        "JOIN marked m USING (arrival)"
    )
    sides = {"rules": rules, "live": live if compared else {}}
    _add_acting(db, {name: {number_of[id_]: rule for id_, rule in side.items()} for name, side in sides.items()})


def _add_acting(db: duckdb.DuckDBPyConnection, sides: Mapping[str, Mapping[int, Rule]]) -> None:
    """Make `acting`. `sides` are the numbered rules of each column of `fired`."""
    columns, joins = [], ""
    for side, rules in sides.items():
        idle = [number for number, rule in rules.items() if rule.mode is not Mode.LIVE]
        shared = {number: rule for number, rule in rules.items() if rule.mode is Mode.LIVE and rule.share < 1}
        if not idle and not shared:
            columns.append(f"f.{side}")
            continue
        _add_outside(db, side, shared)
        joins += f"LEFT JOIN outside_{side} {side}_out ON {side}_out.account = m.account "
        columns.append(
            f"list_filter(f.{side}, lambda n: NOT list_contains({_numbers(idle)}, n) AND NOT (m.account IS NULL AND "
            f"list_contains({_numbers(shared)}, n)) AND NOT coalesce(list_contains({side}_out.numbers, n), false)) "
            f"AS {side}"
        )
    of = f"JOIN marked m USING (arrival) {joins}" if joins else ""
    db.execute(f"CREATE OR REPLACE TEMP TABLE acting AS SELECT f.arrival, {', '.join(columns)} FROM fired f {of}")


def _add_outside(db: duckdb.DuckDBPyConnection, side: str, shared: Mapping[int, Rule]) -> None:
    """Make the table of accounts with the numbers of the rules whose rollout share they are outside of."""
    hit = (
        f"SELECT DISTINCT n, m.account FROM (SELECT arrival, unnest({side}) AS n FROM fired) JOIN marked m "
        f"USING (arrival) WHERE m.account IS NOT NULL AND list_contains({_numbers(shared)}, n)"
    )
    rows = _all(db, hit) if shared else []
    out: dict[str, list[int]] = defaultdict(list)
    for number, account in rows:
        rule = shared[number]
        if not is_in_share(rule.id, account, rule.share):
            out[account].append(number)
    table = pa.table({"account": pa.array(out, pa.string()), "numbers": pa.array(out.values(), pa.list_(pa.int16()))})
    db.register("outside_rows", table)
    db.execute(f"CREATE OR REPLACE TEMP TABLE outside_{side} AS SELECT * FROM outside_rows")
    db.unregister("outside_rows")


def _numbers(numbers: Iterable[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]::SMALLINT[]"


def _fired(table: str, numbered: Sequence[tuple[int, str]]) -> str:
    """Return the SQL of (arrival, numbers of the rules that are true), for the judged events with any."""
    if not numbered:
        return "SELECT NULL::BIGINT AS arrival, NULL::SMALLINT[] AS rules WHERE false"
    cases = ", ".join(f"CASE WHEN {_column(id_)} THEN {number}::SMALLINT END" for number, id_ in numbered)
    some = " OR ".join(_column(id_) for _, id_ in numbered)
    return (
        f"SELECT arrival, list_filter([{cases}], lambda n: n IS NOT NULL) AS rules FROM {table} "
        f"SEMI JOIN judged USING (arrival) WHERE {some}"
    )


def _column(rule: str) -> str:
    return '"' + f"r_{rule}".replace('"', '""') + '"'


def totals(db: duckdb.DuckDBPyConnection) -> Totals:
    """Count the span."""
    (events, accounts, recipients) = _one(
        db, "SELECT count(*), count(DISTINCT account), sum(recipients::HUGEINT) FROM marked"
    )
    days = dict(_all(db, f"SELECT {_DAY_TEXT}, count(*) FROM marked GROUP BY day ORDER BY day"))
    kinds = dict(_all(db, "SELECT kind, count(*) FROM marked GROUP BY 1 ORDER BY 1"))
    return Totals(events, accounts, _whole(recipients), days, kinds)


def labels(db: duckdb.DuckDBPyConnection, sources: tuple[str, ...]) -> Labels:
    """Count what is known about the accounts and events of the span."""
    accounts = dict(_all(db, "SELECT account_label, count(DISTINCT account) FROM marked GROUP BY 1"))
    events = dict(_all(db, "SELECT event_label, count(*) FROM marked GROUP BY 1"))
    return Labels(
        sources,
        accounts.get("abusive", 0),
        accounts.get("honest", 0),
        events.get("abusive", 0),
        events.get("honest", 0),
    )


def rule_counts(
    db: duckdb.DuckDBPyConnection, rules: Mapping[str, Rule], kinds: Mapping[str, int]
) -> dict[str, RuleCount]:
    """Count every rule. `kinds` are the events of the span by kind."""
    found: dict[str, dict[str, Any]] = {id_: {} for id_ in rules}
    for id_, rule in rules.items():
        found[id_]["judged"] = sum(count for kind, count in kinds.items() if not rule.on or kind in rule.on)
    for id_, unknown in _unknown(db, rules).items():
        found[id_]["unknown"] = unknown
    sums = "SELECT rule, count(*), count(DISTINCT account), sum(recipients::HUGEINT) FROM hits GROUP BY 1"
    for id_, hits, accounts, recipients in _all(db, sums):
        found[id_] |= {"hits": hits, "accounts": accounts, "recipients": _whole(recipients)}
        found[id_] |= {"acting": hits, "acting_accounts": accounts}
    if not all(rule.mode is Mode.LIVE and rule.share >= 1 for rule in rules.values()):
        _count_acting(db, found)
    found_days: dict[str, dict[str, int]] = defaultdict(dict)
    for id_, day, count in _all(db, f"SELECT rule, {_DAY_TEXT}, count(*) FROM hits GROUP BY rule, day"):
        found_days[id_][day] = count
    accounts_by = _by(db, "SELECT rule, coalesce(account_label, 'unlabelled'), count(DISTINCT account) FROM hits "
                          "WHERE account IS NOT NULL GROUP BY ALL")  # fmt: skip
    events_by = _by(db, "SELECT rule, coalesce(event_label, 'unlabelled'), count(*) FROM hits GROUP BY ALL")
    days_by = _by(db, "SELECT rule, coalesce(account_label, 'unlabelled'), count(DISTINCT (account, day)) FROM hits "
                      "WHERE account IS NOT NULL GROUP BY ALL")  # fmt: skip
    harm = {
        id_: (events, int(recipients or 0)) for id_, events, recipients in
        _all(db, "SELECT rule, count(*), sum(recipients::HUGEINT) FROM hits WHERE label = 'abusive' GROUP BY 1")
    }  # fmt: skip
    delays = _delays(db)
    return {
        id_: RuleCount(
            **members, days=found_days.get(id_, {}), accounts_by=accounts_by.get(id_, {}),
            events_by=events_by.get(id_, {}), wrong_days=days_by.get(id_, {}).get("honest", 0),
            unlabelled_days=days_by.get(id_, {}).get("unlabelled", 0), harm=harm.get(id_, (0, 0)),
            delays=delays.get(id_, {since: [] for since in _known_beginnings(db)}),
        )
        for id_, members in found.items()
    }  # fmt: skip


def _count_acting(db: duckdb.DuckDBPyConnection, found: Mapping[str, dict[str, Any]]) -> None:
    """Put the hits that act in the place of all: those of live rules, within their rollout share."""
    for members in found.values():
        members |= {"acting": 0, "acting_accounts": 0}
    acting = (
        "SELECT r.id, count(*), count(DISTINCT m.account) FROM (SELECT arrival, unnest(rules) AS number FROM acting) "
        "JOIN rule_name r USING (number) JOIN marked m USING (arrival) GROUP BY 1"
    )
    for id_, hits, accounts in _all(db, acting):
        found[id_] |= {"acting": hits, "acting_accounts": accounts}


def _unknown(db: duckdb.DuckDBPyConnection, rules: Mapping[str, Rule]) -> dict[str, int]:
    """Count, per rule, events of its kinds on which it is neither true nor false."""
    if not rules:
        return {}
    parts = []
    for id_, rule in rules.items():
        kinds = ", ".join(_text(kind) for kind in sorted(rule.on))
        parts.append(f"count(*) FILTER ({_column(id_)} IS NULL" + (f" AND kind IN ({kinds}))" if kinds else ")"))
    row = _one(db, f"SELECT {', '.join(parts)} FROM marked JOIN truths USING (arrival)")
    return dict(zip(rules, row, strict=True))


_SINCE = {"first event": "first_at", "first abusive event": "first_abusive_at"}


def _known_beginnings(db: duckdb.DuckDBPyConnection) -> list[str]:
    row = _one(db, "SELECT count(first_at), count(first_abusive_at) FROM beginnings")
    return [since for since, known in zip(_SINCE, row, strict=True) if known]


def _delays(db: duckdb.DuckDBPyConnection) -> dict[str, dict[str, list[float]]]:
    """Return seconds from an abusive account's beginning to its first hit, by rule and beginning."""
    known = _known_beginnings(db)
    found: dict[str, dict[str, list[float]]] = {}
    rows = _all(
        db,
        "SELECT rule, account, min(at_us) - any_value(first_at), min(at_us) - any_value(first_abusive_at) "
        "FROM hits JOIN beginnings USING (account) GROUP BY ALL ORDER BY ALL",
    )
    for id_, _, *since in rows:
        of_rule = found.setdefault(id_, {name: [] for name in known})
        for name, micros in zip(_SINCE, since, strict=True):
            if name in of_rule and micros is not None:
                of_rule[name].append(max(0, micros) / SECOND)
    return found


def combinations(db: duckdb.DuckDBPyConnection) -> list[Combination]:
    """Return which rules hit together and how often; the events that none hit are not among them."""
    names = dict(_all(db, "SELECT number, id FROM rule_name"))
    rows = _all(db, "SELECT rules, live, count(*) FROM fired GROUP BY ALL ORDER BY ALL")
    return [
        Combination(tuple(names[n] for n in rules), tuple(names[n] for n in live), events)
        for rules, live, events in rows
    ]


def weigh(
    db: duckdb.DuckDBPyConnection,
    verdict: Callable[[Iterable[str]], Verdict],
    live_verdict: Callable[[Iterable[str]], Verdict] | None,
) -> None:
    """
    Make `verdicts`: `marked` with the verdict of every event, `before` by the live pack and `after` by this one.

    The rules that act on an event are what both are asked for.
    """
    names = dict(_all(db, "SELECT number, id FROM rule_name"))
    found: dict[str, list[Any]] = {"rules": [], "live": [], "before": [], "after": []}
    for rules, live in _all(db, "SELECT DISTINCT rules, live FROM acting"):
        found["rules"].append(rules)
        found["live"].append(live)
        found["before"].append(live_verdict(names[n] for n in live).value if live_verdict is not None else None)
        found["after"].append(verdict(names[n] for n in rules).value)
    numbers = pa.list_(pa.int16())
    types = {"rules": numbers, "live": numbers, "before": pa.string(), "after": pa.string()}
    outcome = pa.table({name: pa.array(values, types[name]) for name, values in found.items()})
    db.register("outcome_rows", outcome)
    db.execute("CREATE OR REPLACE TEMP TABLE outcome AS SELECT * FROM outcome_rows")
    db.unregister("outcome_rows")
    nothing = verdict(()).value
    nothing_live = f"'{live_verdict(()).value}'" if live_verdict is not None else "NULL"
    db.execute(
        "CREATE OR REPLACE TEMP TABLE verdicts AS SELECT m.* EXCLUDE (id, kind), "
        f"CASE WHEN f.arrival IS NULL THEN {nothing_live} ELSE o.before END AS before, "
        f"CASE WHEN f.arrival IS NULL THEN '{nothing}' ELSE o.after END AS after "
        "FROM marked m LEFT JOIN acting f USING (arrival) LEFT JOIN outcome o ON o.rules = f.rules AND o.live = f.live"
    )


def moves(db: duckdb.DuckDBPyConnection) -> list[Moved]:
    """Count events by verdict before and after, gravest changes first."""
    rows = _all(
        db,
        "SELECT before, after, count(*), count(DISTINCT account), sum(recipients::HUGEINT) FROM verdicts GROUP BY ALL",
    )
    found = [
        Moved(Verdict(before) if before else None, Verdict(after), events, accounts, _whole(recipients))
        for before, after, events, accounts, recipients in rows
    ]
    return sorted(found, key=lambda move: (move.before is move.after, -move.after.rank, _rank(move.before)))


def _rank(verdict: Verdict | None) -> int:
    return -1 if verdict is None else verdict.rank


def acted(db: duckdb.DuckDBPyConnection, side: str, stops: Iterable[Verdict]) -> Acted:
    """Count what decisions do; `side` is `after` for the pack, `before` for the live one."""
    order = ", ".join(f"'{verdict.value}'" for verdict in Verdict)
    gravest = f"max(list_position([{order}], {side}))"
    rows = _all(
        db,
        f"SELECT account_label, worst, count(*) FROM (SELECT account_label, account, day, {gravest} AS worst "
        "FROM verdicts WHERE account IS NOT NULL GROUP BY ALL) WHERE worst > 1 GROUP BY ALL",
    )
    wrong: dict[Verdict, int] = {}
    unlabelled = 0
    for label, worst, days in rows:
        if label == "honest":
            wrong[list(Verdict)[worst - 1]] = days
        elif label is None:
            unlabelled += days
    listed = ", ".join(_text(verdict.value) for verdict in stops) or "NULL"
    events, recipients = _one(
        db,
        f"SELECT count(*), sum(recipients::HUGEINT) FROM verdicts WHERE label = 'abusive' AND {side} IN ({listed})",
    )
    return Acted(wrong, (events, int(recipients or 0)), unlabelled)


def gone(db: duckdb.DuckDBPyConnection, some: int) -> dict[str, Gone]:
    """Compare every rule with the live rule of its id; `some` arrivals of each side are told, one an account."""
    db.execute(f"CREATE OR REPLACE TEMP TABLE compared AS {_beside('fired')}")
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for rule, side, events, accounts in _all(
        db, "SELECT rule, side, count(*), count(DISTINCT account) FROM compared GROUP BY ALL"
    ):
        found[rule][side] = events
        if side != "kept":
            found[rule][f"{side}_accounts"] = accounts
    for (rule, side), arrivals in _some(db, "compared WHERE side <> 'kept'", "rule, side", some).items():
        found[rule][f"{side}_some"] = arrivals
    acting = f"SELECT rule, side, count(*) FROM ({_beside('acting')}) WHERE side <> 'kept' GROUP BY ALL"
    for rule, side, events in _all(db, acting):
        found[rule][f"{side}_acting"] = events
    return {rule: Gone(**members) for rule, members in found.items()}


def _beside(table: str) -> str:
    """Return the SQL of every rule and event of a table like `fired`, with the side that has it."""
    return (
        "SELECT n.id AS rule, side, m.arrival, m.account FROM ("
        "SELECT arrival, unnest(list_filter(rules, lambda n: NOT list_contains(live, n))) AS number, 'new' AS side "
        f"FROM {table} UNION ALL "
        "SELECT arrival, unnest(list_filter(live, lambda n: NOT list_contains(rules, n))), 'lost' "
        f"FROM {table} UNION ALL "
        f"SELECT arrival, unnest(list_filter(live, lambda n: list_contains(rules, n))), 'kept' FROM {table}"
        ") JOIN rule_name n USING (number) JOIN marked m USING (arrival)"
    )


def some_hits(db: duckdb.DuckDBPyConnection, some: int) -> dict[str, tuple[int, ...]]:
    """Return arrivals of a few hits of every rule, one an account."""
    return {rule: arrivals for (rule,), arrivals in _some(db, "hits", "rule", some).items()}


def some_moves(db: duckdb.DuckDBPyConnection, some: int) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return arrivals of a few events whose verdict changes, by verdict before and after."""
    found = _some(db, "verdicts WHERE before <> after", "before, after", some)
    return {(before, after): arrivals for (before, after), arrivals in found.items()}


def _some(db: duckdb.DuckDBPyConnection, source: str, group: str, some: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the first arrivals of each group, the first of every account before any second."""
    rows = _all(
        db,
        f"SELECT {group}, list(arrival ORDER BY arrival) FROM ("
        f"SELECT {group}, min(arrival) AS arrival FROM {source} GROUP BY {group}, account "
        f"QUALIFY row_number() OVER (PARTITION BY {group} ORDER BY min(arrival)) <= {int(some)}) GROUP BY {group}",
    )
    return {tuple(row[:-1]): tuple(row[-1]) for row in rows}


def _by(db: duckdb.DuckDBPyConnection, query: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for first, second, count in _all(db, query):
        found[first][second] = count
    return found


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _one(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = db.execute(query).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without groups gives a row
    return row


def _all(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()
