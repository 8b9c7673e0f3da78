"""A tenant with something on every page about judging: versions, a backtest, proofs, alarms, a rule in shadow."""

import msgspec

from goodsend import approvals
from goodsend.commands.job import run_job
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND
from goodsend.reports.alarms import Alarm
from goodsend.reports.proof import Difference, Proof
from goodsend.store import alarms, backtests, proofs
from goodsend.store.connection import At
from tests.live import TENANT, Live

RULE, SHADOW, FEATURE = "unheard_of_import", "tiny_import", "imports_of_a_day"
WRITER, APPROVER = "analyst@demo.example", "lead@demo.example"


def make_rule(id_: str, least: int, mode: str = "live") -> str:
    """A rule about lists of at least this size, as TOML."""
    return f"""[rule.{id_}]
doc = "Lists larger than any this platform's customers import in an ordinary month."
owner = "trust"
policy = "purchased_list"
severity = 4
on = ["list.imported"]
when = "e.recipients >= {least}"
verdict = "hold"
actions = []
mode = "{mode}"
reason = "{{e.recipients}} recipients were imported at once."
[[rule.{id_}.case]]
name = "far too many"
given = {{ "e.recipients" = 9000000 }}
fires = true
[[rule.{id_}.case]]
name = "none"
given = {{ "e.recipients" = 0 }}
fires = false
"""


FEATURE_TEXT = f"""[feature.{FEATURE}]
doc = "imports in a day"
owner = "trust"
aggregate = "count"
key = ["account"]
on = ["list.imported"]
window = "1d"
unit = "imports"
"""


PLACES = {
    "OWN RULE": f"/rules/{RULE}", "VERSION": f"/rules/{RULE}/versions/2",
    "SIDE BY SIDE": f"/rules/{RULE}/versions/2?view=side", "LIVE VERSION": f"/rules/{RULE}/versions/1",
    "VERSION AS FORM": f"/write/rules/{RULE}?version=2", "FEATURE VERSION": f"/features/{FEATURE}/versions/1",
    "BACKTEST": "/backtests/bt_done", "RUNNING BACKTEST": "/backtests/bt_running", "FAILED": "/backtests/bt_failed",
}  # fmt: skip
"""Addresses of what `stock` makes, by what they show."""


def stock(live: Live) -> Live:
    """Fill the tenant."""
    _put_to_work(live, RULE, make_rule(RULE, 800_000))
    _put_to_work(live, SHADOW, make_rule(SHADOW, 1, "shadow"))
    _import_lists(live)
    version = _propose(live, RULE, make_rule(RULE, 1_000).replace("severity = 4", "severity = 3"))
    approvals.draft(live.installation, TENANT, "features", FEATURE, FEATURE_TEXT, author=WRITER, why="for a rule")
    _backtests(live, version)
    _told(live)
    return live


def _propose(live: Live, id_: str, body: str) -> int:
    made = approvals.draft(live.installation, TENANT, "rules", id_, body, author=WRITER, why="seen twice last week")
    approvals.propose(live.installation, TENANT, "rules", id_, made.version, actor=WRITER)
    return made.version


def _put_to_work(live: Live, id_: str, body: str) -> None:
    approvals.approve(live.installation, TENANT, "rules", id_, _propose(live, id_, body), actor=APPROVER)


def _import_lists(live: Live) -> None:
    at = live.installation.now() - 10 * MINUTE
    events = [
        {
            "id": f"stock_{number}", "kind": "list.imported", "at": at + number * SECOND,
            "data": {"account": f"acc_stock_{number % 3}", "recipients": many},
        }
        for number, many in enumerate((30, 900_000, 2_500, 70, 120_000))
    ]  # fmt: skip
    live.installation.engine.submit(TENANT, events).result()


def _backtests(live: Live, version: int) -> None:
    """Run one as the child process would; leave one that seems to run, and one that failed."""
    installation, now = live.installation, live.installation.now()
    with installation.pool.connection() as connection:
        for name in ("bt_done", "bt_running", "bt_failed"):
            backtests.ask(
                connection, TENANT, name, asked_by=WRITER, at=now, since=now - 2 * DAY, until=now,
                definition=("rules", RULE, version),
            )  # fmt: skip
            taken = backtests.claim(connection, now)
            assert taken is not None
        backtests.progress(connection, TENANT, "bt_running", 0.42, "features of 2 days", now)
        backtests.fail(connection, TENANT, "bt_failed", "rule 'unheard_of_import': the version has problems", now)
        job = backtests.one(connection, TENANT, "bt_done")
    report = run_job(installation, job)
    with installation.pool.connection() as connection:
        backtests.finish(connection, TENANT, "bt_done", report, installation.now())
    assert report.events


def _told(live: Live) -> None:
    """Keep proofs, alarms and what a breaker held back."""
    now = live.installation.now()
    sound = Proof(TENANT, "duckdb", "core 1", None, None, 120_345, 18_000_000, 9_500_000, 0, 12)
    wrong = msgspec.structs.replace(
        sound, differences=1,
        samples=(Difference("stock_1", 7, "fact", "f.account_age_s", 86_400, 86_401),),
        notes=("one file was cut in half and passed over",),
    )  # fmt: skip
    hour = now - now % HOUR - HOUR
    raised = [
        Alarm("alm_1", "breaker", "suspend_account", hour, "Rules asked for suspend_account more than 20 times.", {}),
        Alarm("alm_2", "rule_rose", RULE, hour, "It hit 9 of 40 accounts; 1.2 % is usual, p = 0.000004.", {}),
        Alarm("alm_3", "rule_silent", "phishing_lookalike", hour, "No hit in 24 hours; 8 are usual.", {}),
    ]
    with live.installation.pool.connection() as connection:
        proofs.keep(connection, TENANT, sound, now - DAY)
        proofs.keep(connection, TENANT, wrong, now)
        alarms.raise_all(connection, TENANT, raised, now)
        alarms.see(connection, TENANT, "alm_3", WRITER, now)
        connection.execute(
            "INSERT INTO action_held (tenant, hour, action, per_hour, decisions, first_decision_id, first_at, last_at) "
            "VALUES (%s, %s, 'suspend_account', 20, 31, 'dec_1', %s, %s)",
            (TENANT, At(hour), At(now), At(now)),
        )
