"""`goodsend tenant`, `member`, `key`, `destination`: who may use an installation, and where its actions go."""

import argparse
import secrets
from typing import Any

from goodsend.settings import Settings
from goodsend.store import keys, members, outbox, tenants
from goodsend.wiring import install

SCOPES = ("events:write", "decisions:write", "scan", "read", "personal", "admin")


def add_arguments(words: "argparse._SubParsersAction[Any]") -> None:
    """Add the commands to the parser."""
    word = words.add_parser("tenant", help="add a tenant: one platform protected by this installation")
    word.add_argument("tenant", help="short name: lower-case letters, digits, - and _")
    word.add_argument("--name", help="full name (default: the short one)")
    word.set_defaults(run=add_tenant)

    word = words.add_parser("member", help="add a person to the console, or give one a new password")
    word.add_argument("tenant")
    word.add_argument("login", help="mail address or name to sign in with")
    word.add_argument("--name", help="full name (default: the login)")
    word.add_argument("--role", choices=("admin", "lead", "analyst", "viewer"), default="analyst")
    word.set_defaults(run=add_member)

    word = words.add_parser("key", help="make an API key; it is shown once")
    word.add_argument("tenant")
    word.add_argument("--name", default="command line", help="what it is for")
    word.add_argument("--scope", action="append", choices=SCOPES, help="what it may do (default: all but admin)")
    word.set_defaults(run=add_key)

    word = words.add_parser("destination", help="choose where a tenant's actions go")
    word.add_argument("tenant")
    word.add_argument("connector", choices=("printed", "webhook"))
    word.add_argument("--url", help="the webhook's address; calls are signed with a secret that is shown once")
    word.set_defaults(run=set_destination)


def add_tenant(options: argparse.Namespace, settings: Settings) -> int:
    """Add a tenant; adding it again changes nothing."""
    with install(settings) as installation, installation.pool.connection() as connection:
        tenants.ensure(connection, options.tenant, options.name or options.tenant, installation.now())
    print(f"Tenant   {options.tenant}")
    return 0


def add_member(options: argparse.Namespace, settings: Settings) -> int:
    """Add a member with a new password, or set a new password for one who is there."""
    password = secrets.token_urlsafe(12)
    with install(settings) as installation, installation.pool.connection() as connection:
        members.ensure(
            connection,
            options.tenant,
            login=options.login,
            name=options.name or options.login,
            role=options.role,
            password=password,
            at=installation.now(),
        )
    print(f"Sign-in  {options.login}  {password}")
    return 0


def add_key(options: argparse.Namespace, settings: Settings) -> int:
    """Make a key and print it; only its hash is kept."""
    scopes = options.scope or [scope for scope in SCOPES if scope != "admin"]
    with install(settings) as installation, installation.pool.connection() as connection:
        key = keys.create(connection, options.tenant, options.name, scopes, installation.now())
    print(f"API key  {key}")
    return 0


def set_destination(options: argparse.Namespace, settings: Settings) -> int:
    """Set where actions go from now on."""
    secret = secrets.token_hex(32) if options.connector == "webhook" else None
    with install(settings) as installation, installation.pool.connection() as connection:
        outbox.set_destination(connection, options.tenant, options.connector, options.url, secret, installation.now())
    print(f"Actions  {options.connector} {options.url or ''}")
    if secret:
        print(f"Secret   {secret}")
    return 0
