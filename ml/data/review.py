"""The published validator: a verdict with a reason for every submitted row.

Pure and recomputable: rows in order of commitment and the Datanet's on-chain seed in, verdicts out,
the same on every machine.  Each row is judged once:

- *rejected* if it cannot be trained on (empty, too long, unprintable, an answer that only repeats
  its question);
- *duplicate* if it equals, or nearly equals, an accepted row committed before it; it joins that
  row's credit class, is not trained on, and earns nothing: copying does not pay;
- *accepted* otherwise, as the first of its own credit class.

Near duplicates are proposed by MinHash (Broder, 1997) under locality-sensitive hashing and
confirmed exactly (`ml/data/similarity.py`).  The seed is drawn by the chain, so nobody can prepare
rows that the hashing overlooks.  Only accepted rows enter the index: work and memory are linear in
their number.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from datasketch import MinHash, MinHashLSH

from ml.data.similarity import Fingerprint, fingerprint_of, is_duplicate, rarity_weights
from ml.errors import ReviewTooLarge
from runtime.codec import codec_of
from runtime.merkle import list_root
from runtime.types import U32, Max
from runtime.wire.rows import ROW_BYTES_MAX, Row, RowRecord, Verdict

ROWS_MAX = 1_000_000
"""The most rows of one review."""
PERMUTATIONS = 128
BANDS = 32
BAND_ROWS = 4
"""32 bands of 4: rows that share 60 % of their shingles become candidates with probability 0.99."""
CANDIDATES_MAX = 256
"""How many candidates are confirmed for one row, in order of commitment."""
REASON_BYTES_MAX = 128

_SEEDS = 2**32
_WHITE_SPACE = "\n\r\t"


@dataclass(frozen=True, slots=True)
class Submission:
    """Rows that one owner committed to; submissions are given in order of commitment."""

    index: int
    owner: bytes
    rows: tuple[Row, ...]


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
    reason: Annotated[str, Max(REASON_BYTES_MAX)]

    def encode(self) -> bytes:
        """The canonical bytes of the Merkle leaf."""
        return codec_of(RowVerdict).encode(self)


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


def review(submissions: Sequence[Submission], seed: int) -> Review:
    """Judge every row; `seed` is the Datanet's on-chain MinHash seed, any non-negative integer.

    The same submissions and seed give the same review on every machine.  Raises `ReviewTooLarge`
    for more than `ROWS_MAX` rows.
    """
    placed = [
        _Placed(submission.index, index, submission.owner, row, row.hash())
        for submission in submissions
        for index, row in enumerate(submission.rows)
    ]
    if len(placed) > ROWS_MAX:
        message = f"{len(placed)} rows were submitted for one review."
        raise ReviewTooLarge(message, remedy=f"Review at most {ROWS_MAX} rows at a time.")
    index = _Index([fingerprint_of(place.row) for place in placed], seed)
    verdicts: list[RowVerdict] = []
    records: list[RowRecord] = []
    exact: dict[bytes, int] = {}
    for position, place in enumerate(placed):
        fault = _fault_of(place.row)
        first = exact.get(place.row_hash)
        if fault:
            verdicts.append(place.verdict(Verdict.REJECTED, place, fault))
        elif first is not None:
            verdicts.append(
                place.verdict(Verdict.DUPLICATE, placed[first], "Equal to an earlier row.")
            )
        elif (first := index.find_or_add(position)) is not None:
            reason = "The same contribution as an earlier row, lightly edited."
            exact[place.row_hash] = first
            verdicts.append(place.verdict(Verdict.DUPLICATE, placed[first], reason))
        else:
            exact[place.row_hash] = position
            verdicts.append(place.verdict(Verdict.ACCEPTED, place, "Accepted."))
            record = RowRecord(place.row_hash, place.owner, place.submission, place.index)
            records.append(record)
    return Review(tuple(verdicts), tuple(records))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row with where it was committed."""

    submission: int
    index: int
    owner: bytes
    row: Row
    row_hash: bytes

    def verdict(self, verdict: Verdict, first: _Placed, reason: str) -> RowVerdict:
        return RowVerdict(
            submission=self.submission,
            index=self.index,
            verdict=verdict,
            class_submission=first.submission,
            class_index=first.index,
            reason=reason,
        )


class _Index:
    """The accepted rows so far, searchable by similarity."""

    def __init__(self, fingerprints: Sequence[Fingerprint], seed: int) -> None:
        self._fingerprints = fingerprints
        self._weights = rarity_weights(fingerprints)
        self._hashing = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, BAND_ROWS))
        self._blank = MinHash(
            num_perm=PERMUTATIONS, seed=seed % _SEEDS, hashfunc=zlib.crc32, scheme="affine32"
        )

    def find_or_add(self, position: int) -> int | None:
        """The earliest accepted row that `position` duplicates; without one, it is added."""
        fingerprint = self._fingerprints[position]
        sketch = self._blank.copy()
        sketch.update_batch(
            shingle.encode() for shingle in fingerprint.question | fingerprint.answer
        )
        candidates = sorted(self._hashing.query(sketch))
        for candidate in candidates[:CANDIDATES_MAX]:
            if is_duplicate(self._fingerprints[candidate], fingerprint, self._weights):
                return int(candidate)
        self._hashing.insert(position, sketch, check_duplication=False)
        return None


def _fault_of(row: Row) -> str:
    """Why a row cannot be trained on; "" if it can."""
    texts = (row.prompt, row.completion)
    if not all(any(character.isalnum() for character in text) for text in texts):
        return "The prompt or the completion has no letter and no digit."
    if len(row.encode()) > ROW_BYTES_MAX:
        return f"Longer than {ROW_BYTES_MAX} bytes."
    if row.prompt.strip() == row.completion.strip():
        return "The completion repeats the prompt."
    if not all(
        text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() for text in texts
    ):
        return "Holds characters that cannot be printed."
    return ""
