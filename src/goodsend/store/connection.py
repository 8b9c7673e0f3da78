"""
Connections that speak the house's types: times are `Micros` both ways, JSON goes in as bytes and comes out decoded.

What is read and written through them lives in the other files of the store.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzLoader
from psycopg_pool import ConnectionPool

from goodsend.kit.clock import SECOND, Micros, to_datetime, to_micros

Connection = psycopg.Connection[tuple[Any, ...]]
Pool = ConnectionPool[Connection]
T = TypeVar("T")
Asked = Callable[[], T]
"""The answer of a question that was sent: calling it waits. In a pipeline many questions wait together."""

TEXT: Final = 25
TEXT_ARRAY: Final = 1009
TIMESTAMPTZ: Final = 1184
JSONB: Final = 3802
_POSTGRES_EPOCH: Final[Micros] = 946_684_800 * SECOND
"""2000-01-01 in microseconds since 1970: where the binary form of `timestamptz` counts from."""

_PACK = struct.Struct("!q")


class At:
    """A `Micros` as a parameter for a `timestamptz`. Not a kind of int, because lists of those become `bigint[]`."""

    __slots__ = ("micros",)

    def __init__(self, micros: Micros) -> None:
        self.micros = micros

    @staticmethod
    def of(at: Micros | None) -> "At | None":
        """Return None for None."""
        return None if at is None else At(at)


class Json(bytes):
    """Encoded JSON as a parameter for a `jsonb`; see `jsonable.encode` for what such bytes must not hold."""


class AsText:
    """Bytes that go as text, such as a JSON document that the server reads as `json`."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


class TextArray:
    """Clean texts as a parameter for a `text[]`, written in one go."""

    __slots__ = ("texts",)

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts


class _AsTextDumper(Dumper):
    oid = TEXT

    def dump(self, obj: AsText) -> bytes:
        return obj.raw


class _TextArrayDumper(Dumper):
    oid = TEXT_ARRAY

    def dump(self, obj: TextArray) -> bytes:
        joined = "".join(obj.texts)
        if "\\" in joined or '"' in joined:
            texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in obj.texts]
        else:
            texts = list(obj.texts)
        return ('{"' + '","'.join(texts) + '"}').encode() if texts else b"{}"


class _AtDumper(Dumper):
    oid = TIMESTAMPTZ
    format = Format.BINARY

    def dump(self, obj: At) -> bytes:
        return _PACK.pack(obj.micros - _POSTGRES_EPOCH)


class _AtTextDumper(Dumper):
    oid = TIMESTAMPTZ

    def dump(self, obj: At) -> bytes:
        return to_datetime(obj.micros).isoformat().encode()


class _JsonTextDumper(Dumper):
    oid = JSONB

    def dump(self, obj: bytes) -> bytes:
        return obj


class _JsonDumper(Dumper):
    oid = JSONB
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return b"\x01" + obj


class _AtBinaryLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        micros: int = _PACK.unpack(data)[0]
        return micros + _POSTGRES_EPOCH


class _AtTextLoader(TimestamptzLoader):
    def load(self, data: Buffer) -> Any:
        return to_micros(super().load(data))


class _JsonBinaryLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        return msgspec.json.decode(bytes(data)[1:])


class _JsonTextLoader(Loader):
    def load(self, data: Buffer) -> Any:
        return msgspec.json.decode(data)


def configure(connection: Connection) -> None:
    """Teach a connection the types above, and UTC."""
    adapters = connection.adapters
    # Alone they go in binary, which is registered last and so preferred; within arrays as text.
    adapters.register_dumper(AsText, _AsTextDumper)
    adapters.register_dumper(TextArray, _TextArrayDumper)
    adapters.register_dumper(At, _AtTextDumper)
    adapters.register_dumper(Json, _JsonTextDumper)
    adapters.register_dumper(At, _AtDumper)
    adapters.register_dumper(Json, _JsonDumper)
    adapters.register_loader(TIMESTAMPTZ, _AtTextLoader)
    adapters.register_loader(TIMESTAMPTZ, _AtBinaryLoader)
    adapters.register_loader(JSONB, _JsonTextLoader)
    adapters.register_loader(JSONB, _JsonBinaryLoader)
    if connection.info.parameter_status("TimeZone") != "UTC":
        before, connection.autocommit = connection.autocommit, True
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = before


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Open one connection. Raises psycopg.OperationalError when the server cannot be reached."""
    connection = psycopg.connect(url, autocommit=autocommit)
    configure(connection)
    return connection


def open_pool(url: str, *, size: int = 10, wait_s: float = 30.0) -> Pool:
    """Open a pool of at most `size` connections, two of them at once. Raises psycopg_pool.PoolTimeout."""
    pool = ConnectionPool(url, min_size=min(2, size), max_size=size, configure=configure, open=False, name="goodsend")
    try:
        pool.open(wait=True, timeout=wait_s)
    except BaseException:
        pool.close()
        raise
    return pool
