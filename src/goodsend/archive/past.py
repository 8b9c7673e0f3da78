"""What a proof or a backtest reads of a tenant's archive: tables in an engine, lists as they were, labels."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from goodsend.archive import read
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.judge import Span, event_columns, feature_columns, stored_columns
from goodsend.archive.read import Gap, Survey
from goodsend.expr.sql.model import ListValues
from goodsend.facts import FactType
from goodsend.kit.clock import DAY, Micros, day_of
from goodsend.kit.errors import NotFound
from goodsend.pack import Pack

_DECISIONS = {
    "arrival": FactType.INTEGER, "pack": FactType.TEXT, "lists": FactType.INTEGER, "rules": FactType.TEXTS,
    "shadow": FactType.TEXTS, "unknown": FactType.TEXTS,
}  # fmt: skip
_WITHOUT = {"labels": "so nothing is labelled", "lists": "so lists are those of the pack alone"}
_FIRST_DAY: Micros = -62_135_596_800_000_000
_LAST_DAY: Micros = 253_402_300_799_999_999
"""Years 1 and 9999: no partition lies beyond."""


class Past(msgspec.Struct, frozen=True):
    """
    What there is: `notes` a report must say, `digest` of the files that are read, `packs` the versions that decided.

    `lists` gives what the lists held at an instant (None: the pack's own alone), `instants` when they changed; where
    `knows_lists` is False, the tenant's own entries could not be read. `gaps` are where events are missing.
    """

    notes: tuple[str, ...]
    digest: str
    rows: int
    instants: tuple[Micros, ...]
    lists: Callable[[Micros | None], ListValues]
    gaps: tuple[Gap, ...] = ()
    knows_lists: bool = True


def open_past(
    engine: SqlEngine,
    archive: Path,
    tenant: str,
    packs: Sequence[Pack],
    span: Span,
    late_horizon: Micros,
    *,
    decisions: bool = False,
) -> Past:
    """
    Make `events` and `facts` (and `decisions`) of a span readable in an engine. The first of `packs` has the lists.

    Events come with the history that features of the span may see. Raises NotFound when there is no archive.
    """
    events = read.survey(archive, tenant, _history_from(packs, span, late_horizon), tables=["events"])
    beside = ["facts", "decisions"] if decisions else ["facts"]
    kept = read.survey(archive, tenant, _day(span.since), _day(span.until - 1), beside)
    facts: dict[str, FactType] = {"arrival": FactType.INTEGER}
    for pack in packs:
        facts |= stored_columns(pack.catalog) | feature_columns(pack.features)
    read.add_tables(engine, events, {"events": event_columns(packs)})
    read.add_tables(engine, kept, {"facts": facts} | ({"decisions": _DECISIONS} if decisions else {}))
    notes = [note for note in (_merged(events, kept).sentence(),) if note is not None]
    broken = {name: read.whole_problem(archive, tenant, name) for name in _WITHOUT}
    for name, instead in _WITHOUT.items():
        problem = broken[name]
        if problem is not None:
            notes.append(f"{name}/{name}.parquet was left out, {instead}: it {problem}")
    entries = _or_none(lambda: read.entries(archive, tenant))
    own = entries.to_pylist() if entries is not None else []
    digest = hashlib.sha256()
    for path in sorted([*events.files["events"], *kept.files["facts"], *kept.files["decisions"]]):
        digest.update(f"{path.relative_to(archive)} {path.stat().st_size}\n".encode())
    digest.update(repr(own).encode())
    return Past(
        tuple(notes), digest.hexdigest(), events.rows["events"], _instants(own), _lists(packs[0], own),
        events.gaps(), broken["lists"] is None,
    )  # fmt: skip


def _history_from(packs: Iterable[Pack], span: Span, late_horizon: Micros) -> str | None:
    """Return the first day that some window can reach from the span, None for the beginning."""
    windows = [feature.window for pack in packs for feature in pack.features]
    if any(window is None for window in windows):
        return None
    return _day(span.since - max([window for window in windows if window is not None], default=0) - late_horizon - DAY)


def _day(at: Micros) -> str:
    return day_of(min(max(at, _FIRST_DAY), _LAST_DAY))


def _merged(one: Survey, other: Survey) -> Survey:
    """Return the files left out of either, each once."""
    skipped = {skip.path: skip for skip in (*one.skipped, *other.skipped)}
    return msgspec.structs.replace(one, skipped=[skipped[path] for path in sorted(skipped)])


def _or_none(read_it: Callable[[], pa.Table]) -> pa.Table | None:
    try:
        return read_it()
    except NotFound:
        return None


def _instants(entries: Iterable[Mapping[str, int | None]]) -> tuple[Micros, ...]:
    edges = {entry[name] for entry in entries for name in ("added_at", "expires_at", "removed_at")}
    return tuple(sorted(edge for edge in edges if edge is not None))


def _lists(pack: Pack, entries: Sequence[Mapping[str, object]]) -> Callable[[Micros | None], ListValues]:
    def at(instant: Micros | None) -> ListValues:
        values = {name: set(known) for name, known in pack.list_values.items()}
        for entry in entries if instant is not None else ():
            if instant is not None and _in_force(entry, instant):
                values.setdefault(str(entry["list"]), set()).add(str(entry["value"]))
        return {name: frozenset(known) for name, known in values.items()}

    return at


def _in_force(entry: Mapping[str, object], at: Micros) -> bool:
    def before(name: str) -> bool:
        edge = entry[name]
        return isinstance(edge, int) and edge <= at

    return before("added_at") and not before("expires_at") and not before("removed_at")


def account_labels(archive: Path, tenant: str) -> list[tuple[str, str]]:
    """
    Return (account, `abusive` or `honest`) from decided cases; of several the last counts, mere suspicions do not.
    """
    found = _or_none(lambda: read.labels(archive, tenant))
    rows = found.to_pylist() if found is not None else []
    latest: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row["at"], row["label_id"])):
        if row["subject_type"] == "account" and row["certainty"] == "confirmed":
            latest[row["subject"]] = "honest" if row["label"] == "honest" else "abusive"
    return sorted(latest.items())
