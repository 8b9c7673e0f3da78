"""
Ids that follow from what they name. Chance has no place in the core: replaying an event gives the same decision id.
"""

import hashlib
from typing import Final

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Base32 (RFC 4648 section 6) ten bits at a time: the standard library's takes longer than the digest."""
_SHIFTS: Final = tuple(range(120, -1, -10))


def derived_id(prefix: str, *parts: str) -> str:
    """
    Return `prefix_` and 26 characters that follow from the parts alone: 128 bits of SHA-256, base32, lower case.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    raws = [part.encode("utf-8", "surrogatepass") for part in parts]
    digest = hashlib.sha256(b"".join([len(raw).to_bytes(8, "big") + raw for raw in raws])).digest()
    number = int.from_bytes(digest[:16], "big") << 2
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


def digest_of(body: bytes) -> str:
    """Return `sha256:` and the hexadecimal digest: the name under which content is kept once."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
