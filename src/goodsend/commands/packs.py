"""`goodsend check` and `goodsend test`: packs before they are put to work."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from goodsend.pack import Pack
from goodsend.rules.evaluate import failing_cases
from goodsend.settings import Settings
from goodsend.wiring import load_pack, read_pack

_WORDS = {True: "fires", False: "does not fire", None: "cannot know"}


def _read(folders: Sequence[Path]) -> Pack | None:
    pack, problems = read_pack(folders)
    for problem in problems:
        print(problem.render(), file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}", file=sys.stderr)
    return pack


def run_check(options: argparse.Namespace, settings: Settings) -> int:
    """Check the shipped pack and the given ones over it; prints what it holds, or every problem."""
    pack = _read([*settings.packs, *options.packs])
    if pack is None:
        return 1
    print(
        f"pack {pack.version}: {len(pack.kinds.kinds)} event kinds, {len(pack.features)} features, "
        f"{len(pack.ruleset.rules)} rules, {len(pack.policies)} policies, {len(pack.lists)} lists, "
        f"{len(pack.models)} models; no problems"
    )
    return 0


def run_test(options: argparse.Namespace, settings: Settings) -> int:
    """Check, then run every rule case; prints each that does not hold."""
    pack = _read([*settings.packs, *options.packs])
    if pack is None:
        return 1
    failing = failing_cases(pack.ruleset, pack.list_values)
    for rule, name, expected, got in failing:
        print(f"{rule}: {name}: expected that it {_WORDS[expected]}, but it {_WORDS[got]}", file=sys.stderr)
    total = sum(len(rule.cases) for rule in pack.ruleset.rules.values())
    print(f"{total - len(failing)} of {total} cases hold, over {len(pack.ruleset.rules)} rules")
    return 1 if failing else 0


def scanner_of(folders: Sequence[Path]) -> Pack:
    """Return the pack that `goodsend scan` scans with; raises Misconfigured with every Problem."""
    return load_pack(folders)
