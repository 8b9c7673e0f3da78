"""The `goodsend` command: arguments in, exit code out. What each word does lives in `commands/`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from goodsend import __version__
from goodsend.commands import demo, ingest, members, packs, scan, serve, simulate, train_content
from goodsend.kit.errors import Misconfigured, NotFound, Retryable
from goodsend.settings import Settings, read_settings

EXIT_CODES = """\
exit codes: 0 all done; 1 done, but some items were rejected or some checks failed; 2 the command or a setting is
wrong; 3 something needed is away (try again); 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see EXIT_CODES)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(os.environ)
        code: int = options.run(options, settings)
        return code
    except Misconfigured as error:
        _complain(str(error))
        for problem in error.problems:
            print(problem.render(), file=sys.stderr)
        return 2
    except NotFound as error:
        _complain(str(error))
        return 2
    except Retryable as error:
        _complain(str(error))
        return 3
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; a second error would follow
        return 0


def _complain(message: str) -> None:
    print(f"goodsend: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goodsend",
        description="Self-hosted trust & safety for platforms that send.",
        epilog=EXIT_CODES + "settings: environment variables GOODSEND_…, see docs/reference/settings.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"goodsend {__version__}")
    words = parser.add_subparsers(dest="word", required=True, metavar="COMMAND")

    word = words.add_parser("demo", help="start everything on a made-up platform and play its day")
    word.add_argument("--data", type=Path, help="folder of the demo's data (default: demo under GOODSEND_DATA_DIR)")
    word.add_argument("--port", type=int, help="port to listen on (default: GOODSEND_PORT, or a free one when taken)")
    word.add_argument("--seed", type=int, default=7, help="the simulated world (default 7)")
    word.add_argument("--accounts", type=int, default=48, help="accounts in it (default 48)")
    word.add_argument("--seconds", type=float, default=40.0, help="how long the day takes to play (default 40)")
    word.add_argument("--fresh", action="store_true", help="throw the demo's data away first")
    word.set_defaults(run=demo.run)

    word = words.add_parser("serve", help="run the server: API, console, engine and worker")
    word.add_argument("--host", help="address to listen on (default: GOODSEND_HOST)")
    word.add_argument("--port", type=int, help="port to listen on (default: GOODSEND_PORT)")
    word.set_defaults(run=serve.run)

    word = words.add_parser("scan", help="scan mails, texts and pages; no database needed")
    word.add_argument("paths", nargs="+", type=Path, help="files or folders: .eml, .txt (SMS), .html, or raw mail")
    word.add_argument("--format", choices=("table", "jsonl"), default="table")
    word.add_argument("--pack", type=Path, action="append", default=[], help="a pack of your own over the shipped one")
    word.set_defaults(run=_scan)

    word = words.add_parser("ingest", help="take in events from JSON lines, plain, .gz or .zst")
    word.add_argument("paths", nargs="+", help="files, or - for standard input")
    word.add_argument("--tenant", default="default", help="whose events they are (default: default)")
    word.set_defaults(run=ingest.run)

    word = words.add_parser("simulate", help="write the events of a made-up platform, and the truth beside them")
    simulate.add_arguments(word)
    word.set_defaults(run=lambda options, settings: simulate.run(options))

    word = words.add_parser("check", help="check packs: every problem with its place and a hint")
    word.add_argument("packs", nargs="*", type=Path, help="folders of packs over the shipped one")
    word.set_defaults(run=packs.run_check)

    word = words.add_parser("test", help="check packs and run the cases beside their rules")
    word.add_argument("packs", nargs="*", type=Path, help="folders of packs over the shipped one")
    word.set_defaults(run=packs.run_test)

    word = words.add_parser("train", help="train models")
    kinds = word.add_subparsers(dest="what", required=True, metavar="WHAT")
    train = kinds.add_parser("content", help="train the content models that ship, from the documented data")
    train_content.add_arguments(train)
    train.set_defaults(run=lambda options, settings: train_content.run(options))

    members.add_arguments(words)
    return parser


def _scan(options: argparse.Namespace, settings: Settings) -> int:
    return scan.run(options.paths, options.format, packs.scanner_of([*settings.packs, *options.pack]))


if __name__ == "__main__":
    sys.exit(main())
