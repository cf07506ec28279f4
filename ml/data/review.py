"""The published validator: a verdict with a reason and a remedy for every submitted row.

Pure and recomputable: rows in order of commitment, the Datanet's schema and its on-chain seed in,
verdicts out, the same on every machine.  Each row is judged once:

- *rejected* for what is wrong with the row by itself (`ml/data/checks.py`);
- *duplicate* if it equals, or nearly equals, an accepted row committed before it; it joins that
  row's credit class, is not trained on, and earns nothing: copying does not pay;
- *accepted* otherwise, as the first of its own credit class.

Near duplicates are proposed by sketches in bulk (`ml/data/sketches.py`) and confirmed exactly
(`ml/data/similarity.py`).  The seed is drawn by the chain, so nobody can prepare rows that the
hashing overlooks.

Memory: about 600 bytes a row, whatever the rows' lengths, as long as `Submission.rows` reads them
from a file (`ml/data/spool.py`): texts are looked at twice and never kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby

import numpy as np
from numpy.typing import NDArray

from ml.data.checks import check_row
from ml.data.findings import REASONS, Finding
from ml.data.questions import QuestionTable
from ml.data.similarity import (
    Fingerprint,
    fingerprint_of,
    is_duplicate,
    is_duplicate_text,
    normalised,
    words,
)
from ml.data.sketches import BandTable
from ml.errors import ReviewTooLarge
from runtime.codec import codec_of
from runtime.merkle import list_root
from runtime.types import U32
from runtime.wire.datanets import DIALOGUE, Schema
from runtime.wire.rows import Row, RowRecord, Verdict

ROWS_MAX = 1_000_000
"""The most rows of one review."""
CANDIDATES_MAX = 256
"""How many candidates are confirmed for one row, in order of commitment."""
FINGERPRINTS_MAX = 2_048
"""How many fingerprints are kept while candidates are confirmed."""
_BATCH_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class Submission:
    """Rows that one owner committed to; submissions are given in order of commitment."""

    index: int
    owner: bytes
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What the validator says of one row: a leaf of the version's verdicts root."""

    submission: U32
    index: U32
    """The row's place in its submission."""
    verdict: Verdict
    class_submission: U32
    class_index: U32
    """The first committed row of the credit class; the row itself unless it is a duplicate."""
    finding: Finding

    def encode(self) -> bytes:
        """The canonical bytes of the Merkle leaf."""
        return codec_of(RowVerdict).encode(self)

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return REASONS[self.finding][0]

    @property
    def remedy(self) -> str:
        """What the contributor can do about it."""
        return REASONS[self.finding][1]


@dataclass(frozen=True, slots=True)
class SubmissionCounts:
    """How the rows of one submission fared; what its bond is settled by."""

    submission: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Review:
    """The verdicts over all rows, in order of commitment, and the records of the accepted ones."""

    verdicts: tuple[RowVerdict, ...]
    records: tuple[RowRecord, ...]

    def verdicts_root(self) -> bytes:
        """The Merkle list of the verdicts, which the version on chain commits to."""
        return list_root([verdict.encode() for verdict in self.verdicts])

    def rows_root(self) -> bytes:
        """The Merkle list of the accepted rows' records, which the version on chain commits to."""
        return list_root([record.encode() for record in self.records])

    def counts(self) -> tuple[SubmissionCounts, ...]:
        """The verdicts counted by submission, in order of submission."""
        found = Counter((item.submission, item.verdict) for item in self.verdicts)
        submissions = sorted({submission for submission, _ in found})
        return tuple(
            SubmissionCounts(submission, *(found[submission, verdict] for verdict in Verdict))
            for submission in submissions
        )


def review(submissions: Sequence[Submission], seed: int, schema: Schema = DIALOGUE) -> Review:
    """Judge every row; `seed` is the Datanet's on-chain MinHash seed, any non-negative integer.

    The same submissions, seed and schema give the same review on every machine.  Raises
    `ReviewTooLarge` for more than `ROWS_MAX` rows.
    """
    count = sum(len(submission.rows) for submission in submissions)
    if count > ROWS_MAX:
        message = f"{count} rows were submitted for one review."
        raise ReviewTooLarge(message, remedy=f"Review at most {ROWS_MAX} rows at a time.")
    rows = _Rows(submissions)
    first_look = _FirstLook(rows, seed, schema)
    firsts = list(range(count))
    """Of each row, the first of its credit class; its own number unless it is a duplicate."""
    findings = first_look.findings
    for row, first in first_look.exact.items():
        firsts[row] = first
    resembles = _Resemblance(rows, first_look.questions.weights(), schema)
    for row, candidates in _by_row(first_look.pairs(schema)):
        if findings[row]:
            continue
        # An earlier copy stands for the row that it copies; what was rejected stands for nothing.
        known = {firsts[each] for each in candidates}
        for first in sorted(known)[:CANDIDATES_MAX]:
            if findings[first] is Finding.ACCEPTED and resembles.is_copy(first, row):
                findings[row] = Finding.NEARLY_SAME
                firsts[row] = first
                break
    for row, first in first_look.exact.items():
        firsts[row] = firsts[first]
    return _assemble(rows, findings, firsts, first_look.hashes)


class _Rows:
    """All rows by their number in order of commitment."""

    def __init__(self, submissions: Sequence[Submission]) -> None:
        self.submissions = submissions
        self._ends = list(accumulate(len(submission.rows) for submission in submissions))

    def place(self, number: int) -> tuple[Submission, int]:
        """The submission of a row, and its index there."""
        at = bisect_right(self._ends, number)
        submission = self.submissions[at]
        return submission, number - self._ends[at] + len(submission.rows)

    def row(self, number: int) -> Row:
        """The row itself."""
        submission, index = self.place(number)
        return submission.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return (row for submission in self.submissions for row in submission.rows)


class _FirstLook:
    """What one reading of all rows finds: faults, equal rows, sketches, how rare words are."""

    def __init__(self, rows: _Rows, seed: int, schema: Schema) -> None:
        self.findings: list[Finding] = []
        self.hashes: list[bytes] = []
        self.exact: dict[int, int] = {}
        """Rows that equal an earlier one, and which."""
        self.questions = QuestionTable()
        self._bands = BandTable(seed)
        seen: dict[bytes, int] = {}
        questions: list[str] = []
        answers: list[str] = []
        for number, row in enumerate(rows):
            texts = (normalised(row.prompt), normalised(row.completion))
            questions.append(texts[0])
            answers.append(texts[1])
            finding = check_row(row, schema, texts)
            row_hash = row.hash()
            self.hashes.append(row_hash)
            if not finding and (first := seen.setdefault(row_hash, number)) != number:
                finding = Finding.SAME
                self.exact[number] = first
            self.findings.append(finding)
            self.questions.add(words(row.prompt), texts[1])
            if len(questions) == _BATCH_ROWS:
                self._bands.add(questions, answers)
                questions, answers = [], []
        if questions:
            self._bands.add(questions, answers)

    def pairs(self, schema: Schema) -> NDArray[np.int64]:
        """The pairs of rows whose texts have to be compared, as later * 2**32 + earlier."""
        pairs = self._bands.pairs()
        if not schema.has_prompt():
            return pairs
        return self.questions.possible(pairs, self._bands.with_similar_questions(pairs))


def _by_row(pairs: NDArray[np.int64]) -> Iterator[tuple[int, list[int]]]:
    """Each later row with the earlier ones of its pairs, rows rising."""
    for row, group in groupby(pairs.tolist(), key=lambda pair: pair >> 32):
        yield row, [pair & 0xFFFFFFFF for pair in group]


class _Resemblance:
    """Whether two rows are one contribution; remembers the fingerprints it needs again."""

    def __init__(self, rows: _Rows, weights: Mapping[str, int], schema: Schema) -> None:
        self._weights = weights
        self._has_prompt = schema.has_prompt()
        self._fingerprint = lru_cache(FINGERPRINTS_MAX)(
            lambda number: fingerprint_of(rows.row(number))
        )

    def is_copy(self, first: int, row: int) -> bool:
        """Whether a row repeats an earlier one."""
        one: Fingerprint = self._fingerprint(first)
        other: Fingerprint = self._fingerprint(row)
        if not self._has_prompt:
            return is_duplicate_text(one, other)
        return is_duplicate(one, other, self._weights)


_VERDICTS = {
    Finding.ACCEPTED: Verdict.ACCEPTED,
    Finding.SAME: Verdict.DUPLICATE,
    Finding.NEARLY_SAME: Verdict.DUPLICATE,
}


def _assemble(
    rows: _Rows, findings: Sequence[Finding], firsts: Sequence[int], hashes: Sequence[bytes]
) -> Review:
    verdicts: list[RowVerdict] = []
    records: list[RowRecord] = []
    for number, (finding, first) in enumerate(zip(findings, firsts, strict=True)):
        submission, index = rows.place(number)
        verdict = _VERDICTS.get(finding, Verdict.REJECTED)
        class_submission, class_index = rows.place(first)
        verdicts.append(
            RowVerdict(
                submission=submission.index,
                index=index,
                verdict=verdict,
                class_submission=class_submission.index,
                class_index=class_index,
                finding=finding,
            )
        )
        if verdict is Verdict.ACCEPTED:
            records.append(RowRecord(hashes[number], submission.owner, submission.index, index))
    return Review(tuple(verdicts), tuple(records))
