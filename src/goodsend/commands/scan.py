"""`goodsend scan`: what content alone says about mails, texts and pages; no database, no account."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goodsend.kit.errors import Rejection
from goodsend.kit.text import printable, shorten
from goodsend.pack import Pack
from goodsend.scanning.model import Signal
from goodsend.scanning.scanner import channel_of, scan
from goodsend.scanning.weigh import weigh
from goodsend.settings import Settings
from goodsend.sources.scan_files import Found, list_files, read_file
from goodsend.wiring import load_pack

_VERDICTS = ("reject", "hold", "review", "allow")
_EVIDENCE_CHARS = 100


class Error(msgspec.Struct, frozen=True):
    """Why there is no answer for a file."""

    code: str
    reason: str


class Answer(msgspec.Struct, frozen=True):
    """One line of `--format jsonl`. With an `error`, `verdict` is null and nothing was found."""

    path: str
    verdict: str | None
    scores: dict[str, int]
    signals: list[Signal]
    error: Error | None
    notes: list[str]
    reasons: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("paths", nargs="+", type=Path, help="files or folders: .eml or raw mail, .txt (SMS), .html")
    parser.add_argument(
        "--format", choices=("table", "jsonl"), default="table", help="for people, or one object a line"
    )
    parser.add_argument(
        "--pack", type=Path, action="append", default=[], help="a pack of your own, over the shipped one"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Scan what was named, with the shipped pack and those over it."""
    return scan_all(options.paths, options.format, load_pack([*settings.packs, *options.pack]))


def scan_all(paths: Iterable[Path], format_: str, pack: Pack) -> int:
    """
    Scan every file under `paths` and print one answer each; `format_` is `table` or `jsonl`.

    Returns 0 when everything was scanned, 1 when some file could not be. Raises Misconfigured for a path that does not
    exist (exit code 2).
    """
    files = list_files(paths)
    counts: Counter[str] = Counter()
    with _progress() as progress:
        task = progress.add_task("scanning", total=len(files))
        for path in files:
            for answer in answers(path, pack):
                counts[answer.verdict or "error"] += 1
                print(_json(answer) if format_ == "jsonl" else "\n".join(_lines(answer)))
            progress.advance(task)
    if format_ == "table":
        print(_summary(counts))
    return 1 if counts["error"] else 0


def answers(path: Path, pack: Pack) -> Iterator[Answer]:
    """Give an answer for each content of one file, whatever it holds."""
    for found in read_file(path, pack.scanner.limits.size_bytes):
        if isinstance(found, Rejection):
            yield _without(found.place, found.code, found.reason)
            continue
        try:
            yield judge(found, pack)
        except Exception as error:  # noqa: BLE001 - the outermost loop: one file must not end the scan of a folder
            yield _without(found.path, "internal", f"The scanner failed ({type(error).__name__}); this is a bug.")


def judge(found: Found, pack: Pack) -> Answer:
    """Scan one content, weigh what was found, and add the scores of the pack's models for its channel."""
    scanned = scan(found.content, pack.scanner)
    judged = weigh(scanned, pack.scanner)
    channel = channel_of(found.content.media_type, None)
    scores = dict(judged.scores)
    for model in pack.models:
        score = model.score(scanned.facts, channel)
        if score is not None:
            scores[model.name] = score
    error = Error("no_content", f"{scanned.error[0].upper()}{scanned.error[1:]}.") if scanned.error else None
    notes = [*found.notes, *scanned.notes]
    return Answer(
        found.path,
        None if error else judged.verdict,
        {} if error else scores,
        list(scanned.signals),
        error,
        notes,
        list(judged.reasons),
    )


def _without(path: str, code: str, reason: str) -> Answer:
    return Answer(path, None, {}, [], Error(code, reason), [], [])


def _json(answer: Answer) -> str:
    return msgspec.json.encode(answer).decode()


def _lines(answer: Answer) -> Iterator[str]:
    if answer.error is not None:
        yield printable(f"{'error':7}    –  {answer.path}: {answer.error.reason}").replace("\n", " ")
        return
    yield printable(f"{answer.verdict:7} {answer.scores.get('content', 0):4}  {answer.path}").replace("\n", " ")
    seen: set[str] = set()
    for signal in answer.signals:
        if signal.id not in seen:
            seen.add(signal.id)
            yield f"              {signal.id:28} {_one_line(signal.evidence)}"
    for note in answer.notes:
        yield f"              {'note':28} {_one_line(note)}"


def _one_line(text: str) -> str:
    return shorten(printable(" ".join(text.split())), _EVIDENCE_CHARS)


def _summary(counts: Counter[str]) -> str:
    total = sum(counts.values())
    parts = [f"{counts[name]:,} {name}" for name in (*_VERDICTS, "error") if counts[name]]
    return f"{total:,} scanned: {', '.join(parts)}" if parts else "nothing to scan"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
        redirect_stdout=sys.stdout.isatty(),  # into a pipe the answers must go as they are
    )  # fmt: skip
