"""
Learn a text model from labelled texts and write it as a model file. No corpus is named here and no file is read.

Needs the extra `train`. NumPy, SciPy and scikit-learn are imported where they are used, so that the commands start fast
and without them. The same samples, recipe and seed give the same bytes (with the same versions of those libraries).
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from goodsend.kit.errors import Misconfigured, Problem
from goodsend.scoring.model import FORMAT, Model, ModelFile, parse_model
from goodsend.scoring.tokens import TEXT_LIMIT, TOKENS, hashes_of, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS, _BANDS = 3, 16
"""Min-hash bands: two texts with half their words and pairs in common meet with a probability of 0.88."""
_ALIKE = 0.5
_ENOUGH = 250
"""A corpus is left out whole for the calibration only with so many texts; fewer would bend the scale by chance."""
_FEWEST = 5
"""A share of ham is read off a corpus only where at least this many of its texts lie above."""


class Sample(msgspec.Struct, frozen=True):
    """
    One labelled text, as a scanner would give it to the model: subject and text in one.

    `corpus` is where it comes from (what is left out in a test across corpora), `part` a finer origin within it.
    """

    corpus: str
    part: str
    abuse: bool
    text: str


HeldOut = list[tuple[Sample, float | None]]
"""Texts with the raw sum that a model gave which learned from none of them; None where it knew no word."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How one model is made. `levels` pair a share of ham (0…1) with the score that so much of it may reach.

    A word or pair is kept when it occurs in `least_documents` texts and `least_parts` parts (or as many as have abuse),
    and holds no `ignored` word: those tell the year, the person or the mailing list rather than the abuse. `penalty` is
    the C of scikit-learn's logistic regression.
    """

    name: str
    doc: str
    channels: list[str]
    bits: int
    cells: int
    least_documents: int
    least_parts: int
    penalty: float
    folds: int
    levels: list[tuple[float, int]]
    ignored: list[str]
    source: str


class Corpus:
    """Samples cut into words once, with near-duplicates grouped; every training set below is a choice of its rows."""

    def __init__(self, samples: Sequence[Sample], ignored: Collection[str]) -> None:
        import numpy as np  # needed for training only, see the module's docstring
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        self.samples = _without_copies(samples)
        hashes = [_hashes(sample.text) for sample in self.samples]
        self.groups = near_duplicates(hashes)
        sizes = np.array([len(found) for found in hashes])
        flat = np.concatenate([*hashes, np.zeros(0, dtype=np.uint64)])
        self.vocabulary, columns = np.unique(flat, return_inverse=True)
        self.matrix: Any = csr_matrix(
            (np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes), columns, np.concatenate([[0], np.cumsum(sizes)])),
            shape=(len(self.samples), len(self.vocabulary)),
        )
        barred = np.array(sorted(_barred(self.samples, frozenset(ignored))), dtype=np.uint64)
        self.is_allowed: NDArray[np.bool_] = ~np.isin(self.vocabulary, barred)

    def rows(self, *, without: Collection[str] = ()) -> list[int]:
        """Return the rows of all corpora but these."""
        return [row for row, sample in enumerate(self.samples) if sample.corpus not in without]


class Trained(msgspec.Struct, frozen=True):
    """A model file, the model in it, and each training text with its raw sum by a model that saw nothing like it."""

    body: bytes
    model: Model
    held_out: HeldOut


def train(recipe: Recipe, corpus: Corpus, rows: Sequence[int], seed: int) -> Trained:
    """
    Learn from these rows. Folds by group, and corpora left out whole, give held-out sums; those give the calibration.

    Raises Misconfigured when the outcome is no valid model file.
    """
    fold_of = {row: crc32(f"{seed}:{corpus.groups[row]}".encode()) % recipe.folds for row in rows}
    held_out = [
        pair
        for fold in range(recipe.folds)
        for pair in _sums(recipe, corpus, rows, [row for row in rows if fold_of[row] == fold], seed)
    ]
    tries = [held_out]
    for left_out in sorted({corpus.samples[row].corpus for row in rows}):
        outside = [row for row in rows if corpus.samples[row].corpus == left_out]
        left_labels = {corpus.samples[row].abuse for row in set(rows) - set(outside)}
        if len(outside) >= _ENOUGH and len(left_labels) == 2:
            tries.append(_sums(recipe, corpus, rows, outside, seed))
    body = _body(recipe, _fit(recipe, corpus, rows, seed), calibration(tries, recipe.levels))
    return Trained(body, _checked(body), held_out)


def calibration(tries: Iterable[HeldOut], levels: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """
    Return the points (raw sum, score), ascending in both.

    At each level the sum is the highest that any corpus in any try needs to keep its share of ham below: easy ham must
    not make the scale lenient for other ham. A corpus with too few texts for a level has no say in it, and a level that
    would need a lower sum than the one before it is dropped: scores in between follow the straight line.
    """
    every: list[list[float]] = []
    for held_out in tries:
        ham: dict[str, list[float]] = defaultdict(list)
        for sample, raw in held_out:
            if not sample.abuse and raw is not None:
                ham[sample.corpus].append(raw)
        every += [sorted(raws, reverse=True) for raws in ham.values()]
    points = [(round(min(raws[-1] for raws in every), 6), 0)]
    for share, score in sorted(levels, reverse=True):
        able = [raws for raws in every if share * len(raws) >= _FEWEST] or [max(every, key=len)]
        points.append((max(raws[ceil(share * len(raws)) - 1] for raws in able), score))
    points.append((max(*(raw for raw, _ in points), *(raws[0] for raws in every)) + 1, 1000))
    ascending = [points[0]]
    for raw, score in points[1:]:
        if round(raw, 6) > ascending[-1][0]:
            ascending.append((round(raw, 6), score))
    return ascending


def near_duplicates(hashes: "Sequence[NDArray[np.uint64]]") -> list[int]:
    """
    Return for each text the lowest row among those it is like, directly or through others.

    Texts are compared by 48 min-hashes where 3 neighbouring ones agree; alike means half of all agree.
    """
    import numpy as np

    chance = np.random.default_rng(48)
    factors = chance.integers(1, 2**63, size=_ROWS * _BANDS, dtype=np.uint64) | np.uint64(1)
    marks = np.zeros((len(hashes), _ROWS * _BANDS), dtype=np.uint64)
    for row, found in enumerate(hashes):
        if len(found):
            marks[row] = (found[:, None] * factors[None, :] >> np.uint64(32)).min(axis=0)
    group = list(range(len(hashes)))

    def leader(row: int) -> int:
        while group[row] != row:
            group[row] = group[group[row]]
            row = group[row]
        return row

    for band in range(_BANDS):
        first: dict[bytes, int] = {}
        for row in range(len(hashes)):
            key = marks[row, band * _ROWS : (band + 1) * _ROWS].tobytes()
            other = first.setdefault(key, row)
            if other != row and float((marks[row] == marks[other]).mean()) >= _ALIKE:
                low, high = sorted((leader(row), leader(other)))
                group[high] = low
    return [leader(row) for row in range(len(hashes))]


class _Weights(msgspec.Struct, frozen=True):
    bias: float
    cells: "NDArray[np.int64]"
    values: "NDArray[np.float64]"


def _sums(recipe: Recipe, corpus: Corpus, rows: Sequence[int], outside: Sequence[int], seed: int) -> HeldOut:
    """Return the sums of the rows outside, by a model that learned from the others but their near-duplicates."""
    groups = {corpus.groups[row] for row in outside}
    inside = _fit(recipe, corpus, [row for row in rows if corpus.groups[row] not in groups], seed)
    model = _checked(_body(recipe, inside, [(0.0, 0), (1.0, 1000)]))
    return [(corpus.samples[row], model.raw(corpus.samples[row].text)) for row in outside]


def _without_copies(samples: Sequence[Sample]) -> list[Sample]:
    first: dict[tuple[bytes, ...], Sample] = {}
    for sample in samples:
        first.setdefault(tuple(words_of(sample.text[:TEXT_LIMIT])), sample)
    return [sample for words, sample in first.items() if words]


def _hashes(text: str) -> "NDArray[np.uint64]":
    import numpy as np

    return np.array(sorted(hashes_of(words_of(text[:TEXT_LIMIT]))), dtype=np.uint64)


def _barred(samples: Iterable[Sample], ignored: frozenset[str]) -> set[int]:
    """Return the hashes of every word to ignore and of every pair that holds one."""
    raw = {word.encode() for word in ignored}
    barred = {crc32(word) for word in raw}
    for sample in samples:
        words = words_of(sample.text[:TEXT_LIMIT])
        if raw.isdisjoint(words):
            continue
        for before, word in pairwise(words):
            if before in raw or word in raw:
                barred |= hashes_of([before, word]) - {crc32(before), crc32(word)}
    return barred


def _fit(recipe: Recipe, corpus: Corpus, rows: Sequence[int], seed: int) -> _Weights:
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    samples = [corpus.samples[row] for row in rows]
    matrix = corpus.matrix[list(rows)]
    width = len(corpus.vocabulary)
    least = min(recipe.least_parts, len({sample.part for sample in samples if sample.abuse}))
    documents = np.bincount(matrix.indices, minlength=width)
    parts = np.zeros(width, dtype=np.int64)
    for part in sorted({sample.part for sample in samples}):
        inside = [number for number, sample in enumerate(samples) if sample.part == part]
        parts += np.bincount(matrix[inside].indices, minlength=width) > 0
    kept = np.flatnonzero(corpus.is_allowed & (documents >= recipe.least_documents) & (parts >= least))
    kept = kept[np.lexsort((corpus.vocabulary[kept], -documents[kept]))][: recipe.cells]
    cells, place = np.unique(corpus.vocabulary[kept] & np.uint64((1 << recipe.bits) - 1), return_inverse=True)
    merge = csr_matrix((np.ones(len(kept)), (kept, place)), shape=(width, len(cells)))
    labels = np.array([sample.abuse for sample in samples])
    if not len(kept) or labels.all() or not labels.any():
        raise Misconfigured(f"{recipe.name}: too few texts of one kind to learn from, of {len(samples)} in all")
    sizes = Counter((sample.corpus, sample.abuse) for sample in samples)
    shares = np.array([sizes[sample.corpus, sample.abuse] ** -0.5 for sample in samples])
    learner = LogisticRegression(C=recipe.penalty, solver="liblinear", random_state=seed)
    learner.fit(matrix @ merge, labels, sample_weight=shares * len(shares) / shares.sum())
    return _Weights(float(learner.intercept_[0]), cells.astype(np.int64), learner.coef_[0])


def _body(recipe: Recipe, weights: _Weights, points: list[tuple[float, int]]) -> bytes:
    import numpy as np

    step = round(float(np.abs(weights.values).max()) / 127, 8)
    steps = np.rint(weights.values / step).clip(-127, 127).astype(np.int8)
    gaps: list[int] = []
    values: list[int] = []
    last = 0
    for cell, value in zip(weights.cells.tolist(), steps.tolist(), strict=True):
        if not value:
            continue
        while cell - last > 0xFFFF:  # a gap has 16 bits: a cell without weight stands in between
            gaps.append(0xFFFF)
            values.append(0)
            last += 0xFFFF
        gaps.append(cell - last)
        values.append(value)
        last = cell
    file = ModelFile(
        format=FORMAT,
        name=recipe.name,
        doc=recipe.doc,
        channels=recipe.channels,
        tokens=TOKENS,
        bits=recipe.bits,
        bias=round(weights.bias, 6),
        step=step,
        calibration=points,
        gaps=base64.b64encode(np.array(gaps, dtype="<u2").tobytes()).decode(),
        weights=base64.b64encode(np.array(values, dtype=np.int8).tobytes()).decode(),
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def _checked(body: bytes) -> Model:
    model = parse_model(body)
    if isinstance(model, Problem):
        raise Misconfigured("training gave no valid model", [model])
    return model
