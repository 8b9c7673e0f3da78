"""`goodsend member`: people who may sign in to the console."""

import argparse
import secrets

from goodsend.settings import Settings
from goodsend.store import members, tenants
from goodsend.wiring import install

ROLES = ("admin", "lead", "analyst", "viewer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("tenant", help="the platform they work for")
    parser.add_argument("login", help="mail address or name to sign in with")
    parser.add_argument("--name", help="full name (default: the login)")
    parser.add_argument("--role", choices=ROLES, default="analyst", help="what they may do (default: analyst)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Add a member with a new password, or set a new password for one who is there; it is shown once."""
    password = secrets.token_urlsafe(12)
    with install(settings) as installation, installation.pool.connection() as connection:
        tenants.one(connection, options.tenant)
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
