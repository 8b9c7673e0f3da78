"""Standings and moves. Which move applies when is data in `packs/*/standing.toml`."""

import msgspec

from goodsend.kit.clock import Micros

STANDINGS = ("applicant", "vetted", "warming", "good", "watch", "rehab", "restricted", "suspended", "terminated")
"""The sender's life in order; concepts.md explains each."""


class Move(msgspec.Struct, frozen=True):
    """One step from a standing to another, with the reason an account holder may read, at event time."""

    account: str
    before: str
    after: str
    at: Micros
    reason: str
    because: str
