"""Which rows may be near duplicates: MinHash sketches in bulk, and their collisions.

One permutation hashing (Li, Owen, Zhang, 2012): every shingle is hashed once, into one of 128 bins,
and a bin keeps its least hash; an empty bin borrows from the next one that is not (Shrivastava, Li,
2014).  So a row costs a hash for each shingle instead of 128, and numpy does thousands of rows at
once.  Sketches are cut into bands, and rows that agree on a band are candidates (Broder, 1997;
Leskovec et al., chapter 3).  Nothing but integers: the same seed gives the same bits everywhere.

Rows under one question share its shingles, whatever they answer, and so do rows with one answer.
So question and answer have a small sketch of their own each (64 bins of 8 bits: Li, König, 2010),
and candidates of which either hardly overlaps go before anybody looks at their texts.

Memory is 8 bytes a band, and 128 for question and answer, of each row; no text is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ml.data.similarity import SHINGLE_CHARACTERS

BINS = 128
BANDS = 32
BAND_BINS = BINS // BANDS
"""32 bands of 4: rows that share 60 % of their shingles become candidates with probability 0.99."""
NEIGHBOURS_MAX = 16
"""How many earlier rows of the same band are candidates, the latest first."""
SMALL_BINS = 64
ANSWER_MATCHES_MIN = 11
"""Of 64: answers that share 30 % of their shingles, the least that counts, pass in 98 of 100."""
QUESTION_MATCHES_MIN = 15
"""The same of questions that share 40 %, the least that counts."""
SAME_ANSWER_MATCHES_MIN = 29
"""The same of questions that share 65 %, the least that counts under equal answers."""
_BIN_SHIFT = np.uint64(57)
_VALUE_SHIFT = np.uint64(20)
_EMPTY = np.uint64(2**64 - 1)
_POLYNOMIAL = np.uint64(0x100000001B3)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_BORROW = np.uint64(0x9E3779B97F4A7C15)
_PAIRS_AT_ONCE = 16_384
_PADDING = "\0" * (SHINGLE_CHARACTERS - 1)

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Pairs = NDArray[np.int64]


class BandTable:
    """The bands of rows in the order in which they are added."""

    def __init__(self, seed: int) -> None:
        self._seed = np.uint64(seed % 2**64)
        self._bands: list[Words] = []
        self._questions: list[Bytes] = []
        self._answers: list[Bytes] = []

    def add(self, questions: Sequence[str], answers: Sequence[str]) -> None:
        """Sketch a batch of normalised rows; some thousands at once are fastest."""
        both = _sketches([*questions, *answers], self._seed)
        of_answers = both[len(questions) :]
        self._bands.append(_bands(_densified(np.minimum(both[: len(questions)], of_answers))))
        self._questions.append(_small(both[: len(questions)]))
        self._answers.append(_small(of_answers))

    def pairs(self) -> Pairs:
        """Pairs of rows that may be the same, as later * 2**32 + earlier, rising."""
        found = np.empty(0, np.int64)
        if not self._bands:
            return found
        bands, answers = np.concatenate(self._bands), np.concatenate(self._answers)
        questions = self._question_sketches()
        for band in range(BANDS):
            new = [
                _similar(
                    _similar(pairs, answers, ANSWER_MATCHES_MIN), questions, QUESTION_MATCHES_MIN
                )
                for pairs in _collisions(bands[:, band])
            ]
            found = _distinct(np.concatenate([found, *new]))
        return found

    def with_similar_questions(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Whether the questions of each pair are close enough for rows with equal answers."""
        if not len(pairs):
            return np.empty(0, np.bool_)
        return _matches(pairs, self._question_sketches()) >= SAME_ANSWER_MATCHES_MIN

    def _question_sketches(self) -> Bytes:
        self._questions = [np.concatenate(self._questions)]
        return self._questions[0]


def _collisions(keys: Words) -> Iterator[Pairs]:
    """Pairs of rows with the same key, as later * 2**32 + earlier; at most `len(keys)` at once."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    ordered = keys[order]
    for lag in range(1, NEIGHBOURS_MAX + 1):
        same = ordered[lag:] == ordered[:-lag]
        if not same.any():
            break
        yield (order[lag:][same] << 32) | order[:-lag][same]


def _distinct(values: Pairs) -> Pairs:
    """Sorted, each once; `np.unique` hashes, and such pairs are its worst case."""
    ordered = np.sort(values)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(values) else values


def _small(sketch: Words) -> Bytes:
    """The last byte of every other bin."""
    return _densified(sketch)[:, : 2 * SMALL_BINS : 2].astype(np.uint8)


def _matches(pairs: Pairs, sketches: Bytes) -> NDArray[np.intp]:
    """How many bins the two rows of each pair have in common."""
    found = np.empty(len(pairs), np.intp)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = pairs[start : start + _PAIRS_AT_ONCE]
        equal = sketches[part >> 32] == sketches[part & 0xFFFFFFFF]
        found[start : start + len(part)] = np.count_nonzero(equal, axis=1)
    return found


def _similar(pairs: Pairs, sketches: Bytes, matches_min: int) -> Pairs:
    """The pairs with enough bins in common."""
    return pairs[_matches(pairs, sketches) >= matches_min]


def _sketches(texts: Sequence[str], seed: np.uint64) -> Words:
    """The sketches of a batch, 128 values a text; bins may be empty."""
    padded = "".join(text + _PADDING for text in texts)
    points = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    count = len(points) - len(_PADDING)
    hashes = np.zeros(count, np.uint64)
    for offset in range(SHINGLE_CHARACTERS):
        hashes = hashes * _POLYNOMIAL + points[offset : offset + count]
    hashes = _mixed(hashes ^ seed)
    lengths = np.fromiter((len(text) + len(_PADDING) for text in texts), np.int64, len(texts))
    lengths[-1] -= len(_PADDING)
    owners = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    places = owners * BINS + (hashes >> _BIN_SHIFT).astype(np.int64)
    # A shingle that begins in the padding is the row's own, and says how the row ends.
    sketch = np.full(len(texts) * BINS, _EMPTY, np.uint64)
    np.minimum.at(sketch, places, hashes >> _VALUE_SHIFT)
    return sketch.reshape(len(texts), BINS)


def _mixed(values: Words) -> Words:
    """The finaliser of splitmix64."""
    for shift, factor in zip((30, 27), _MIX, strict=True):
        values = (values ^ (values >> np.uint64(shift))) * factor
    return values ^ (values >> np.uint64(31))


def _densified(sketch: Words) -> Words:
    """Fill each empty bin from the next one that is not, marked with the distance."""
    empty = sketch == _EMPTY
    if not empty.any():
        return sketch
    places = np.broadcast_to(np.arange(2 * BINS), (len(sketch), 2 * BINS))
    filled = np.where(np.concatenate((empty, empty), axis=1), 2 * BINS, places)
    nearest = np.minimum.accumulate(filled[:, ::-1], axis=1)[:, ::-1][:, :BINS]
    # A text has at least one shingle, so there is always a bin to borrow from.
    borrowed = np.take_along_axis(sketch, nearest % BINS, axis=1)
    distance = (nearest - np.arange(BINS)).astype(np.uint64)
    return borrowed + distance * _BORROW


def _bands(sketch: Words) -> Words:
    """One key a band: its bins, mixed."""
    parts = sketch.reshape(len(sketch), BANDS, BAND_BINS)
    keys = np.zeros((len(sketch), BANDS), np.uint64)
    for index in range(BAND_BINS):
        keys = _mixed(keys + parts[:, :, index])
    return keys
