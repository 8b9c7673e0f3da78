"""
What PostgreSQL can hold of text and JSON: no NUL, no lone surrogates, no endless keys. One such character would fail a
whole batch, so it is replaced by U+FFFD here, whatever earlier floors promise.
"""

import hashlib
from typing import Any

import msgspec

from goodsend.store.connection import Json

REPLACEMENT = "\ufffd"

KEY_CHARS = 512
KEY_BYTES = 1_200
"""Longest text that goes into an index, as UTF-8: a B-tree takes 2,704 bytes a row, and keys come in pairs."""


def clean(text: str) -> str:
    """Return text that a column can hold."""
    if text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def key(text: str) -> str:
    """Return text that an index can hold: a longer one keeps its beginning and gains a digest of the whole."""
    text = clean(text)
    raw = text.encode()
    if len(text) <= KEY_CHARS and len(raw) <= KEY_BYTES:
        return text
    digest = hashlib.sha256(raw).hexdigest()[:32]
    head = raw[: KEY_BYTES - 33].decode("utf-8", "ignore")  # a character that was cut in two goes as a whole
    return f"{head[: KEY_CHARS - 33]}~{digest}"


def optional_key(text: str | None) -> str | None:
    """Return None for None."""
    return None if text is None else key(text)


_encode = msgspec.json.Encoder().encode


def encode(value: object) -> Json:
    """Return a value as JSON that `jsonb` takes."""
    return Json(json_bytes(value))


def json_bytes(value: object) -> bytes:
    """Return what `encode` does as plain bytes."""
    try:
        raw = _encode(value)
    except UnicodeEncodeError:
        return _encode(_cleaned(msgspec.to_builtins(value)))
    if b"\\u0000" in raw:
        # Also true of a backslash followed by u0000 as plain text, where cleaning changes nothing.
        return _encode(_cleaned(msgspec.to_builtins(value)))
    return raw


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value
