"""Files and folders as content: what is taken for what, and what cannot be read."""

import gzip
import lzma
import os
from pathlib import Path

import pytest

from goodsend.kit.errors import Misconfigured, Rejection
from goodsend.sources.scan_files import Found, list_files, read_file


def found_in(path: Path, size_bytes: int = 1_000) -> list[tuple[str, str, bytes]]:
    """(name, media type, body) of what a file holds; the code in place of the type for a Rejection."""
    return [
        (Path(found.path).name, found.content.media_type, found.content.body)
        if isinstance(found, Found)
        else (Path(found.place).name, found.code, b"")
        for found in read_file(path, size_bytes)
    ]


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("a.eml", b"anything", "message/rfc822"),
        ("00012.7f3a", b"Received: x\nSubject: y\n\nz", "message/rfc822"),
        ("00013", b"no headers, no ending", "message/rfc822"),
        ("a.txt", b"Your parcel: see x.example", "text/plain"),
        ("a.txt", b"From: a@b.example\nSubject: y\n\nz", "message/rfc822"),
        ("a.txt", b"Note: bring milk\nDate: tomorrow", "text/plain"),
        ("a.html", b"x", "text/html"),
        ("page", b"\n<!DOCTYPE html><p>x", "text/html"),
        ("empty", b"", "message/rfc822"),
    ],
)
def test_what_a_file_is(tmp_path: Path, name: str, body: bytes, media_type: str) -> None:
    """The ending decides, and where it says nothing the first bytes do; when in doubt it is a mail."""
    path = tmp_path / name
    path.write_bytes(body)

    assert found_in(path) == [(name, media_type, body)]


def test_folders_are_walked_in_order_without_circles(tmp_path: Path) -> None:
    """Everything below a folder, sorted; hidden names and links to folders are left out."""
    for name in ("b/2.eml", "b/1.eml", "a.eml", ".git/x", "b/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "b" / "circle").symlink_to(tmp_path)

    listed = [str(path.relative_to(tmp_path)) for path in list_files([tmp_path])]

    assert listed == ["a.eml", "b/1.eml", "b/2.eml"]


def test_a_path_that_does_not_exist_is_the_callers_mistake(tmp_path: Path) -> None:
    """The command is wrong, so it stops at once."""
    with pytest.raises(Misconfigured):
        list_files([tmp_path / "nothing"])


def test_only_so_much_of_a_file_is_read(tmp_path: Path) -> None:
    """One byte more than the limit, so that the scanner sees and notes the cut."""
    path = tmp_path / "big.eml"
    path.write_bytes(b"x" * 10_000)

    assert [len(body) for _, _, body in found_in(path, 100)] == [101]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.xz"])
def test_tables_of_texts_give_one_content_a_row(tmp_path: Path, ending: str) -> None:
    """Fields may hold line breaks; the name says which row it was."""
    table = b'label,Text\nham,"hello, you\nthere"\nspam,win\n'
    path = tmp_path / f"sms{ending}"
    path.write_bytes({".csv": bytes, ".csv.gz": gzip.compress, ".csv.xz": lzma.compress}[ending](table))

    assert found_in(path) == [
        (f"sms{ending}:1", "text/plain", b"hello, you\nthere"),
        (f"sms{ending}:2", "text/plain", b"win"),
    ]


def test_a_table_without_texts_is_one_text_with_a_note(tmp_path: Path) -> None:
    """A table of labels beside mails is no error; its note says how it was read."""
    path = tmp_path / "labels.csv"
    path.write_text("path,label\na,ham\n")

    (found,) = read_file(path, 1_000)

    assert isinstance(found, Found)
    assert (found.content.media_type, found.notes) == (
        "text/plain",
        ("a table without a column text, read as one text",),
    )


def test_what_cannot_be_read_is_a_rejection_and_the_rest_is_kept(tmp_path: Path) -> None:
    """Broken compression, an endless field, a pipe and a dangling link each name themselves."""
    cut = tmp_path / "cut.csv.xz"
    cut.write_bytes(lzma.compress(b"text\nhello\n" + os.urandom(200_000).hex().encode())[:-5_000])
    endless = tmp_path / "endless.csv"
    endless.write_text('text\nfine\n"' + "x" * 200_000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    dangling = tmp_path / "dangling.eml"
    dangling.symlink_to(tmp_path / "nothing")

    assert found_in(cut)[0] == ("cut.csv.xz:1", "text/plain", b"hello")
    assert found_in(cut)[-1][1] == "broken_table"
    assert [code for _, code, _ in found_in(endless)] == ["text/plain", "broken_table"]
    assert found_in(pipe) == [("pipe", "not_a_file", b"")]
    assert [code for _, code, _ in found_in(dangling)] == ["unreadable"]
    assert all(isinstance(one, Rejection) and one.reason for one in read_file(dangling, 10))


def test_names_of_any_bytes_can_be_shown(tmp_path: Path) -> None:
    """A name that is no UTF-8 is shown with escapes, so that it can be printed and encoded."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.eml"))
    path.write_bytes(b"x")

    assert found_in(path)[0][0] == "\\xff.eml"
