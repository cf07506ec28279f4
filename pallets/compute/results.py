"""What a revealed result must agree with: its order, and the ends of its own transcript."""

from __future__ import annotations

from pallets.compute import weights
from runtime import Weight
from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import ZERO_HASH
from runtime.types import PPB
from runtime.wire.exams import ExamFigures, decode_exam_leaf
from runtime.wire.influence_transcripts import decode_influence_leaf
from runtime.wire.records import Job, JobKind, TrainingOutcome
from runtime.wire.transcripts import LeafOpening, decode_leaf, verify_leaf

LOSS_GRID = 2**30
"""A leaf has losses in this part of a nat."""


def weight_of_reveal(
    job: int, outcome: TrainingOutcome, salt: bytes, first: LeafOpening, last: LeafOpening
) -> Weight:
    """Return the weight of revealing a result; leaves of some kinds are longer than training's."""
    more = len(first.leaf) + len(last.leaf)
    return weights.reveal(job, outcome, salt, first, last) + Weight(0, 0, bytes=more)


def is_whole(job: Job, outcome: TrainingOutcome) -> bool:
    """Whether the transcript goes to the end of what was ordered."""
    return not outcome.fault and outcome.leaf_count == job.order.leaf_count


def conclusion_fault(
    job: Job, outcome: TrainingOutcome, first: LeafOpening, last: LeafOpening
) -> str | None:
    """What is wrong with an outcome of which the ends of the transcript are opened, or None."""
    try:
        verify_leaf(outcome.transcript_root, outcome.leaf_count, 0, first)
        verify_leaf(outcome.transcript_root, outcome.leaf_count, outcome.leaf_count - 1, last)
        return _length_fault(job, outcome) or _kind_fault(job, outcome, first.leaf, last.leaf)
    except (DecodeError, InvalidProof) as error:
        return error.message


def _length_fault(job: Job, outcome: TrainingOutcome) -> str | None:
    """What is wrong with the number of leaves."""
    ordered = job.order.leaf_count
    if outcome.leaf_count > ordered:
        return f"The transcript has more than the {ordered} leaves that were ordered."
    if not (is_whole(job, outcome) or outcome.fault or job.aborted):
        return f"The transcript has less than the {ordered} leaves that were ordered."
    return None


def _kind_fault(job: Job, outcome: TrainingOutcome, first: bytes, last: bytes) -> str | None:
    """What contradicts the leaves, whose meaning follows from the kind of the job."""
    if job.order.kind is JobKind.TRAIN:
        return _training_fault(job, outcome, first, last)
    if job.order.kind is JobKind.EVALUATE:
        return _exam_fault(outcome, last)
    return _attribution_fault(job, outcome, last)


def _attribution_fault(job: Job, outcome: TrainingOutcome, last: bytes) -> str | None:
    """What contradicts the last leaf of an attribute job."""
    end = decode_influence_leaf(last)
    if end.fault != outcome.fault:
        return f"The last leaf has the fault {end.fault}."
    if outcome.adapter != (end.record_root if is_whole(job, outcome) else ZERO_HASH):
        return "The last leaf concludes with another result."
    return None


def figures_of(job: Job, last: LeafOpening) -> ExamFigures | None:
    """What an evaluate job with this last leaf, which is checked, has found; None for others."""
    if job.order.kind is not JobKind.EVALUATE:
        return None
    return decode_exam_leaf(last.leaf).figures


def _exam_fault(outcome: TrainingOutcome, last: bytes) -> str | None:
    """What contradicts the last leaf of an exam."""
    end = decode_exam_leaf(last)
    if (end.batch, end.fault) != (outcome.leaf_count - 1, outcome.fault):
        return f"The last leaf has the fault {end.fault} after {end.batch} batches."
    if outcome.adapter != ZERO_HASH:
        return "An exam makes no adapter."
    losses = (outcome.validation_loss_before_ppb, outcome.validation_loss_after_ppb)
    return "An exam has no validation losses." if any(losses) else None


def _training_fault(job: Job, outcome: TrainingOutcome, first: bytes, last: bytes) -> str | None:
    """What contradicts the leaves of a training run."""
    begin, end = decode_leaf(first), decode_leaf(last)
    if end.fault != outcome.fault:
        return f"The last leaf has the fault {end.fault}."
    if outcome.adapter != (end.batch_root if is_whole(job, outcome) else ZERO_HASH):
        return "The last leaf concludes with another adapter."
    losses = (
        (outcome.validation_loss_before_ppb, begin.loss_grid),
        (outcome.validation_loss_after_ppb, end.loss_grid),
    )
    if any(abs(ppb * LOSS_GRID - grid * PPB) > LOSS_GRID for ppb, grid in losses):
        return "The validation losses are not those of the first and the last leaf."
    return None
