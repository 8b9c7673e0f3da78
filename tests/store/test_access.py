"""Who may come in: members with passwords and sessions, API keys, and the audit that remembers what they did."""

from typing import Any

import psycopg
import pytest

from goodsend.kit.clock import HOUR, MINUTE, SECOND
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit, keys, members, tenants
from goodsend.store.connection import Connection
from goodsend.store.members import Member, SignIn
from tests.conftest import NOW

PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(connection: Connection) -> Member:
    """The only admin of the tenant."""
    tenants.ensure(connection, "demo", "Demo", NOW)
    tenants.ensure(connection, "other", "Other", NOW)
    return add(connection, "ada@demo.example", "admin")


def add(connection: Connection, login: str, role: str, **but: Any) -> Member:
    given: dict[str, Any] = {"name": login, "role": role, "password": PASSWORD, "at": NOW}
    return members.ensure(connection, but.pop("tenant", "demo"), login=login, **(given | but))


def sign_in(
    connection: Connection, password: str = PASSWORD, now: int = NOW, login: str = "ada@demo.example"
) -> SignIn:
    return members.sign_in(connection, login, password, now)[0]


def test_the_right_password_opens(connection: Connection, ada: Member) -> None:
    """A login is found whatever its case; the password is kept as Argon2id."""
    answer, member = members.sign_in(connection, " ADA@Demo.example ", PASSWORD, NOW + 1)

    assert answer is SignIn.WELCOME
    assert member is not None
    assert (member.id, member.tenant, member.role, member.last_seen_at) == (ada.id, "demo", "admin", NOW + 1)
    row = connection.execute("SELECT password FROM member").fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$")


@pytest.mark.parametrize("password", ["", "wrong", "x" * 5_000, "\0", "\ud800", PASSWORD + " "])
def test_wrong_passwords_do_not(connection: Connection, ada: Member, password: str) -> None:
    """Neither empty nor endless nor unprintable ones, nor the right one for an unknown login."""
    assert sign_in(connection, password) is SignIn.WRONG
    assert sign_in(connection, PASSWORD, login="nobody\0@demo.example") is SignIn.WRONG


def test_ten_failures_lock_for_a_while(connection: Connection, ada: Member) -> None:
    """After ten wrong passwords in a row even the right one waits; then the count starts over."""
    answers = [sign_in(connection, "wrong", NOW + n) for n in range(members.FAILURES_ALLOWED)]

    assert answers == [SignIn.WRONG] * 9 + [SignIn.LOCKED]
    assert sign_in(connection, now=NOW + MINUTE) is SignIn.LOCKED
    assert sign_in(connection, now=NOW + members.LOCKED + SECOND) is SignIn.WELCOME
    assert sign_in(connection, "wrong", now=NOW + HOUR) is SignIn.WRONG


def test_success_forgets_failures(connection: Connection, ada: Member) -> None:
    """Only failures in a row count."""
    for n in range(members.FAILURES_ALLOWED - 1):
        sign_in(connection, "wrong", NOW + n)
    assert sign_in(connection) is SignIn.WELCOME

    assert sign_in(connection, "wrong") is SignIn.WRONG


def test_inactive_members_stay_out(connection: Connection, ada: Member) -> None:
    """Somebody who left cannot sign in, and their sessions end."""
    bob = add(connection, "bob@demo.example", "analyst")
    secret, _ = members.open_session(connection, bob, NOW)

    members.change(connection, "demo", bob.id, actor="ada@demo.example", at=NOW, active=False)

    assert members.session_of(connection, secret, NOW) is None
    assert sign_in(connection, login="bob@demo.example") is SignIn.WRONG


def test_sessions_last_until_they_end(connection: Connection, ada: Member) -> None:
    """A session is found by its secret, until it expires or is closed; the secret itself is not kept."""
    secret, opened = members.open_session(connection, ada, NOW)
    other, _ = members.open_session(connection, ada, NOW)

    found = members.session_of(connection, secret, NOW + 1)
    assert found is not None
    assert (found.member.login, found.csrf) == ("ada@demo.example", opened.csrf)
    assert members.session_of(connection, "guess", NOW) is None
    assert members.session_of(connection, secret, NOW + members.SESSION) is None
    members.close_session(connection, secret, NOW)
    assert members.session_of(connection, secret, NOW) is None
    assert members.session_of(connection, other, NOW) is not None
    kept = connection.execute("SELECT session FROM session").fetchall()
    assert all(secret.encode() not in row[0] and len(row[0]) == 32 for row in kept)


def test_a_new_password_ends_old_sessions(connection: Connection, ada: Member) -> None:
    """Whoever stole a cookie is out when the password changes."""
    secret, _ = members.open_session(connection, ada, NOW)

    add(connection, "ada@demo.example", "admin", password="another one")

    assert members.session_of(connection, secret, NOW) is None
    assert sign_in(connection) is SignIn.WRONG
    assert sign_in(connection, "another one") is SignIn.WELCOME


def test_a_login_belongs_to_one_tenant(connection: Connection, ada: Member) -> None:
    """Another tenant can neither take a login over nor see or change its member."""
    with pytest.raises(Conflict):
        add(connection, "Ada@demo.example", "admin", tenant="other")

    assert members.all_of(connection, "other") == []
    with pytest.raises(NotFound):
        members.one(connection, "other", ada.id)
    with pytest.raises(NotFound):
        members.change(connection, "other", ada.id, actor="eve", at=NOW, password="mine now")
    assert sign_in(connection) is SignIn.WELCOME


def test_the_last_admin_stays(connection: Connection, ada: Member) -> None:
    """A tenant is never left without an admin."""
    with pytest.raises(Conflict, match="only admin"):
        members.change(connection, "demo", ada.id, actor="ada", at=NOW, role="viewer")
    with pytest.raises(Conflict, match="only admin"):
        members.change(connection, "demo", ada.id, actor="ada", at=NOW, active=False)

    add(connection, "bob@demo.example", "admin")
    assert members.change(connection, "demo", ada.id, actor="bob", at=NOW, role="viewer").role == "viewer"


def test_roles_are_ordered(connection: Connection, ada: Member) -> None:
    """Each role may do what the ones below it may."""
    lead = add(connection, "leo@demo.example", "lead")

    assert [lead.may(role) for role in members.ROLES] == [True, True, True, False]


def test_a_key_opens_until_it_is_revoked(connection: Connection, ada: Member) -> None:
    """A key tells tenant and scopes; only its id and a hash are kept."""
    key = keys.create(connection, "demo", "tests", ["read", "scan", "read"], NOW)

    found = keys.verify(connection, key, NOW + 1)
    assert found is not None
    assert (found.tenant, found.scopes) == ("demo", frozenset({"read", "scan"}))
    (shown,) = keys.all_of(connection, "demo")
    assert (shown.id, shown.name, shown.scopes, shown.last_used_at) == (
        found.key_id,
        "tests",
        ("read", "scan"),
        NOW + 1,
    )
    keys.revoke(connection, "demo", found.key_id, NOW + 2)
    assert keys.verify(connection, key) is None
    row = connection.execute("SELECT secret FROM api_key").fetchone()
    assert row is not None
    assert key.split("_")[2].encode() not in row[0]


def test_use_is_noted_once_a_minute(connection: Connection, ada: Member) -> None:
    """Verifying is a read nearly always."""
    key = keys.create(connection, "demo", "tests", ["read"], NOW)

    for now in (NOW, NOW + SECOND, NOW + MINUTE - 1):
        keys.verify(connection, key, now)
    assert keys.all_of(connection, "demo")[0].last_used_at == NOW
    keys.verify(connection, key, NOW + MINUTE)
    assert keys.all_of(connection, "demo")[0].last_used_at == NOW + MINUTE


def test_wrong_keys_do_not_open(connection: Connection, ada: Member) -> None:
    """Not a changed secret, not another's id, not a key of another shape."""
    key = keys.create(connection, "demo", "tests", ["read"], NOW)
    other = keys.create(connection, "demo", "more", ["read"], NOW)
    mixed = "_".join([*key.split("_")[:2], other.split("_")[2]])

    wrong = [mixed, key[:-1], key + "x", key.upper(), "", "gsk__", "gsk_a_b", "\0", "\ud800", "x" * 100_000]
    assert [keys.verify(connection, text) for text in wrong] == [None] * len(wrong)


def test_keys_are_one_tenant_s(connection: Connection, ada: Member) -> None:
    """Another tenant neither sees nor revokes a key."""
    key = keys.create(connection, "demo", "tests", ["read"], NOW)

    assert keys.all_of(connection, "other") == []
    assert keys.revoke_named(connection, "other", "tests", NOW) == 0
    with pytest.raises(NotFound):
        keys.revoke(connection, "other", key.split("_")[1], NOW)
    assert keys.revoke_named(connection, "demo", "tests", NOW) == 1
    assert keys.verify(connection, key) is None


DETAIL: dict[str, Any] = {
    "text": "é\0\ud800",
    "big": 1e16,
    "small": 1e-7,
    "n": 2**53 + 1,
    "deep": {"b": [1, None], "a": 0.1},
}


def test_the_audit_is_a_chain_that_holds(connection: Connection) -> None:
    """Numbers have no gap, and the chain verifies whatever the details hold."""
    numbers = [audit.append(connection, "demo", NOW + n, "ada", "list.added", f"l{n}", DETAIL) for n in range(5)]
    audit.append(connection, "other", NOW, "eve", "key.created", "k", {})

    assert numbers == [1, 2, 3, 4, 5]
    assert audit.verify(connection, "demo") is None
    assert audit.verify(connection, "other") is None
    assert audit.verify(connection, "nobody") is None


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE tenant = 'demo' AND seq = 3", 3),
        ("UPDATE audit SET detail = '{}' WHERE tenant = 'demo' AND seq = 2", 2),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE tenant = 'demo' AND seq = 1", 1),
        ("DELETE FROM audit WHERE tenant = 'demo' AND seq = 4", 4),
        ("DELETE FROM audit WHERE tenant = 'demo' AND seq = 1", 1),
    ],
)
def test_tampering_shows(connection: Connection, tampering: str, broken: int) -> None:
    """Whoever gets round the guards breaks the chain at the row they touched."""
    for n in range(5):
        audit.append(connection, "demo", NOW + n, "ada", "list.added", f"l{n}", {"n": n})

    connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_guard")
    connection.execute(tampering)  # type: ignore[call-overload]

    assert audit.verify(connection, "demo") == broken


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_audit_is_append_only(connection: Connection, statement: str) -> None:
    """The database itself refuses to change or remove what was done."""
    audit.append(connection, "demo", NOW, "ada", "list.added", "l", {})

    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(statement)  # type: ignore[call-overload]


def test_the_audit_is_read_by_its_tenant(connection: Connection) -> None:
    """Acts come latest first, narrowed by actor, act and target, in pages."""
    for n in range(5):
        audit.append(connection, "demo", NOW + n, "ada" if n % 2 else "bob", f"case.{n}", f"c{n}", {})
    audit.append(connection, "other", NOW, "eve", "case.noted", "c1", {})

    first = audit.recent(connection, "demo", limit=3)
    second = audit.recent(connection, "demo", limit=3, cursor=first.next)

    assert [row.seq for row in first.items + second.items] == [5, 4, 3, 2, 1]
    assert second.next is None
    assert [row.seq for row in audit.recent(connection, "demo", actor="ada", act="case.").items] == [4, 2]
    assert [row.target for row in audit.recent(connection, "demo", target="c1").items] == ["c1"]
    assert [row.actor for row in audit.recent(connection, "other").items] == ["eve"]
