"""
JSON lines from a file or standard input, plain or compressed (gzip, Zstandard). One line at a time, in bounded memory;
what a line means is the canonicaliser's business.

Whatever is wrong with the input becomes a Rejection that names the line, and what could be read before it is kept.
"""

import io
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
import zstandard

from goodsend.kit.errors import Rejection
from goodsend.kit.text import shorten

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a first byte 0x50…0x5f, RFC 8878 section 3.1.2
_CHUNK = 262_144
_BOM = b"\xef\xbb\xbf"
_PROGRESS_BYTES = 1_048_576


class LineLimits(msgspec.Struct, frozen=True):
    """
    How much one input may hold; own starting values.

    `ratio` is the most bytes one compressed byte may become, beyond `ratio_free_bytes` that any input may have: JSON
    lines compress by 10 to 50, a bomb by 1,000 and more (zlib's most is 1,032). `kept_bytes` of a bad line are kept.
    """

    line_bytes: int = 64_000_000
    total_bytes: int = 1_000_000_000_000
    ratio: int = 400
    ratio_free_bytes: int = 64_000_000
    window_bytes: int = 128_000_000
    kept_bytes: int = 65_536


class _Stop(Exception):  # noqa: N818 - never leaves this module
    """The stream cannot be read on; carries the Rejection's code, reason and hint."""

    def __init__(self, code: str, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint


class _Inflater(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield decoded pieces of bounded size."""

    def finish(self) -> None:
        """Raise _Stop when the input ended in the middle."""


def read_lines(
    path: str | Path,
    limits: LineLimits = LineLimits(),  # noqa: B008 - frozen
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, bytes] | Rejection]:
    """
    Yield (`line N`, bytes without line end) for every line that is not blank, or a Rejection in its place.

    `path` is a file, or `-` for standard input. `on_progress` is told the bytes read so far, as they lie on disk.
    Raises OSError when the file cannot be opened or read.
    """
    if str(path) == "-":
        yield from lines_of(sys.stdin.buffer, limits, on_progress)
        return
    with Path(path).open("rb") as stream:
        yield from lines_of(stream, limits, on_progress)


def lines_of(
    stream: BinaryIO,
    limits: LineLimits = LineLimits(),  # noqa: B008
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, bytes] | Rejection]:
    """Yield the lines of an open stream; see `read_lines`."""
    splitter = _Splitter(limits)
    try:
        for piece in _decoded(stream, limits, on_progress):
            yield from splitter.feed(piece)
    except _Stop as stop:
        yield from splitter.finish(cut=True)
        place = f"after line {splitter.number}" if splitter.number else "at the start"
        yield Rejection(stop.code, place, stop.reason, stop.hint)
        return
    yield from splitter.finish(cut=False)


# -- lines ------------------------------------------------------------------------------------------------------------


class _Splitter:
    """Cuts pieces into lines; `number` is that of the last line begun. Holds at most one line within its limit."""

    def __init__(self, limits: LineLimits) -> None:
        self.number = 0
        self._limits = limits
        self._parts: list[bytes] = []
        self._held = 0
        self._skipped = 0

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes] | Rejection]:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._hold(piece[start:end])
            found = self._line()
            if found is not None:
                yield found
            start = end + 1
        self._hold(piece[start:])

    def finish(self, *, cut: bool) -> Iterator[tuple[str, bytes] | Rejection]:
        """Yield the last line, which has no end; `cut`: the stream broke off, so the line may be half a line."""
        if not self._held and not self._skipped:
            return
        found = self._line()
        if cut and isinstance(found, tuple):
            place, line = found
            reason = "The line is cut off, because the input could not be read on."
            found = Rejection("truncated", place, reason, None, None, line[: self._limits.kept_bytes])
        if found is not None:
            yield found

    def _hold(self, part: bytes) -> None:
        if self._skipped or self._held + len(part) > self._limits.line_bytes:
            room = max(0, self._limits.kept_bytes - self._held)
            if not self._skipped:
                self._parts = [b"".join(self._parts)[: self._limits.kept_bytes], part[:room]]
            self._skipped += len(part)
            return
        if part:
            self._parts.append(part)
            self._held += len(part)

    def _line(self) -> tuple[str, bytes] | Rejection | None:
        self.number += 1
        line = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        size, skipped = self._held + self._skipped, self._skipped
        self._parts, self._held, self._skipped = [], 0, 0
        place = f"line {self.number}"
        if skipped:
            reason = f"The line has {size:,} bytes; {self._limits.line_bytes:,} are the most."
            return Rejection("too_big", place, reason, "send large content by its digest", None, line)
        if self.number == 1:
            line = line.removeprefix(_BOM)
        line = line.strip(b" \t\r\n\x0b\x0c")
        if not line:
            return None
        if not line.isascii():
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"The line is not UTF-8: byte {error.start} of it belongs to no character."
                kept = line[: self._limits.kept_bytes]
                return Rejection("bad_encoding", place, reason, "write the file as UTF-8", None, kept)
        return place, line


# -- bytes ------------------------------------------------------------------------------------------------------------


def _decoded(stream: BinaryIO, limits: LineLimits, on_progress: Callable[[int], None] | None) -> Iterator[bytes]:
    taken = given = told = 0
    inflater: _Inflater | None = None
    first = True
    while chunk := stream.read1(_CHUNK) if isinstance(stream, io.BufferedReader) else stream.read(_CHUNK):
        if first:
            while len(chunk) < 4 and (more := stream.read(4 - len(chunk))):
                chunk += more
            inflater = _inflater_for(chunk, limits)
            first = False
        taken += len(chunk)
        if on_progress is not None and taken - told >= _PROGRESS_BYTES:
            told = taken
            on_progress(taken)
        for piece in inflater.feed(chunk) if inflater is not None else (chunk,):
            given += len(piece)
            if inflater is not None and given > limits.ratio_free_bytes and given > taken * limits.ratio:
                reason = f"The compressed input grows by more than {limits.ratio} times; reading stopped."
                raise _Stop("zip_bomb", reason, "send it uncompressed, or in parts")
            if given > limits.total_bytes:
                raise _Stop("too_big", f"The input has more than {limits.total_bytes:,} bytes; reading stopped.")
            yield piece
    if inflater is not None:
        inflater.finish()
    if on_progress is not None and told != taken:
        on_progress(taken)


def _inflater_for(head: bytes, limits: LineLimits) -> "_Inflater | None":
    """The first bytes decide, not the name: files are renamed, pipes have no name."""
    if head[:2] == _GZIP:
        return _Gzip()
    if head[:4] == _ZSTD or (head[1:4] == _ZSTD_SKIPPABLE and 0x50 <= head[0] <= 0x5F):
        return _Zstandard(limits)
    return None


class _Gzip:
    """One or more gzip members in a row (RFC 1952 section 2.2); zeros after the last one are padding."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False  # a piece as large as allowed: more of it may wait inside the decompressor
        while data or full:
            if self._member is None:
                data = data.lstrip(b"\0") if self._members else data
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
                self._members += 1
            try:
                piece = self._member.decompress(data, _CHUNK)
            except zlib.error:
                raise _Stop("broken_compression", "The gzip data is damaged; reading stopped.") from None
            data = self._member.unconsumed_tail
            full = len(piece) == _CHUNK
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                full = False
            if piece:
                yield piece

    def finish(self) -> None:
        if self._member is not None:
            raise _Stop("truncated", "The gzip data ends in the middle; what was read is kept.", "send the rest again")


class _Zstandard:
    """One or more Zstandard frames in a row, each with a window within the limit (RFC 8878 section 3.1.1.1.2)."""

    def __init__(self, limits: LineLimits) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes)
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        # The object form gives all output of one call at once, so it is fed little: one byte can become 128 kB at most,
        # a block's size, and a block needs at least four bytes.
        for start in range(0, len(data), _SIP):
            yield from self._sip(data[start : start + _SIP])

    def _sip(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._frame is None:
                self._frame = self._context.decompressobj()
            try:
                piece = self._frame.decompress(data)
            except zstandard.ZstdError as error:
                reason = "The Zstandard data is damaged, or needs more memory than allowed; reading stopped."
                raise _Stop("broken_compression", reason, shorten(str(error), 200)) from None
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data
                self._frame = None
            if piece:
                yield piece

    def finish(self) -> None:
        if self._frame is not None:
            reason = "The Zstandard data ends in the middle; what was read is kept."
            raise _Stop("truncated", reason, "send the rest again")


_SIP = 256
