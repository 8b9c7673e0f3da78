"""
Ids that follow from what they name. Chance has no place in the core: replaying an event gives the same decision id.
"""

import base64
import hashlib


def derived_id(prefix: str, *parts: str) -> str:
    """
    Return `prefix_` and 26 characters that follow from the parts alone: 128 bits of SHA-256, base32, lower case.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    text = base64.b32encode(digest.digest()[:16]).decode("ascii").rstrip("=").lower()
    return f"{prefix}_{text}"


def digest_of(body: bytes) -> str:
    """Return `sha256:` and the hexadecimal digest: the name under which content is kept once."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
