"""The questions of all rows as numbers, so that many pairs are compared at once.

Two rows are one contribution only if one's question contains the other's, weighed by how rare words
are, or if their answers are the same (`ml/data/similarity.py`).  That is decided here for all pairs
exactly, unless a question is so long that the texts themselves have to be looked at.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ml.data.similarity import QUESTION_CONTAINMENT_PERCENT

WORDS_MAX = 16
"""A question with more different words is not compared here."""
_PAIRS_AT_ONCE = 16_384

Pairs = NDArray[np.int64]


class QuestionTable:
    """The words of questions and the answers' checksums, in the order of the rows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._counts = array("I")
        self._words = array("I")
        self._ends = array("Q", [0])
        self._answers = array("I")

    def add(self, words: Iterable[str], answer: str) -> None:
        """Note the different words of a question, and its answer, normalised."""
        for word in words:
            number = self._numbers.setdefault(word, len(self._numbers))
            if number == len(self._counts):
                self._counts.append(0)
            self._counts[number] += 1
            self._words.append(number)
        self._ends.append(len(self._words))
        self._answers.append(zlib.crc32(answer.encode(errors="surrogatepass")))

    def weights(self) -> Mapping[str, int]:
        """What each word weighs: log2 of one over the share of rows that use it, at least 1."""
        rows = len(self._answers)
        pairs = zip(self._numbers, self._counts, strict=True)
        return {word: (rows // count).bit_length() for word, count in pairs}

    def possible(self, pairs: Pairs, alike: NDArray[np.bool_]) -> Pairs:
        """The pairs (later * 2**32 + earlier) that may be one contribution.

        `alike` says which have questions that are close enough if the answers are equal.
        """
        words, weights = self._padded()
        answers = np.frombuffer(self._answers, np.uint32)
        kept = []
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            part = pairs[start : start + _PAIRS_AT_ONCE]
            one, other = part >> 32, part & 0xFFFFFFFF
            same = (answers[one] == answers[other]) & alike[start : start + _PAIRS_AT_ONCE]
            kept.append(part[same | _contained(words[one], words[other], weights)])
        return np.concatenate(kept) if kept else pairs

    def _padded(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of every row, as many columns for each, and the weight of each word.

        Behind the words that there are comes nothing, with the weight 0; too many words are one
        that every question shares, and that weighs more than all others.
        """
        rows, nothing = len(self._answers), len(self._numbers)
        weights = np.zeros(nothing + 2, np.int64)
        weights[:nothing] = list(self.weights().values())
        weights[nothing + 1] = 2**40
        ends = np.frombuffer(self._ends, np.uint64).astype(np.int64)
        lengths = np.diff(ends)
        words = np.full((rows, WORDS_MAX), nothing, np.int64)
        short = lengths <= WORDS_MAX
        owners = np.repeat(np.arange(rows), lengths)
        columns = np.arange(len(self._words)) - np.repeat(ends[:-1], lengths)
        listed = short[owners]
        numbers = np.frombuffer(self._words, np.uint32) if self._words else np.empty(0, np.uint32)
        words[owners[listed], columns[listed]] = numbers[listed]
        words[~short, 0] = nothing + 1
        return words, weights


def _contained(
    one: NDArray[np.int64], other: NDArray[np.int64], weights: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the lighter of two questions lies in the other, but for 10 % of its weight."""
    is_shared = (one[:, :, None] == other[:, None, :]).any(axis=2)
    shared = (is_shared * weights[one]).sum(axis=1)
    one_weight, other_weight = weights[one].sum(axis=1), weights[other].sum(axis=1)
    lighter = np.minimum(one_weight, other_weight)
    too_long = np.maximum(one_weight, other_weight) >= 2**40
    kept: NDArray[np.bool_] = too_long | (shared * 100 >= QUESTION_CONTAINMENT_PERCENT * lighter)
    return kept
