"""Exams: held-out rows that a model is scored on, and the transcript of the job that does it.

An exam's rows are committed to, unknown to all, before a model's training is ordered, and shown
after it: so nobody can have trained on them.  The job reads them in batches of `BATCH_ROWS`; leaf 0
has scored nothing, and every other leaf is the one before with one batch more, so that a disputed
leaf is computed from the leaf before and 16 rows.  There is no state beside the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.codec import codec_of
from runtime.types import (
    PPB,
    U8,
    U32,
    U64,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Hash,
    ShortText,
)

EXAM_ROWS_MAX = 20_000
BATCH_ROWS = 16
"""Rows that one leaf adds."""
LOSS_GRID = 2**30
"""A loss is an integer of this part of a nat."""


class Metric(IntEnum):
    """Which of the figures is the score."""

    LOSS = 0
    """The mean loss of a row, in nats; less is better."""
    TOKENS = 1
    """The part of the completions' tokens that the model finds the most likely, each given those
    before it."""
    ROWS = 2
    """The part of the rows whose whole completion greedy decoding gives, with its end token."""


@dataclass(frozen=True, slots=True)
class ExamFigures:
    """What a model has done in an exam so far."""

    rows: U32 = 0
    loss_grid: U64 = 0
    """The sum of the rows' mean losses, in 2**-30 nats."""
    tokens: U64 = 0
    """Of completions, their end tokens too."""
    right_tokens: U64 = 0
    right_rows: U32 = 0

    def __add__(self, other: ExamFigures) -> ExamFigures:
        """Those of both."""
        return ExamFigures(
            self.rows + other.rows,
            self.loss_grid + other.loss_grid,
            self.tokens + other.tokens,
            self.right_tokens + other.right_tokens,
            self.right_rows + other.right_rows,
        )

    def score_ppb(self, metric: Metric) -> int:
        """The score in billionths, of a nat or of all; 0 where nothing was scored."""
        part, whole = {
            Metric.LOSS: (self.loss_grid, self.rows * LOSS_GRID),
            Metric.TOKENS: (self.right_tokens, self.tokens),
            Metric.ROWS: (self.right_rows, self.rows),
        }[metric]
        return part * PPB // whole if whole else 0


@dataclass(frozen=True, slots=True)
class ExamLeaf:
    """What is scored after some batches."""

    operators: ShortText
    """Name and version of the arithmetic."""
    job: Hash
    """Hash of the exam order, which binds base model, adapter and rows."""
    batch: U32
    """Batches scored since the start."""
    figures: ExamFigures
    fault: U8
    """0, or the deterministic fault code of the batch, which is not in the figures; the last."""

    def encode(self) -> bytes:
        """The canonical bytes that the transcript root commits to."""
        return codec_of(ExamLeaf).encode(self)


def decode_exam_leaf(data: bytes) -> ExamLeaf:
    """Return the leaf of an exam; raises `DecodeError`."""
    return codec_of(ExamLeaf).decode(data)


def exam_leaves(row_count: int) -> int:
    """The leaves of a transcript without a fault: the start, and one for each batch."""
    return 1 - (-row_count // BATCH_ROWS)


@dataclass(frozen=True, slots=True)
class ExamRows:
    """The rows of an exam that was shown."""

    rows_root: Hash
    """Merkle list of the rows' hashes."""
    row_count: Annotated[int, Between(1, EXAM_ROWS_MAX)]
    rows: Hash
    """Content hash of the blob that lists them."""


@dataclass(frozen=True, slots=True)
class Exam:
    """`Exams.exams[exam]`: rows that somebody keeps secret, or has shown."""

    owner: AccountId
    name: ShortText
    metric: Metric
    tokens_max: Annotated[int, Between(16, 4_096)]
    """Tokens of a row at most; longer ones are cut as in training."""
    commitment: Hash
    """`submission_commitment` of owner, rows root and a salt."""
    deposit: Amount
    """Held of the owner until the rows are shown."""
    committed_at: BlockNumber
    shown: ExamRows | None = None
    shown_at: BlockNumber | None = None


@dataclass(frozen=True, slots=True)
class ExamResult:
    """`Exams.results[(model, exam)]`: what a settled job found."""

    job: U32
    figures: ExamFigures
    settled_at: BlockNumber
