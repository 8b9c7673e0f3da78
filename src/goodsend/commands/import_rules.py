"""`goodsend import`: rules of other systems, made into a pack."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from goodsend.kit.errors import Misconfigured
from goodsend.rules.detectorpl_pack import Known, build, read_export
from goodsend.rules.model import Mode, Verdict
from goodsend.settings import Settings
from goodsend.wiring import load_pack, read_pack

REPORT = "import-report.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    systems = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    afd = systems.add_parser("detectorpl", help="Amazon Fraud Detector: JSON as its API answers")
    afd.add_argument("export", type=Path, help="a JSON file, or a folder of them")
    afd.add_argument("--out", type=Path, required=True, help="folder of the new pack; it must not hold one yet")
    afd.add_argument(
        "--outcome", action="append", default=[], metavar="NAME=VERDICT",
        help="what an outcome means: allow, review, throttle, hold or reject; may be repeated",
    )  # fmt: skip
    afd.add_argument("--mode", choices=["shadow", "live"], default="shadow", help="mode of the rules (default: shadow)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Convert, check the result over the packs in force, write it with a report; 1 when some rules were left out."""
    out: Path = options.out
    if (out / "pack.toml").exists():
        raise Misconfigured(f"{out} holds a pack already: choose a new folder")
    export, strange = read_export(_decoded(options.export))
    for file in strange:
        print(f"{file}: nothing in it is known", file=sys.stderr)
    if not export.rules:
        raise Misconfigured(f"{options.export} holds no rules: export the answer of get_rules")
    below = load_pack(settings.packs)
    known = Known(
        below.catalog, set(below.ruleset.rules), set(below.lists), set(below.kinds.entities), set(below.ruleset.groups)
    )  # fmt: skip
    made = build(export, known, mode=Mode(options.mode), verdicts=_verdicts(options.outcome))
    _write(out, made.files | {REPORT: made.report})
    pack, problems = read_pack([*settings.packs, out])
    for problem in problems:
        print(problem.render(), file=sys.stderr)
    print(f"{made.converted} rules converted, {made.refused} not: {out / REPORT}")
    return 1 if made.refused or strange or pack is None else 0


def _decoded(place: Path) -> dict[str, Any]:
    if not place.exists():
        raise Misconfigured(f"{place} does not exist")
    files = sorted(place.rglob("*.json")) if place.is_dir() else [place]
    decoded = {}
    for file in files:
        try:
            decoded[file.name if file == place else file.relative_to(place).as_posix()] = msgspec.json.decode(
                file.read_bytes()
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Misconfigured(f"{file} is not JSON: {error}") from None
    return decoded


def _verdicts(given: list[str]) -> dict[str, Verdict]:
    verdicts = {}
    for text in given:
        name, _, word = text.partition("=")
        if word not in [verdict.value for verdict in Verdict]:
            raise Misconfigured(f"--outcome {text}: write NAME=allow, review, throttle, hold or reject")
        verdicts[name] = Verdict(word)
    return verdicts


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
