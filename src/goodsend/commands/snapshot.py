"""`goodsend snapshot`: keep the windows as of now, so that the next start is quick. `serve` runs it by itself."""

import argparse
import time

from goodsend.handle import snapshots
from goodsend.settings import Settings
from goodsend.wiring import install


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--tenant", default="default", help="whose windows (default: default)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Take one snapshot."""
    began = time.monotonic()
    with install(settings) as installation:
        pack = installation.pack(options.tenant)
        taken = snapshots.take(
            installation.pool, options.tenant, pack, settings.late_horizon, installation.now()
        )  # fmt: skip
    if taken is None:
        print(f"{options.tenant}: nothing is new since the last snapshot")
    else:
        print(
            f"{options.tenant}: {taken.bytes:,} bytes up to event {taken.arrival:,} in {time.monotonic() - began:.1f} s"
        )
    return 0
