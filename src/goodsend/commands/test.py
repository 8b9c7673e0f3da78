"""`goodsend test`: the cases beside the rules."""

import argparse
import sys

from goodsend.commands.check import add_arguments, checked
from goodsend.rules.evaluate import failing_cases
from goodsend.settings import Settings

__all__ = ["add_arguments", "run"]

_WORDS = {True: "fires", False: "does not fire", None: "cannot know"}


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Check, then run every rule case; prints each that does not hold."""
    pack = checked([*settings.packs, *options.packs])
    if pack is None:
        return 1
    failing = failing_cases(pack.ruleset, pack.list_values)
    for rule, name, expected, got in failing:
        print(f"{rule}: {name}: expected that it {_WORDS[expected]}, but it {_WORDS[got]}", file=sys.stderr)
    total = sum(len(rule.cases) for rule in pack.ruleset.rules.values())
    print(f"{total - len(failing)} of {total} cases hold, over {len(pack.ruleset.rules)} rules")
    return 1 if failing else 0
