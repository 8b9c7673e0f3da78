"""`goodsend test`: the cases beside the rules."""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from goodsend.commands.check import add_arguments, checked
from goodsend.kit.text import printable
from goodsend.pack import Pack
from goodsend.rules.evaluate import failing_cases
from goodsend.settings import Settings
from goodsend.wiring import read_files

__all__ = ["add_arguments", "run"]

_WORDS = {True: "fires", False: "does not fire", None: "cannot know"}


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Check, then run every rule case; prints each that does not hold."""
    pack = checked([*settings.packs, *options.packs])
    if pack is None:
        return 1
    failing = failing_cases(pack.ruleset, pack.list_values)
    places = _places([*settings.packs, *options.packs]) if failing else {}
    for rule, name, expected, got in failing:
        said = f"expected that it {_WORDS[expected]}, but it {_WORDS[got]}"
        print(printable(f"{places.get(rule, rule)}: {name}: {said}"), file=sys.stderr)
        if got is None:
            print(printable(f"  hint: {_hint(pack, rule, name)}"), file=sys.stderr)
    total = sum(len(rule.cases) for rule in pack.ruleset.rules.values())
    print(f"{total - len(failing)} of {total} cases hold, over {len(pack.ruleset.rules)} rules")
    return 1 if failing else 0


def _places(folders: Sequence[Path]) -> dict[str, str]:
    """Return the file and id of every rule; the last file that has it counts."""
    tables = {name: tomllib.loads(body.decode()) for name, body in read_files(folders).items() if "/rules/" in name}
    return {id_: f"{name}: {id_}" for name, table in tables.items() for id_ in table.get("rule", {})}


def _hint(pack: Pack, id_: str, name: str) -> str:
    """Return what a case that cannot know does not give."""
    rule, expression = pack.ruleset.rules[id_], pack.ruleset.expressions[id_]
    cases = {case.name or f"case {number}": case for number, case in enumerate(rule.cases, 1)}
    lacking = [fact for fact in sorted(expression.facts) if cases[name].given.get(fact) is None]
    if not lacking:
        return "the condition is NULL for these facts"
    return f'it does not give {", ".join(lacking)}: add them to `given`, or expect fires = "unknown"'
