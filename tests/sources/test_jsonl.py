"""JSON lines: whatever the input, each line is a line or a Rejection, and memory stays bounded."""

import gzip
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from goodsend.kit.errors import Rejection
from goodsend.sources.jsonl import LineLimits, lines_of, read_lines

LIMITS = LineLimits(line_bytes=1_000, ratio=100, ratio_free_bytes=100_000, kept_bytes=16)
BODY = b'{"id": 1}\n\n  \r\n{"id": 2}\r\n{"id": "\xc3\xbc"}'
EXPECTED = [("line 1", b'{"id": 1}'), ("line 4", b'{"id": 2}'), ("line 5", b'{"id": "\xc3\xbc"}')]


def lines(body: bytes, limits: LineLimits = LIMITS) -> list[tuple[str, bytes] | Rejection]:
    return list(lines_of(io.BytesIO(body), limits))


def told(found: list[tuple[str, bytes] | Rejection]) -> list[tuple[str, str]]:
    return [(line.code, line.place) if isinstance(line, Rejection) else ("ok", line[0]) for line in found]


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b"\xef\xbb\xbf" + BODY,
        gzip.compress(BODY),
        gzip.compress(BODY[:12]) + gzip.compress(BODY[12:]) + b"\0" * 512,
        zstandard.compress(BODY),
        zstandard.compress(BODY[:12]) + zstandard.compress(BODY[12:]),
        b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstandard.compress(BODY),
    ],
    ids=["plain", "with a byte order mark", "gzip", "gzip members", "zstandard", "zstandard frames", "skippable frame"],
)
def test_lines_come_out_of_every_form(body: bytes) -> None:
    """The first bytes tell the compression; blank lines are skipped but counted."""
    assert lines(body) == EXPECTED


def test_a_file_is_read_by_what_it_holds_not_by_its_name(tmp_path: Path) -> None:
    """A gzip file under a plain name is still gzip, and progress counts bytes on disk."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(gzip.compress(BODY))
    progress: list[int] = []

    assert list(read_lines(path, on_progress=progress.append)) == EXPECTED
    assert progress == [path.stat().st_size]


def test_standard_input_is_read_as_it_comes() -> None:
    """`-` is standard input."""
    program = "from goodsend.sources.jsonl import read_lines; print(list(read_lines('-')))"
    done = subprocess.run([sys.executable, "-c", program], input=gzip.compress(BODY), capture_output=True, check=True)

    assert done.stdout.decode().strip() == str(EXPECTED)


def test_an_empty_input_has_no_lines() -> None:
    """Nothing in, nothing out."""
    assert (lines(b""), lines(gzip.compress(b"")), lines(b"\n\n")) == ([], [], [])


def test_a_line_that_is_too_long_is_rejected_and_the_rest_read() -> None:
    """Its place and size are told, its beginning kept."""
    found = lines(b"a\n" + b"x" * 5_000 + b"\nb\n")

    assert told(found) == [("ok", "line 1"), ("too_big", "line 2"), ("ok", "line 3")]
    assert isinstance(found[1], Rejection)
    assert (found[1].raw, "5,000 bytes" in found[1].reason) == (b"x" * 16, True)


def test_a_line_that_is_not_utf8_is_rejected_and_the_rest_read() -> None:
    """The byte is told, the line kept."""
    found = lines(b'a\n{"x": "\xff"}\nb')

    assert told(found) == [("ok", "line 1"), ("bad_encoding", "line 2"), ("ok", "line 3")]
    assert isinstance(found[1], Rejection)
    assert found[1].raw == b'{"x": "\xff"}'


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_truncated_input_keeps_what_was_read(compress: object) -> None:
    """Whole lines before the break are kept, the half line and the break are told."""
    body = b"".join(b'{"id": "%s"}\n' % os.urandom(20).hex().encode() for _ in range(20_000))
    whole = lines(compress(body))  # type: ignore[operator]
    found = lines(compress(body)[:-1_000])  # type: ignore[operator]

    assert isinstance(found[-1], Rejection)
    assert (found[-1].code, len(whole)) == ("truncated", 20_000)
    kept = [line for line in found if not isinstance(line, Rejection)]
    assert kept == whole[: len(kept)]
    assert len(kept) > 10_000


def test_damaged_compression_is_told() -> None:
    """What looked like gzip and is not ends in a Rejection."""
    assert told(lines(b"\x1f\x8bnonsense")) == [("broken_compression", "at the start")]
    assert told(lines(gzip.compress(b"a\n") + b"tail")) == [("ok", "line 1"), ("broken_compression", "after line 1")]
    assert told(lines(b"\x28\xb5\x2f\xfd\x28\x01\x00\x00\x00\x00")) == [("broken_compression", "at the start")]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("unit", [b"\0", b"{}" + b" " * 97 + b"\n"], ids=["one line", "many lines"])
def test_a_bomb_is_stopped_in_bounded_memory(compress: object, unit: bytes) -> None:
    """A small file that grows without end is left after its ratio is plain."""
    bomb = compress(unit * (100_000_000 // len(unit)))  # type: ignore[operator]
    tracemalloc.start()
    count, last = 0, None
    for found in lines_of(io.BytesIO(bomb), LIMITS):
        count, last = count + 1, found
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(last, Rejection)
    assert last.code == "zip_bomb"
    assert peak < 60_000_000
    assert count < 300_000


def test_the_whole_has_a_limit() -> None:
    """An input without end is left at its limit, with what came before."""
    found = lines(b"a\n" * 10, LineLimits(total_bytes=8))

    assert told(found)[-1] == ("too_big", "at the start")


@given(st.binary(max_size=300), st.integers(0, 2))
def test_no_bytes_raise(body: bytes, form: int) -> None:
    """Whatever comes in, lines and rejections come out."""
    head = (b"", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b"\x28\xb5\x2f\xfd")[form]

    assert all(isinstance(line, (tuple, Rejection)) for line in lines(head + body))


@given(st.lists(st.binary(max_size=20).filter(lambda part: b"\n" not in part), max_size=8), st.integers(1, 30))
def test_pieces_do_not_matter(parts: list[bytes], size: int) -> None:
    """However the stream is cut into pieces, the lines are the same."""

    class Dripping(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            return super().read(min(count or size, size))

    body = b"\n".join(parts)

    assert list(lines_of(Dripping(body), LIMITS)) == lines(body)
