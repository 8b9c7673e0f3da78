"""`goodsend destination`: where a tenant's actions go."""

import argparse
import secrets

from goodsend.kit.errors import Misconfigured
from goodsend.settings import Settings
from goodsend.store import audit, outbox, tenants
from goodsend.wiring import install


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("tenant", help="whose actions they are")
    parser.add_argument("connector", choices=("printed", "webhook"), help="printed to the log, or called")
    parser.add_argument("--url", help="the webhook's address; calls are signed with a secret that is shown once")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Set where actions go from now on."""
    if (options.connector == "webhook") != bool(options.url):
        raise Misconfigured("a webhook needs --url, and only a webhook has one")
    secret = secrets.token_hex(32) if options.connector == "webhook" else None
    with install(settings) as installation, installation.pool.connection() as connection:
        tenants.one(connection, options.tenant)
        outbox.set_destination(connection, options.tenant, options.connector, options.url, secret, installation.now())
        audit.append(
            connection, options.tenant, installation.now(), "goodsend", "destination.set", options.tenant,
            {"connector": options.connector, "url": options.url},
        )  # fmt: skip
    print(f"Actions  {options.connector} {options.url or ''}".rstrip())
    if secret:
        print(f"Secret   {secret}")
    return 0
