"""
Ids that follow from what they name. Chance has no place in the core: replaying an event gives the same decision id.
"""

import hashlib
import struct
from typing import Final

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_P: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Base32 (RFC 4648 section 6) ten bits at a time: the standard library's takes longer than the digest."""
_LENGTHS: Final = tuple(length.to_bytes(8, "big") for length in range(256))
_halves: Final = struct.Struct(">QQ").unpack_from


def derived_id(prefix: str, *parts: str) -> str:
    """
    Return `prefix_` and 26 characters that follow from the parts alone: 128 bits of SHA-256, base32, lower case.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    said = b""
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        length = len(raw)
        said += (_LENGTHS[length] if length < 256 else length.to_bytes(8, "big")) + raw
    high, low = _halves(hashlib.sha256(said).digest())
    low = (high & 15) << 66 | low << 2  # 60 bits before, 70 from here on, the last two of them zero
    # Written out: with every event at least one is made, and a loop takes twice as long.
    return (
        f"{prefix}_{_P[high >> 54]}{_P[high >> 44 & 1023]}{_P[high >> 34 & 1023]}{_P[high >> 24 & 1023]}"
        f"{_P[high >> 14 & 1023]}{_P[high >> 4 & 1023]}{_P[low >> 60]}{_P[low >> 50 & 1023]}{_P[low >> 40 & 1023]}"
        f"{_P[low >> 30 & 1023]}{_P[low >> 20 & 1023]}{_P[low >> 10 & 1023]}{_P[low & 1023]}"
    )


def digest_of(body: bytes) -> str:
    """Return `sha256:` and the hexadecimal digest: the name under which content is kept once."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
