"""
How memories are written as bytes and read again: MessagePack in chunks, each with its check sum. Where the chunks are
kept is for others. What they mean is for `compute.py`.

First comes the head, then chunks of few-event memories and chunks of logs, last the number of chunks, so that a
snapshot that was cut short is told from a whole one.
"""

import gc
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from goodsend.features.windows import Few, Log, Needs
from goodsend.kit.clock import Micros

FORMAT = "goodsend windows 2"
_FEW_A_CHUNK = 50_000
_LOGS_A_CHUNK = 2_000
_LOG_EVENTS_A_CHUNK = 200_000

Table = dict[str, "Few | Log"]


class Kept(msgspec.Struct, array_like=True):
    """What the memory of one group means, and what it holds."""

    meaning: str
    needs: Needs
    span: Micros


class Head(msgspec.Struct, array_like=True):
    """The members of a memory beside its tables."""

    plan: str
    groups: list[Kept]
    newest: Micros | None
    late: int
    late_past_horizon: int
    late_horizon: Micros
    format: str = FORMAT
    byteorder: str = sys.byteorder


class _Chunk(msgspec.Struct, array_like=True):
    """Memories of one group, in the order of their keys' first appearance among their form."""

    group: int
    few: dict[str, tuple[Any, ...]]
    logs: dict[str, list[Any]]


class _End(msgspec.Struct, array_like=True):
    chunks: int


_PACK = msgspec.msgpack.Encoder()
_HEAD = msgspec.msgpack.Decoder(Head)
_CHUNK = msgspec.msgpack.Decoder(_Chunk)
_END = msgspec.msgpack.Decoder(_End)


def write(head: Head, tables: Sequence[Table]) -> Iterator[bytes]:
    """Yield a snapshot chunk by chunk. The tables may not change meanwhile."""
    yield _sealed(b"H", head)
    count = 0
    for chunk in _chunks(tables):
        yield _sealed(b"C", chunk)
        count += 1
    yield _sealed(b"E", _End(count))


def _chunks(tables: Sequence[Table]) -> Iterator[_Chunk]:
    for group, table in enumerate(tables):
        few = ((key, memory) for key, memory in table.items() if not isinstance(memory, Log))
        while part := dict(islice(few, _FEW_A_CHUNK)):
            yield _Chunk(group, part, {})
        logs: dict[str, list[Any]] = {}
        size = 0
        for key, memory in table.items():
            if isinstance(memory, Log):
                logs[key] = memory.dump()
                size += len(memory.times)
                if len(logs) >= _LOGS_A_CHUNK or size >= _LOG_EVENTS_A_CHUNK:
                    yield _Chunk(group, {}, logs)
                    logs, size = {}, 0
        if logs:
            yield _Chunk(group, {}, logs)


def _sealed(sort: bytes, said: object) -> bytes:
    body = sort + _PACK.encode(said)
    return zlib.crc32(body).to_bytes(4, "big") + body


def _opened(chunk: bytes) -> bytes:
    body = bytes(chunk[4:])
    if not body or zlib.crc32(body) != int.from_bytes(chunk[:4], "big"):
        raise ValueError("a chunk is broken")
    return body


def read(
    chunks: Iterable[bytes], chosen: Callable[[Head], "list[Needs] | None"], tables: "list[Table | None]"
) -> Head | None:
    """
    Fill tables from a snapshot and return its head; None when it is broken, cut short, or of another format.

    `chosen` is asked with the head: it fills `tables` (None: not wanted) and returns each group's needs, or None to
    refuse. The collector of garbage is held meanwhile: it would look at every new object again and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return _read(iter(chunks), chosen, tables)
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError):
        return None
    finally:
        if was_on:
            gc.enable()


def _read(
    chunks: Iterator[bytes], chosen: Callable[[Head], "list[Needs] | None"], tables: "list[Table | None]"
) -> Head | None:
    first = _opened(next(chunks, b""))
    if first[:1] != b"H":
        return None
    head = _HEAD.decode(first[1:])
    if head.format != FORMAT or head.byteorder != sys.byteorder:
        return None
    needs = chosen(head)
    if needs is None:
        return None
    count = 0
    for sealed in chunks:
        body = _opened(sealed)
        if body[:1] == b"E":
            return head if _END.decode(body[1:]).chunks == count and next(chunks, None) is None else None
        count += 1
        chunk = _CHUNK.decode(body[1:])
        table = tables[chunk.group]
        if table is None:
            continue
        table.update(chunk.few)
        for key, dumped in chunk.logs.items():
            table[key] = Log.load(needs[chunk.group], dumped)
    return None
