"""
Streams of chance: one `Random` for each purpose, derived from the seed and names alone. No clock, no global chance.

Every account, day and campaign draws from its own stream, so adding accounts or days changes nothing that was there.
"""

import hashlib
import math
from random import Random


def stream(seed: int, *names: str | int) -> Random:
    """Return the stream that belongs to these names under this seed; the same names give the same stream."""
    key = "\x1f".join((str(seed), *map(str, names)))
    return Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big"))  # noqa: S311 - play, not secrets


def successes(random: Random, trials: int, chance: float) -> int:
    """Return how many of `trials` succeed: exact up to 200, by Poisson or normal approximation above."""
    if trials <= 0 or chance <= 0:
        return 0
    mean = trials * chance
    if trials <= 200:
        return sum(random.random() < chance for _ in range(trials))
    if mean > 30:
        return min(trials, max(0, round(random.gauss(mean, math.sqrt(mean * (1 - chance))))))
    return min(trials, _poisson(random, mean))


def _poisson(random: Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def token(random: Random, length: int = 10) -> str:
    """Return lower-case hexadecimal text, as opaque ids have."""
    return f"{random.getrandbits(4 * length):0{length}x}"
