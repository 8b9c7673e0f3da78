"""The `goodsend` command: a table of words, arguments in, exit code out. What each word does lives in `commands/`."""

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from goodsend import __version__
from goodsend.kit.errors import Misconfigured, NotFound, Retryable
from goodsend.settings import read_settings

WORDS = {
    "demo": "start everything on a made-up platform and play its day",
    "serve": "run the server: API, console, engine and worker",
    "scan": "scan mails, texts and pages; no database needed",
    "ingest": "take in events from JSON lines, plain, .gz or .zst",
    "snapshot": "keep the engine's memory, so that the next start is quick; serve does it by itself",
    "archive": "export events, facts and decisions to Parquet files, by tenant and day",
    "simulate": "write the events of a made-up platform, and the truth beside them",
    "check": "check packs: every problem with its place and a hint",
    "test": "check packs and run the cases beside their rules",
    "backtest": "try a pack on the events of the archive, and report what it would have done",
    "job": "run one backtest that was asked for in the console; serve does it by itself",
    "prove": "compute the archive's facts and hits again, and tell every difference",
    "import": "make a pack of another system's rules and lists",
    "train": "train models",
    "tenant": "add a tenant: one platform protected by this installation",
    "member": "add a person to the console, or give one a new password",
    "key": "make an API key",
    "destination": "choose where a tenant's actions go",
}
"""Every word, each in `commands/<word>.py` with `add_arguments(parser)` and `run(options, settings) -> exit code`."""

MODULES = {"import": "import_rules"}
"""Words whose module has another name, because Python keeps theirs to itself."""

SERVERS = frozenset({"demo", "serve"})
"""Words that Ctrl-C ends as it should: nothing needs to be said."""

EXIT_CODES = """\
exit codes:
  0    all done
  1    done, but some items were rejected, or some checks failed
  2    the command line, a setting or a pack is wrong
  3    something that is needed is away; try again
  130  interrupted
"""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see EXIT_CODES)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(given).parse_args(given)
    logging.getLogger("psycopg").setLevel(
        logging.ERROR
    )  # of each lost connection; what follows from it we say ourselves
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
    except KeyboardInterrupt as stop:
        if str(stop) or options.word not in SERVERS:
            _complain(str(stop) or "interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; a second error would follow
        return 0
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # as above
        _complain(f"the output cannot be written: {error.strerror}")
        return 3


def _complain(message: str) -> None:
    print(f"goodsend: {message}", file=sys.stderr)


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goodsend",
        description="Self-hosted trust & safety for platforms that send.",
        epilog=EXIT_CODES + "\nsettings: environment variables GOODSEND_…, see docs/reference/settings.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"goodsend {__version__}")
    words = parser.add_subparsers(dest="word", required=True, metavar="COMMAND")
    chosen = next((word for word in given if not word.startswith("-")), None)
    for word, doc in WORDS.items():
        sub = words.add_parser(word, help=doc, description=doc[0].upper() + doc[1:] + ".")
        if word == chosen:  # only the word that runs is loaded: a scan need not wait for the web server's libraries
            module = importlib.import_module(f"goodsend.commands.{MODULES.get(word, word)}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
