"""`goodsend tenant`: one more platform protected by this installation."""

import argparse

from goodsend.settings import Settings
from goodsend.store import tenants
from goodsend.wiring import install


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("tenant", help="short name: lower-case letters, digits, - and _")
    parser.add_argument("--name", help="full name (default: the short one)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Add a tenant; adding it again changes nothing."""
    with install(settings) as installation, installation.pool.connection() as connection:
        is_new = tenants.ensure(connection, options.tenant, options.name or options.tenant, installation.now())
    print(f"Tenant   {options.tenant}{'' if is_new else ' (was there already)'}")
    return 0
