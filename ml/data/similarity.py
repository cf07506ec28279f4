"""When two rows are the same contribution.

The question is not how much text two rows share: documentation rows of sibling functions share
nearly all of it ("Return true if the object is a coroutine.").  A copy keeps the *question*, or
keeps the answer word for word.  So two rows are duplicates if either holds:

1. **Same question, similar answer.**  The rarer a word, the more it says about what is asked
   (Spärck Jones, 1972); the words of the one question, weighted by rarity, are at least 90 %
   contained in the other's, its texts overlap by at least 0.4, and the answers by at least 0.3; by
   at least 0.65 where both answers are long and the questions are not the same words ("... Noonan
   syndrome 1" is another question than "... Noonan syndrome"): a word changes little of those.
2. **Same answer, similar question.**  The answers are equal but for case, punctuation and spacing,
   and the questions overlap by at least 0.65.

"Overlap" is the exact Jaccard index of character 5-gram sets of the normalised texts.  Measured by
`tests/ml/test_review.py::test_precision_and_recall_on_documentation` on 2,541 rows of the standard
library's documentation, with every row copied once under each edit: no honest row is marked; found
are all copies edited in case, punctuation, by a prefix or a cut, 99 % of those with one word of the
answer replaced, 89 % with one word of the question, 85 % with one in both.  (The plain overlap of
whole rows, at a threshold that finds 95 % of the one-word edits, marks 6 % of the honest rows.)
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.wire.rows import Row

SHINGLE_CHARACTERS = 5
QUESTION_CONTAINMENT_PERCENT = 90
QUESTION_OVERLAP_PERCENT_MIN = 40
ANSWER_OVERLAP_PERCENT = 30
LONG_ANSWER_OVERLAP_PERCENT = 65
LONG_ANSWER_SHINGLES = 400
"""From here on an answer is long."""
EQUAL_ANSWER_QUESTION_OVERLAP_PERCENT = 65
TEXT_OVERLAP_PERCENT = 60
"""Of rows that are plain text."""

_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_ASCII_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A row as similarity sees it."""

    question: frozenset[str]
    """5-grams of the normalised prompt."""
    answer: frozenset[str]
    """5-grams of the normalised completion."""
    question_words: frozenset[str]
    answer_text: str
    """The normalised completion."""


def fingerprint_of(row: Row) -> Fingerprint:
    """Normalise a row and cut it into shingles and words."""
    answer_text = normalised(row.completion)
    return Fingerprint(
        question=shingles(normalised(row.prompt)),
        answer=shingles(answer_text),
        question_words=words(row.prompt),
        answer_text=answer_text,
    )


def normalised(text: str) -> str:
    """Letters and digits only, in compatibility form and folded case, between single spaces."""
    if text.isascii():  # the same, several times faster
        return " ".join(text.lower().translate(_ASCII_SPACES).split())
    return " ".join(_LETTERS_AND_DIGITS.findall(_folded(text)))


def shingles(text: str) -> frozenset[str]:
    """The set of a text's character 5-grams; a shorter text is its own only shingle."""
    count = max(1, len(text) - SHINGLE_CHARACTERS + 1)
    return frozenset(text[start : start + SHINGLE_CHARACTERS] for start in range(count))


def words(text: str) -> frozenset[str]:
    """The words between spaces, without the punctuation around them: `json.loads` is one word."""
    stripped = (word.strip(string.punctuation) for word in _folded(text).split())
    return frozenset(word for word in stripped if word)


def is_duplicate_text(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two rows of plain text, which have no question, are one contribution."""
    return _overlaps(one.answer, other.answer, TEXT_OVERLAP_PERCENT)


def is_duplicate(one: Fingerprint, other: Fingerprint, weights: Mapping[str, int]) -> bool:
    """Whether two rows are one contribution, by the rules above; symmetric, in integers.

    `weights` are those of `ml.data.questions.QuestionTable`.
    """
    if one.answer_text == other.answer_text and _overlaps(
        one.question, other.question, EQUAL_ANSWER_QUESTION_OVERLAP_PERCENT
    ):
        return True
    are_long = min(len(one.answer), len(other.answer)) >= LONG_ANSWER_SHINGLES
    is_other_question = one.question_words != other.question_words
    return (
        _contains(one.question_words, other.question_words, weights)
        and _overlaps(one.question, other.question, QUESTION_OVERLAP_PERCENT_MIN)
        and _overlaps(
            one.answer,
            other.answer,
            LONG_ANSWER_OVERLAP_PERCENT
            if are_long and is_other_question
            else ANSWER_OVERLAP_PERCENT,
        )
    )


def _overlaps(one: frozenset[str], other: frozenset[str], percent: int) -> bool:
    shared = len(one & other)
    return shared * 100 >= percent * (len(one) + len(other) - shared)


def _contains(one: frozenset[str], other: frozenset[str], weights: Mapping[str, int]) -> bool:
    """Whether the lighter of two sets of words lies in the other, but for 10 % of its weight."""
    shared = sum(weights[word] for word in one & other)
    lighter = min(sum(weights[word] for word in side) for side in (one, other))
    return shared * 100 >= QUESTION_CONTAINMENT_PERCENT * lighter


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
