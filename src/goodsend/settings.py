"""
Settings: the environment, read once into a frozen value. An unknown or malformed GOODSEND_ key is refused at start.

Reads only the mapping it is given; nothing here touches files or the network.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from goodsend.kit.clock import DAY, MINUTE, Micros, parse_duration
from goodsend.kit.errors import Misconfigured, Problem
from goodsend.kit.text import closest

PREFIX = "GOODSEND_"


def _setting(default: Any, doc: str, separator: str = ",") -> Any:
    return field(default=default, metadata={"doc": doc, "separator": separator})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, with its default. The environment variable of `data_dir` is GOODSEND_DATA_DIR, and so on."""

    data_dir: Path = _setting(
        Path("~/.local/share/goodsend"), "folder of the embedded database; made with mode 0700, private to its owner"
    )
    database_url: str = _setting("", "a PostgreSQL server of your own (postgresql://…); empty: the embedded one")
    host: str = _setting("127.0.0.1", "address the server listens on")
    port: int = _setting(8484, "port the server listens on; 0 takes a free one")
    public_url: str = _setting("", "address people reach the console at, such as https://ts.example.com; empty: http")
    packs: tuple[Path, ...] = _setting((), "folders of your own packs, colon-separated; later ones win", ":")
    event_horizon: Micros = _setting(400 * DAY, "events older than this are rejected")
    future_skew: Micros = _setting(5 * MINUTE, "events further ahead of the clock than this are rejected")
    late_horizon: Micros = _setting(7 * DAY, "events that come later than this are counted, and may see less history")
    content_limit_bytes: int = _setting(25_000_000, "larger content is refused")
    batch_limit: int = _setting(10_000, "most events in one request")
    body_limit_bytes: int = _setting(64_000_000, "largest request body")
    queue_limit: int = _setting(20_000, "events waiting for the engine before clients are told to slow down")
    queue_limit_bytes: int = _setting(256_000_000, "and their bytes")
    snapshot_events: int = _setting(100_000, "events after which the windows are kept again, so that a start is quick")
    webhook_private_hosts: tuple[str, ...] = _setting(
        (), "hosts with private addresses that webhooks may reach, comma-separated"
    )
    archive: str = _setting("", "folder of the archive in Parquet; empty: the folder `archive` below GOODSEND_DATA_DIR")
    archive_every: Micros = _setting(0, "how often the server brings the archive up to date, such as 1h; 0: never")
    log_level: str = _setting("info", "debug, info, warning or error")


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of an environment. Raises Misconfigured with one Problem per bad or unknown key."""
    known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
    # read by tests and benchmarks, not by the product
    ignored = {"GOODSEND_DATA", "GOODSEND_FDB", "GOODSEND_BROWSER", "GOODSEND_ENGINES"}
    problems = []
    values: dict[str, Any] = {}
    for key, text in environment.items():
        if not key.startswith(PREFIX) or key in ignored:
            continue
        if key not in known:
            near = closest(key, (name.lower() for name in known))
            hint = f"did you mean {near.upper()}?" if near else "docs/reference/settings.md lists them all"
            problems.append(Problem(key, "is not a setting", hint))
            continue
        setting = known[key]
        try:
            values[setting.name] = _read(setting.name, setting.default, setting.metadata["separator"], text)
        except ValueError as error:
            problems.append(Problem(key, f"{text!r}: {error}"))
    if problems:
        raise Misconfigured("the environment has settings that cannot be used", problems)
    return Settings(**values)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that `read_settings` reads these from, for a process of our own."""
    said = {}
    for known in fields(Settings):
        value = getattr(settings, known.name)
        text = known.metadata["separator"].join(map(str, value)) if isinstance(value, tuple) else str(value)
        said[PREFIX + known.name.upper()] = text
    return said


def _read(name: str, default: Any, separator: str, text: str) -> Any:
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, tuple):
        parts = [part.strip() for part in text.split(separator) if part.strip()]
        return tuple(map(Path, parts)) if name == "packs" else tuple(parts)
    if isinstance(default, int):
        if text and text[-1] in "smhdw" and text[:-1].isdigit():
            return parse_duration(text)
        if not text.isdigit():
            raise ValueError("a whole number is needed")
        return int(text)
    return text


def settings_markdown() -> str:
    """Return the table of settings for docs/reference/settings.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(Settings):
        default = "" if setting.default is MISSING else setting.default
        shown = ":".join(map(str, default)) if isinstance(default, tuple) else str(default)
        lines.append(f"| `{PREFIX}{setting.name.upper()}` | `{shown}` | {setting.metadata['doc']} |")
    return "\n".join(lines) + "\n"
