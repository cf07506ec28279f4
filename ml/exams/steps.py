"""The leaves of an exam as pure functions: a leaf in, the leaf with one batch more out.

A row's loss is its mean over the completion, as in training.  What greedy decoding would give needs
no decoding: the exact operators read a whole row at once and find the very bits that decoding one
token after another finds, so a completion is what greedy decoding gives where each of its tokens is
the most likely after the ones before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ml.errors import OrderInvalid
from ml.exact.adapter import Adapter, load_adapter
from ml.exact.golden import OPERATORS
from ml.exact.gradients import Fault, evaluate
from ml.exact.inference import Reading, logits_of
from ml.exact.loss import IGNORED
from ml.exact.model import ExactModel
from ml.exact.products import Backend
from ml.exact.sampling import Sampler, choose
from ml.manifest import manifest_of
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer
from runtime.merkle import list_root
from runtime.offchain import ExamOrder
from runtime.wire.exams import BATCH_ROWS, ExamFigures, ExamLeaf, exam_leaves
from runtime.wire.rows import Row


@dataclass(frozen=True)
class PreparedExam:
    """An exam with the model that takes it; nothing of it ever changes."""

    order: ExamOrder
    rows: tuple[Row, ...]
    model: ExactModel
    adapter: Adapter | None
    tokenizer: Any

    @cached_property
    def order_hash(self) -> bytes:
        """What binds every leaf to this job, 32 bytes."""
        return self.order.hash()

    @property
    def leaf_count(self) -> int:
        """Leaves of a transcript without a fault."""
        return exam_leaves(self.order.row_count)

    def batch(self, number: int) -> tuple[EncodedRow, ...]:
        """The rows of a batch, counted from 1."""
        rows = self.rows[(number - 1) * BATCH_ROWS : number * BATCH_ROWS]
        order = self.order
        return encode_rows(self.tokenizer, rows, order.tokens_max, order.prompt_template)


def prepare_exam(
    order: ExamOrder,
    rows: Sequence[Row],
    base_model: Path,
    adapter: Path | None,
    backend: Backend = "int8",
) -> PreparedExam:
    """Check order, rows and folders against each other, and load the model.

    Raises `OrderInvalid` for what is not the order's, and `ModelUnusable` for a folder that holds
    no such model.
    """
    if len(rows) != order.row_count or list_root([row.hash() for row in rows]) != order.rows_root:
        message = f"The {len(rows)} rows are not those of the exam that job {order.job} names."
        raise OrderInvalid(message, remedy="Fetch the rows that the exam's owner has shown.")
    folders = ((base_model, order.base_model), (adapter, order.adapter))
    for folder, wanted in folders:
        found = None if folder is None else manifest_of(folder).hash()
        if found != wanted:
            message = f"{folder} is not what job {order.job} names."
            raise OrderInvalid(message, remedy="Use the folder whose manifest hash it names.")
    model = ExactModel.load(base_model, backend)
    loaded = None if adapter is None else load_adapter(adapter, model.shape)
    return PreparedExam(order, tuple(rows), model, loaded, load_tokenizer(base_model))


def begin_exam(exam: PreparedExam) -> ExamLeaf:
    """Leaf 0: nothing is scored."""
    return ExamLeaf(OPERATORS, exam.order_hash, 0, ExamFigures(), int(Fault.NONE))


def next_exam_leaf(exam: PreparedExam, before: ExamLeaf | None) -> ExamLeaf | None:
    """The leaf that follows `before`; without it, leaf 0.

    None where no leaf may follow: after a fault, and after the last batch.  Raises `OrderInvalid`
    for a leaf of another job.
    """
    if before is None:
        return begin_exam(exam)
    if before.job != exam.order_hash or before.operators != OPERATORS:
        message = f"Leaf {before.batch} is not of job {exam.order.job} by {OPERATORS}."
        raise OrderInvalid(message, remedy="Judge it by its own order and operators.")
    if before.fault or before.batch >= exam.leaf_count - 1:
        return None
    number = before.batch + 1
    found = score(exam, exam.batch(number))
    if found is None:
        fault = int(Fault.LOSS_NOT_FINITE)
        return ExamLeaf(OPERATORS, exam.order_hash, number, before.figures, fault)
    return ExamLeaf(OPERATORS, exam.order_hash, number, before.figures + found, int(Fault.NONE))


def score(exam: PreparedExam, rows: Sequence[EncodedRow]) -> ExamFigures | None:
    """How the model does on some rows; None where a loss is not finite."""
    losses = evaluate(exam.model, exam.adapter, rows)
    if any(loss < 0 for loss in losses):
        return None
    figures = ExamFigures(rows=len(rows), loss_grid=sum(losses))
    for row in rows:
        figures += _decoded(exam, row)
    return figures


def _decoded(exam: PreparedExam, row: EncodedRow) -> ExamFigures:
    """How much of a row's completion greedy decoding would give, token by token."""
    wanted = [label for label in row.labels if label != IGNORED]
    reading = Reading(exam.model, exam.adapter, len(row.ids))
    # Labels are the tokens one place on, and the completion comes last: the last place has none.
    states = reading.read(row.ids)[-1 - len(wanted) : -1]
    found = choose(logits_of(exam.model, states), 0, Sampler())
    right = sum(one == other for one, other in zip(wanted, found, strict=True))
    is_right = right == len(wanted)
    return ExamFigures(tokens=len(wanted), right_tokens=right, right_rows=int(is_right))
