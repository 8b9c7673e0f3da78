"""Notices: drafts for account holders, until somebody approves, sends or drops them."""

from collections.abc import Iterable

from goodsend.outreach.model import Notice
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, key

_SELECT = (
    "SELECT notice_id, account, template, language, subject, body, policy, decision_id, at, state FROM notice "
    "WHERE tenant = %s AND "
)


def keep(connection: Connection, tenant: str, notices: Iterable[Notice]) -> None:
    """Keep drafts; one whose id is there already stays as it is."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO notice (tenant, notice_id, account, template, language, subject, body, policy, decision_id, "
            "at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (tenant, n.id, key(n.account), n.template, n.language, clean(n.subject), clean(n.body), n.policy,
                 n.decision_id, At(n.at))
                for n in notices
            ],
        )  # fmt: skip


def of_account(connection: Connection, tenant: str, account: str, limit: int = 50) -> list[tuple[Notice, str]]:
    """Return an account's notices with their states (draft, approved, sent, dropped), newest first."""
    rows = connection.execute(
        _SELECT + "account = %s ORDER BY at DESC, notice_id LIMIT %s", (tenant, key(account), limit)
    )
    return [(Notice(*row[:9]), row[9]) for row in rows]


def of_decisions(connection: Connection, tenant: str, decisions: Iterable[str]) -> list[tuple[Notice, str]]:
    """Return the notices drafted for these decisions with their states, newest first."""
    rows = connection.execute(_SELECT + "decision_id = ANY(%s) ORDER BY at DESC, notice_id", (tenant, list(decisions)))
    return [(Notice(*row[:9]), row[9]) for row in rows]
