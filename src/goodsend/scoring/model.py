"""
A text model: a table of weights that came as data, and the score it gives to facts. How weights are learned lives in
`train.py`; nothing here reads a file, and a model file can neither run anything nor take more memory than `BITS` allow.

A score says how a text ranks among legitimate ones, not how likely abuse is: that depends on what is sent through the
platform. Of the legitimate texts held out in training at most about 2 % score 900 or more, 1 % 950, 0.1 % 990.
"""

import base64
import binascii
import hashlib
import math
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate, pairwise

import msgspec

from goodsend.facts import Fact, Facts, FactType
from goodsend.kit.errors import Problem
from goodsend.scoring.tokens import TOKENS, hashes_of, named_hashes, text_of, words_of

FORMAT = "goodsend-text-model/1"
FILE_BYTES = 400_000
"""A model file may be this large; what ships inside the package is to stay small."""
BITS = range(10, 21)
"""Allowed sizes of the weight table, as powers of two: at most one mebibyte of memory each."""
KNOTS = range(2, 65)
"""Allowed numbers of points in a calibration table."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A model as it lies in a pack: JSON, nothing but numbers and names.

    `gaps` are distances between the used cells of the table (unsigned 16 bits, little-endian), `weights` their values
    (signed 8 bits, in steps of `step`), both base64. `calibration` pairs a raw sum with a score, both ascending.
    """

    format: str
    name: str
    doc: str
    channels: list[str]
    tokens: str
    bits: int
    bias: float
    step: float
    calibration: list[tuple[float, int]]
    gaps: str
    weights: str


class Model(msgspec.Struct, frozen=True):
    """
    One linear text model, ready to score. `version` is a digest of its file; `channels` are those it was made for.

    `table` holds one weight per cell, in steps of `step`; a word's cell is its hash modulo the table's length.
    """

    name: str
    version: str
    doc: str
    channels: frozenset[str]
    bias: float
    step: float
    table: "array[int]"
    raws: tuple[float, ...]
    scores: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.version!r})"  # a mebibyte of weights helps nobody

    def score(self, facts: Facts, channel: str | None) -> int | None:
        """
        Return 0…1000, or None: not this model's channel, no text known, or no word in it that the model knows.

        An unknown script or an empty text is no evidence of innocence, so it gets no score rather than a low one.
        """
        if channel not in self.channels:
            return None
        text = text_of(facts)
        if text is None:
            return None
        raw = self.raw(text)
        return None if raw is None else self.calibrated(raw)

    def raw(self, text: str) -> float | None:
        """Return bias + sum of weights / root of the number of distinct words and pairs; None when none is known."""
        hashes = hashes_of(words_of(text))
        table, mask = self.table, len(self.table) - 1
        weights = [weight for found in hashes if (weight := table[found & mask])]
        if not weights:
            return None
        return self.bias + self.step * sum(weights) / math.sqrt(len(hashes))

    def calibrated(self, raw: float) -> int:
        """Return the score of a raw sum: straight lines between the points of the calibration table."""
        raws, scores = self.raws, self.scores
        right = bisect_right(raws, raw)
        if right == 0:
            return scores[0]
        if right == len(raws):
            return scores[-1]
        low, high = raws[right - 1], raws[right]
        return int(scores[right - 1] + (scores[right] - scores[right - 1]) * (raw - low) / (high - low))

    def explain(self, facts: Facts, limit: int) -> list[tuple[str, float]]:
        """
        Return the words and pairs that moved the score most, with what each added to the raw sum.

        Negative: towards legitimate. Strongest first, at most `limit`; digits appear as `#`. Empty without a text.
        """
        text = text_of(facts)
        if text is None:
            return []
        named: dict[int, str] = {}
        for found, shown in named_hashes(words_of(text)):
            named.setdefault(found, shown)
        share = self.step / math.sqrt(len(named) or 1)
        mask = len(self.table) - 1
        moved = [(shown, self.table[found & mask] * share) for found, shown in named.items()]
        moved.sort(key=lambda pair: (-abs(pair[1]), pair[0]))
        return [pair for pair in moved[:limit] if pair[1]]


def model_facts(models: Iterable[Model]) -> list[Fact]:
    """Return the `m.` columns of the catalogue."""
    return [
        Fact(
            name=f"m.{model.name}",
            type=FactType.INTEGER,
            doc=f"{model.doc}; a rank among legitimate messages: at most about 2 % reach 900, 1 % 950, 0.1 % 990",
            unit="0…1000",
        )
        for model in models
    ]


def parse_model(body: bytes) -> Model | Problem:
    """Read a model file; every way in which a file can be wrong is a Problem, none an exception."""
    if len(body) > FILE_BYTES:
        return Problem("", f"is {len(body)} bytes long; a model may have {FILE_BYTES}")
    try:
        file = msgspec.json.decode(body, type=ModelFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Problem("", f"is not a model file: {error}")
    fault = _fault(file)
    if fault is not None:
        return fault
    table = _table(file)
    if isinstance(table, Problem):
        return table
    return Model(
        name=file.name,
        version=hashlib.sha256(body).hexdigest()[:16],
        doc=file.doc,
        channels=frozenset(file.channels),
        bias=file.bias,
        step=file.step,
        table=table,
        raws=tuple(raw for raw, _ in file.calibration),
        scores=tuple(score for _, score in file.calibration),
    )


def _fault(file: ModelFile) -> Problem | None:
    if file.format != FORMAT:
        return Problem("format", f"is {file.format[:80]!r}", f"this version reads {FORMAT!r}")
    if file.tokens != TOKENS:
        return Problem(
            "tokens", f"is {file.tokens[:80]!r}", f"train the model again: this version cuts texts as {TOKENS!r}"
        )
    if not _NAME.fullmatch(file.name):
        return Problem("name", f"is {file.name[:80]!r}", "lower-case letters, digits and _, at most 48, a letter first")
    if not 0 < len(file.doc) <= 500:
        return Problem("doc", "says in one sentence what the score means, in at most 500 characters")
    if not 0 < len(file.channels) <= 16 or not all(_NAME.fullmatch(channel) for channel in file.channels):
        return Problem("channels", "names 1 to 16 channels such as 'email'")
    if file.bits not in BITS:
        return Problem("bits", f"is {file.bits}", f"from {BITS.start} to {BITS.stop - 1}")
    if (
        not math.isfinite(file.bias)
        or not math.isfinite(file.step)
        or not 0 < file.step <= 1000
        or abs(file.bias) > 1e6
    ):
        return Problem("step", "bias and step are plain finite numbers, step above 0 and at most 1000")
    return _calibration_fault(file.calibration)


def _calibration_fault(calibration: list[tuple[float, int]]) -> Problem | None:
    if len(calibration) not in KNOTS:
        return Problem("calibration", f"has {len(calibration)} points", f"from {KNOTS.start} to {KNOTS.stop - 1}")
    if not all(math.isfinite(raw) and abs(raw) <= 1e9 and 0 <= score <= 1000 for raw, score in calibration):
        return Problem("calibration", "pairs a finite number with a score from 0 to 1000")
    if not all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(calibration)):
        return Problem("calibration", "must ascend: a higher sum may never give a lower score")
    return None


def _table(file: ModelFile) -> "array[int] | Problem":
    try:
        gaps = base64.b64decode(file.gaps, validate=True)
        weights = array("b", base64.b64decode(file.weights, validate=True))
    except (binascii.Error, ValueError) as error:
        return Problem("weights", f"gaps and weights are base64: {error}")
    if len(gaps) != 2 * len(weights):
        return Problem(
            "weights", f"has {len(weights)} values, but gaps has {len(gaps)} bytes where {2 * len(weights)} fit"
        )
    cells = list(accumulate(low | high << 8 for low, high in zip(gaps[::2], gaps[1::2], strict=True)))
    size = 1 << file.bits
    if cells and cells[-1] >= size:
        return Problem("gaps", f"reaches cell {cells[-1]} of a table of {size}")
    if any(low == high for low, high in pairwise(cells)):
        return Problem("gaps", "names a cell twice")
    table = array("b", bytes(size))
    for cell, weight in zip(cells, weights, strict=True):
        table[cell] = weight
    return table
