"""`goodsend check`: packs before they are put to work."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from goodsend.pack import Pack
from goodsend.settings import Settings
from goodsend.wiring import read_pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("packs", nargs="*", type=Path, help="folders of packs, over the shipped one")


def checked(folders: Sequence[Path]) -> Pack | None:
    """Return the pack, or None after every problem was printed."""
    pack, problems = read_pack(folders)
    for problem in problems:
        print(problem.render(), file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}", file=sys.stderr)
    return pack


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Check the shipped pack and the given ones over it; prints what it holds, or every problem."""
    pack = checked([*settings.packs, *options.packs])
    if pack is None:
        return 1
    print(
        f"pack {pack.version}: {len(pack.kinds.kinds)} event kinds, {len(pack.features)} features, "
        f"{len(pack.ruleset.rules)} rules, {len(pack.policies)} policies, {len(pack.lists)} lists, "
        f"{len(pack.models)} models; no problems"
    )
    return 0
