"""
Members: people who work in the console, their passwords (Argon2id), roles and sessions.

A login is unique over all tenants, because signing in is what tells the tenant; everything else is asked within one.
"""

import hashlib
import secrets
from enum import Enum
from functools import cache

import argon2
import msgspec

from goodsend.kit.clock import HOUR, MINUTE, Micros
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean

ROLES = ("viewer", "analyst", "lead", "admin")
"""Each may do what the ones before it may."""

FAILURES_ALLOWED = 10
LOCKED: Micros = 15 * MINUTE
SESSION: Micros = 12 * HOUR
PASSWORD_CHARS = 1_000
"""Longer passwords are refused unread: hashing them would be work for whoever sends them. Own starting value."""

_SEEN_EVERY: Micros = 1 * MINUTE


class Member(msgspec.Struct, frozen=True):
    """One person. `locked_until` is set after too many wrong passwords."""

    id: int
    tenant: str
    login: str
    name: str
    role: str
    active: bool
    locked_until: Micros | None
    created_at: Micros
    last_seen_at: Micros | None

    def may(self, role: str) -> bool:
        """Say whether this member has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class SignIn(Enum):
    """How a sign-in ended. People are told WRONG and LOCKED apart, unknown and inactive logins look like WRONG."""

    WELCOME = "welcome"
    WRONG = "wrong"
    LOCKED = "locked"


class Session(msgspec.Struct, frozen=True):
    """A member who is signed in, with the token that every form must carry."""

    member: Member
    csrf: str
    expires_at: Micros


_FIELDS = "m.member_id, m.tenant, m.login, m.name, m.role, m.active, m.locked_until, m.created_at, m.last_seen_at"


@cache
def _hasher() -> argon2.PasswordHasher:
    # The library's defaults are the second recommended option of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    return argon2.PasswordHasher()


@cache
def _nobodys() -> str:
    return _hasher().hash(secrets.token_hex())


def ensure(
    connection: Connection, tenant: str, *, login: str, name: str, role: str, password: str, at: Micros,
    actor: str = "goodsend",
) -> Member:  # fmt: skip
    """
    Add a member, or give one who is there this name, role and password; old sessions end.

    Raises Conflict when the login belongs to another tenant.
    """
    login = clean(login).strip()
    hashed = _hasher().hash(password)
    row = connection.execute(
        "INSERT INTO member AS m (tenant, login, name, role, password, created_at) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (lower(login)) DO UPDATE SET name = EXCLUDED.name, role = EXCLUDED.role, "
        "password = EXCLUDED.password, active = true, failures = 0, locked_until = NULL "
        f"WHERE m.tenant = EXCLUDED.tenant RETURNING {_FIELDS}",
        (tenant, login, clean(name), role, hashed, At(at)),
    ).fetchone()
    if row is None:
        raise Conflict(f"the login {login!r} is taken")
    member = Member(*row)
    connection.execute("DELETE FROM session WHERE member_id = %s", (member.id,))
    audit.append(connection, tenant, at, actor, "member.set", login, {"name": name, "role": role})
    return member


def sign_in(connection: Connection, login: str, password: str, now: Micros) -> tuple[SignIn, Member | None]:
    """
    Check a password and count failures; the caller commits whatever the answer is, or nothing is counted.

    Takes the same time for logins that do not exist. After FAILURES_ALLOWED wrong ones in a row even the right
    password is refused for LOCKED.
    """
    if len(password) > PASSWORD_CHARS:
        return SignIn.WRONG, None
    row = connection.execute(
        f"SELECT {_FIELDS}, m.password, m.failures FROM member m WHERE lower(m.login) = lower(%s) FOR UPDATE",
        (clean(login).strip(),),
    ).fetchone()
    if row is None:
        _fits(_nobodys(), password)
        return SignIn.WRONG, None
    member, stored, failures = Member(*row[:-2]), row[-2], row[-1]
    fits = _fits(stored, password)
    if member.locked_until is not None and member.locked_until > now:
        return SignIn.LOCKED, None
    if not fits or not member.active:
        locks = failures + 1 >= FAILURES_ALLOWED
        connection.execute(
            "UPDATE member SET failures = %s, locked_until = %s WHERE member_id = %s",
            (0 if locks else failures + 1, At(now + LOCKED) if locks else None, member.id),
        )
        audit.append(connection, member.tenant, now, member.login, "member.refused", member.login, {"locked": locks})
        return (SignIn.LOCKED if locks else SignIn.WRONG), None
    connection.execute(
        "UPDATE member SET failures = 0, locked_until = NULL, last_seen_at = %s WHERE member_id = %s",
        (At(now), member.id),
    )
    if _hasher().check_needs_rehash(stored):
        connection.execute(
            "UPDATE member SET password = %s WHERE member_id = %s", (_hasher().hash(password), member.id)
        )
    audit.append(connection, member.tenant, now, member.login, "member.signed_in", member.login, {})
    return SignIn.WELCOME, msgspec.structs.replace(member, locked_until=None, last_seen_at=now)


def _fits(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password.encode("utf-8", "surrogatepass"))
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def open_session(connection: Connection, member: Member, now: Micros) -> tuple[str, Session]:
    """Start a session and return the cookie's secret with it; only the secret's SHA-256 is kept."""
    secret = secrets.token_urlsafe(32)
    session = Session(member, secrets.token_urlsafe(32), now + SESSION)
    connection.execute("DELETE FROM session WHERE expires_at <= %s", (At(now),))
    connection.execute(
        "INSERT INTO session (session, member_id, csrf, created_at, expires_at) VALUES (%s, %s, %s, %s, %s)",
        (_digest(secret), member.id, session.csrf, At(now), At(session.expires_at)),
    )
    return secret, session


def session_of(connection: Connection, secret: str, now: Micros) -> Session | None:
    """Return the session of a cookie, None when there is none, it has expired, or its member is no longer active."""
    row = connection.execute(
        f"SELECT {_FIELDS}, s.csrf, s.expires_at FROM session s JOIN member m USING (member_id) "
        "WHERE s.session = %s AND s.expires_at > %s AND m.active",
        (_digest(secret), At(now)),
    ).fetchone()
    if row is None:
        return None
    member = Member(*row[:-2])
    if member.last_seen_at is None or member.last_seen_at <= now - _SEEN_EVERY:
        connection.execute("UPDATE member SET last_seen_at = %s WHERE member_id = %s", (At(now), member.id))
    return Session(member, row[-2], row[-1])


def close_session(connection: Connection, secret: str, now: Micros) -> None:
    """End a session; one that is gone already is no matter."""
    row = connection.execute(
        "DELETE FROM session s USING member m WHERE s.session = %s AND m.member_id = s.member_id "
        "RETURNING m.tenant, m.login",
        (_digest(secret),),
    ).fetchone()
    if row is not None:
        audit.append(connection, row[0], now, row[1], "member.signed_out", row[1], {})


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def all_of(connection: Connection, tenant: str) -> list[Member]:
    """Return a tenant's members by login, inactive ones last."""
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM member m WHERE m.tenant = %s ORDER BY NOT m.active, lower(m.login)", (tenant,)
    )
    return [Member(*row) for row in rows]


def one(connection: Connection, tenant: str, member_id: int) -> Member:
    """Return a member. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM member m WHERE m.tenant = %s AND m.member_id = %s", (tenant, member_id)
    ).fetchone()
    if row is None:
        raise NotFound("there is no such member")
    return Member(*row)


def change(
    connection: Connection, tenant: str, member_id: int, *, actor: str, at: Micros, role: str | None = None,
    active: bool | None = None, password: str | None = None,
) -> Member:  # fmt: skip
    """
    Change a member's role, password, or whether it may sign in; ends its sessions.

    Raises NotFound, and Conflict when no active admin would be left.
    """
    # One change of roles at a time: two admins who demote each other at once would leave nobody.
    connection.execute("SELECT 1 FROM tenant WHERE tenant = %s FOR NO KEY UPDATE", (tenant,))
    before = one(connection, tenant, member_id)
    after = msgspec.structs.replace(
        before, role=before.role if role is None else role, active=before.active if active is None else active
    )
    if after.role not in ROLES:
        raise ValueError(f"{after.role!r} is not one of {', '.join(ROLES)}")
    if before.role == "admin" and before.active and not (after.role == "admin" and after.active):
        others = connection.execute(
            "SELECT 1 FROM member WHERE tenant = %s AND role = 'admin' AND active AND member_id <> %s LIMIT 1",
            (tenant, member_id),
        ).fetchone()
        if others is None:
            raise Conflict("this is the only admin: make somebody else one first")
    connection.execute(
        "UPDATE member SET role = %s, active = %s, password = coalesce(%s, password), failures = 0, "
        "locked_until = NULL WHERE tenant = %s AND member_id = %s",
        (after.role, after.active, None if password is None else _hasher().hash(password), tenant, member_id),
    )
    connection.execute("DELETE FROM session WHERE member_id = %s", (member_id,))
    audit.append(
        connection, tenant, at, actor, "member.changed", before.login,
        {"role": after.role, "active": after.active, "password": password is not None},
    )  # fmt: skip
    return one(connection, tenant, member_id)
