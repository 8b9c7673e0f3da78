"""`goodsend key`: API keys."""

import argparse

from goodsend.settings import Settings
from goodsend.store import keys, tenants
from goodsend.wiring import install

SCOPES = ("events:write", "decisions:write", "scan", "read", "rules:write", "rules:approve", "personal", "admin")
_ASKED_FOR = ("admin", "rules:write", "rules:approve")
"""Scopes that a key has only where somebody asks for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("tenant", help="whose data it opens")
    parser.add_argument("--name", default="command line", help="what it is for")
    parser.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="what it may do; may be repeated (default: all but admin and those for rules)",
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Make a key and print it; only its hash is kept."""
    scopes = options.scope or [scope for scope in SCOPES if scope not in _ASKED_FOR]
    with install(settings) as installation, installation.pool.connection() as connection:
        tenants.one(connection, options.tenant)
        key = keys.create(connection, options.tenant, options.name, scopes, installation.now())
    print(f"API key  {key}")
    return 0
