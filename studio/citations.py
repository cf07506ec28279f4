"""What an answer repeats: spans that stand verbatim in rows, and rows that resemble the question.

This is the plane of citation: it says where a text stands, and nothing of what moved the model;
that is influence, which is measured when the epoch is settled.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from studio.chain.datanets import OwnedRow

SPAN_WORDS_MIN = 5
SPANS_MAX = 8
RESEMBLING_MAX = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an answer that stands in rows, as a range of its characters."""

    start: int
    end: int
    rows: tuple[int, ...]
    """Which rows hold it; few say more than many."""


class Library:
    """The rows of a Datanet version, indexed by what stands in them."""

    def __init__(self, rows: Sequence[OwnedRow]) -> None:
        self.rows = rows
        self._grams: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._words: list[Counter[str]] = []
        self._documents: Counter[str] = Counter()
        for place, each in enumerate(rows):
            words = _words(each.row.completion)
            for start in range(len(words) - SPAN_WORDS_MIN + 1):
                known = self._grams[tuple(words[start : start + SPAN_WORDS_MIN])]
                if not known or known[-1] != place:
                    known.append(place)
            counted = Counter(_words(f"{each.row.prompt} {each.row.completion}"))
            self._words.append(counted)
            self._documents.update(counted.keys())

    def spans(self, text: str) -> list[Span]:
        """The longest parts of a text that stand verbatim in rows, in their order."""
        places = list(_WORD.finditer(text))
        words = [each.group().lower() for each in places]
        found: list[Span] = []
        start = 0
        while start + SPAN_WORDS_MIN <= len(words) and len(found) < SPANS_MAX:
            rows = set(self._grams.get(tuple(words[start : start + SPAN_WORDS_MIN]), ()))
            end = start + SPAN_WORDS_MIN
            while rows and end < len(words):
                wider = rows.intersection(
                    self._grams.get(tuple(words[end - SPAN_WORDS_MIN + 1 : end + 1]), ())
                )
                if not wider:
                    break
                rows, end = wider, end + 1
            if rows:
                span = (places[start].start(), places[end - 1].end())
                found.append(Span(*span, tuple(sorted(rows))))
                start = end
            else:
                start += 1
        return found

    def resembling(self, question: str) -> list[int]:
        """The rows that share the rarest words with a question, the closest first."""
        wanted = set(_words(question))
        count = len(self.rows)
        rarity = {each: math.log(1 + count / (1 + self._documents[each])) for each in wanted}
        scores = [
            (sum(rarity[each] for each in wanted if each in words), -place)
            for place, words in enumerate(self._words)
        ]
        best = sorted(scores, reverse=True)[:RESEMBLING_MAX]
        return [-place for score, place in best if score > 0]


def _words(text: str) -> list[str]:
    return [each.group().lower() for each in _WORD.finditer(text)]
