"""`goodsend backtest`: what a pack would have done on the events of the archive, as a page and as JSON."""

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from goodsend.archive.backtest import Ask, backtest, chosen, forget, stages_kept
from goodsend.archive.judge import Span
from goodsend.archive.layout import archive_folder
from goodsend.archive.page import lasting, number, percent, render_page, whole
from goodsend.archive.past import account_labels, open_past
from goodsend.archive.read import deciding_packs
from goodsend.commands.existing import existing
from goodsend.commands.prove import WITHOUT, add_past_arguments, engine_of, span_of, told_on_terminal, write_file
from goodsend.kit.errors import Misconfigured, Problem, Rejection, Retryable
from goodsend.kit.text import printable
from goodsend.pack import Pack, build_pack
from goodsend.reports.backtest import Report, RuleReport, without_personal
from goodsend.settings import Settings
from goodsend.sources.jsonl import read_lines
from goodsend.store import definitions
from goodsend.wiring import read_files, read_layer, system_now


class Truth(msgspec.Struct, frozen=True):
    """What a file says about accounts and events: `abusive` or `honest`."""

    accounts: dict[str, str]
    events: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("pack", type=Path, help="folder of the pack to try, over those in force")
    parser.add_argument(
        "--from", dest="since", required=True, help="first day, such as 2026-11-01, or an RFC 3339 time"
    )
    parser.add_argument("--to", dest="until", required=True, help="end, not included: a day or an RFC 3339 time")
    parser.add_argument("--tenant", default="default", help="whose archive (default: default)")
    parser.add_argument("--against", choices=["live"], help="compare with what is in force now")
    parser.add_argument("--rules", metavar="A,B", help="only these rules (default: all that are not off)")
    parser.add_argument(
        "--as-if-on-time", action="store_true",
        help="facts as if every event had arrived on time, instead of as known when decided",
    )  # fmt: skip
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="labels as JSON lines, such as simulate --labels makes"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as an HTML page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--personal", action="store_true", help="show personal values in samples (default: left out)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where stages are kept until the report is made")
    parser.add_argument(
        "--alone", action="store_true", help="ask no database: what is in force are the packs of the settings"
    )
    add_past_arguments(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Make the report; returns 1 when files of the archive were left out, 0 when all was read."""
    span = span_of(options.since, options.until)
    truth = read_truth(options.truth) if options.truth else None
    pack, live = _packs(options, settings)
    rules = tuple(dict.fromkeys(filter(None, options.rules.split(",")))) if options.rules is not None else None
    chosen(pack, rules)  # a misspelt rule is told before anything is read
    report = _backtest(options, settings, span, pack, live if options.against else None, rules, truth)
    if not options.personal:
        report = without_personal(report)
    if options.json is not None:
        write_file(options.json, msgspec.json.format(msgspec.json.encode(report)))
    if options.out is not None:
        write_file(options.out, render_page(report).encode())
    print(printable("\n".join(_lines(report))))
    return 1 if any("were left out" in note for note in report.notes) else 0


def _packs(options: argparse.Namespace, settings: Settings) -> tuple[Pack, Pack]:
    """Return the pack to try and the one in force; the tenant's own definitions belong to both."""
    own: Mapping[str, bytes] = {}
    if not options.alone:
        try:
            with existing(settings, WITHOUT) as installation, installation.pool.connection() as connection:
                own = definitions.layer(connection, options.tenant)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"the database is away: {error}") from error
    tried = options.pack.resolve()
    installed = list(settings.packs)
    is_installed = tried in [folder.resolve() for folder in installed]
    live = {**read_files(installed), **own}
    new = live if is_installed else {**read_files([*installed, tried]), **own, **read_layer(tried)}
    return _sound(build_pack(new)), _sound(build_pack(live))


def _sound(built: tuple[Pack | None, list[Problem]]) -> Pack:
    pack, problems = built
    if pack is None:
        raise Misconfigured("the pack has problems", problems)
    return pack


def _backtest(
    options: argparse.Namespace, settings: Settings, span: Span, pack: Pack, live: Pack | None,
    rules: tuple[str, ...] | None, truth: Truth | None,
) -> Report:  # fmt: skip
    archive = options.archive or archive_folder(settings)
    work = options.work or settings.data_dir.expanduser() / "backtests"
    with ExitStack() as stack:
        engine = stack.enter_context(engine_of(options))
        told = stack.enter_context(told_on_terminal("backtest"))
        packs = [pack] if live is None else [pack, live]
        past = open_past(engine, archive, options.tenant, packs, span, settings.late_horizon)
        known = dict(account_labels(archive, options.tenant))
        sources = ["decided cases"] if known else []
        if truth is not None:
            known |= truth.accounts
            sources.append(options.truth.name)
        events = truth.events if truth is not None else {}
        ask = Ask(
            tenant=options.tenant, pack=pack, span=span, digest=past.digest, lists=past.lists(system_now()),
            against=live, rules=rules, on_time=options.as_if_on_time, late_horizon=settings.late_horizon,
            account_labels=list(known.items()), event_labels=list(events.items()), label_sources=tuple(sources),
            notes=(*past.notes, *_not_what_decided(options, settings, archive, live or pack)),
        )  # fmt: skip
        kept = stages_kept(ask, engine.name, work)
        if kept:
            print(f"going on after {len(kept)} stages of an earlier run: {', '.join(kept)}", file=sys.stderr)
        try:
            report = backtest(engine, ask, work, told)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; what is done is kept below {work}, and the same command goes on from there"
            ) from None
        forget(ask, engine.name, work)
    return report


def _not_what_decided(options: argparse.Namespace, settings: Settings, archive: Path, live: Pack) -> list[str]:
    """Return a note where `live` is not the pack by which the latest events of the archive were decided."""
    if options.against is None:
        return []
    last = next(reversed(deciding_packs(archive, options.tenant)), None)
    if last in (None, live.version):
        return []
    own = "" if options.alone else " and what the tenant has approved"
    folders = ", ".join(folder.name for folder in settings.packs)
    note = (
        f"what counts as live here (pack {live.version}) is not what decided the latest events of the archive (pack "
        f"{last}): it is the shipped pack, GOODSEND_PACKS ({folders or 'not set'}){own}. Set GOODSEND_PACKS as the "
        "server has it; if the server's packs have changed since those events, all is well"
    )
    return [note]


def read_truth(path: Path) -> Truth:
    """
    Read labels from JSON lines: `account` or `event_id`, and `label` (`honest`, or what kind of abuse).

    A line with both is about the event. Raises Misconfigured for a file that cannot be read or a line that is none.
    """
    accounts: dict[str, str] = {}
    events: dict[str, str] = {}
    try:
        for line in read_lines(str(path)):
            if isinstance(line, Rejection):
                raise Misconfigured(f"{path}: {line.place}: {line.reason}")
            place, body = line
            row = _truth_row(path, place, body)
            label = "honest" if row["label"] == "honest" else "abusive"
            if "event_id" in row:
                events[str(row["event_id"])] = label
            else:
                accounts[str(row["account"])] = label
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    return Truth(accounts, events)


def _truth_row(path: Path, place: str, body: bytes) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path}: {place}: is not JSON: {error}") from None
    if not isinstance(row, dict) or "label" not in row or not ("account" in row or "event_id" in row):
        raise Misconfigured(f"{path}: {place}: needs a label, and an account or an event_id")
    return row


def _lines(report: Report) -> list[str]:
    """Return the report in short: what was counted, a line a rule, what changes, the balance."""
    lines = [
        f"{report.events:,} events, {report.accounts:,} accounts, {len(report.days)} days; counted by {report.engine}"
        + ("; as if every event had been on time" if report.on_time else "")
    ]
    lines += [f"note: {note}" for note in report.notes]
    head = f"{'rule':44} {'hits':>9} {'accounts':>8}  {'precision':16} {'recall':16} {'first hit':>9}"
    lines.append(head + (f" {'new':>7} {'lost':>7}" if report.against else ""))
    lines += [_line(rule, compared=report.against is not None) for rule in report.rules]
    for move in report.verdicts:
        before = f"{move.before.value} → " if move.before is not None else ""
        lines.append(f"{before}{move.after.value}: {move.events:,} events of {move.accounts:,} accounts")
    for name, cost in (("this pack", report.cost), ("live", report.live_cost)):
        if cost is not None and cost.lines:
            lines.append(
                f"{name}: harm prevented {number(cost.prevented)} less wrong actions {number(cost.wrong)} "
                f"= {number(cost.balance)} {cost.unit}"
            )
    return lines


def _line(rule: RuleReport, *, compared: bool) -> str:
    quality = next(iter(rule.quality), None)
    precision, recall = (percent(quality.precision), percent(quality.recall)) if quality else ("–", "–")
    first = lasting(rule.delay[-1].median_s) if rule.delay else "–"
    line = f"{rule.id:44} {whole(rule.hits):>9} {whole(rule.accounts):>8}  {precision:16} {recall:16} {first:>9}"
    if compared and rule.change is not None:
        line += f" {'+' + whole(rule.change.new):>7} {'−' + whole(rule.change.lost):>7}"
    return line
