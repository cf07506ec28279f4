"""Exams: rows that nobody could train on, and what models scored on them.

An exam's life: its owner commits to the rows, unknown to all; whoever wants models to be comparable
trains; the owner shows the rows; evaluate jobs (`Compute`) score models on them.  A model may take
an exam whose rows were committed to before its training was ordered and shown after that, so that
neither the builder could choose the data by the rows nor the owner the rows by the model.

A base model may take any exam: what it was trained on nobody knows here.  Its figures are what an
adapter's are compared with.  Results are facts: whoever orders the same again finds the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.exams import weights
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.hashing import hash_commitment
from runtime.traits import Currency
from runtime.wire.exams import Exam, ExamFigures, ExamResult, ExamRows, Metric

DEPOSIT = "Exams.deposit"
"""Why an owner's balance is held."""
_COMMITMENT_BYTES = 96


class Exams(Pallet, index=34):
    """Exams and their results."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    deposit = Parameter[Amount](
        OPEN, "Held of an exam's owner until its rows are shown, in 10**-18 OPEN."
    )
    next_exam = Value[U32](0)
    exams = Map[U32, Exam]()
    results = Map[tuple[Hash, U32], ExamResult]()
    """By adapter, or base model, and exam."""

    # Events

    class Committed(Event):
        """Somebody keeps rows secret that models can be scored on later."""

        exam: U32
        owner: AccountId
        name: ShortText

    class Shown(Event):
        """The rows are there: evaluate jobs may read them."""

        exam: U32
        rows: ExamRows

    class Scored(Event):
        """A settled job found how good a model is; the score is in billionths."""

        model: Hash
        exam: U32
        job: U32
        score_ppb: Amount

    # Errors

    class UnknownExam(Error):
        """There is no such exam."""

        remedy: ClassVar[str] = "Take the number from the event Exams.Committed."
        exam: U32

    class NotOwner(Error):
        """The rows are somebody else's to show."""

        remedy: ClassVar[str] = "Sign with the key that committed to them."
        owner: AccountId

    class ShownAlready(Error):
        """The rows are shown already."""

        remedy: ClassVar[str] = "Order evaluate jobs with it; commit to other rows for new models."
        exam: U32

    class NotShown(Error):
        """The rows are still secret."""

        remedy: ClassVar[str] = "Wait for the event Exams.Shown."
        exam: U32

    class WrongRows(Error):
        """Owner, rows and salt are not what was committed to."""

        remedy: ClassVar[str] = "Show what was committed to, with its salt."
        commitment: Hash

    class NotHeldOut(Error):
        """The rows were not unknown when the model's training was ordered."""

        remedy: ClassVar[str] = "Take an exam committed to before that height, and shown after it."
        committed_at: BlockNumber
        ordered_at: BlockNumber
        shown_at: BlockNumber

    # Calls

    @call(0, weight=weights.commit)
    def commit(
        self, owner: Signed, name: ShortText, metric: Metric, tokens_max: U32, commitment: Hash
    ) -> None:
        """Commit to the rows of an exam, and to how they are scored; holds the deposit."""
        deposit = self.deposit.get()
        self.currency.hold(owner, deposit, DEPOSIT)
        number = self.next_exam.get()
        self.next_exam.put(number + 1)
        height = self.block.height
        self.exams[number] = Exam(owner, name, metric, tokens_max, commitment, deposit, height)
        self.emit(self.Committed(exam=number, owner=owner, name=name))

    @call(1, weight=weights.show)
    def show(self, owner: Signed, exam: U32, rows: ExamRows, salt: Hash) -> None:
        """Show the rows that were committed to, which are in the content store; deposit back."""
        record = self._exam(exam)
        if record.owner != owner:
            raise self.NotOwner(owner=record.owner)
        if record.shown is not None:
            raise self.ShownAlready(exam=exam)
        self.note_hashes(1, _COMMITMENT_BYTES)
        if hash_commitment(owner + rows.rows_root + salt) != record.commitment:
            raise self.WrongRows(commitment=record.commitment)
        self.currency.release(owner, record.deposit, DEPOSIT)
        self.exams[exam] = replace(record, deposit=0, shown=rows, shown_at=self.block.height)
        self.emit(self.Shown(exam=exam, rows=rows))

    # Helpers: `Examiner` for other pallets

    def shown_exam(self, exam: int) -> Exam:
        """An exam whose rows are shown; raises `UnknownExam` or `NotShown`."""
        record = self._exam(exam)
        if record.shown is None:
            raise self.NotShown(exam=exam)
        return record

    def require_held_out(self, exam: int, ordered_at: int) -> None:
        """Raise `NotHeldOut` unless the rows were secret when a training was ordered."""
        record = self.shown_exam(exam)
        shown_at = record.shown_at or 0
        if not record.committed_at < ordered_at < shown_at:
            raise self.NotHeldOut(
                committed_at=record.committed_at, ordered_at=ordered_at, shown_at=shown_at
            )

    def record_result(self, model: bytes, exam: int, job: int, figures: ExamFigures) -> None:
        """What a settled job found."""
        self.results[model, exam] = ExamResult(job, figures, self.block.height)
        score = figures.score_ppb(self._exam(exam).metric)
        self.emit(self.Scored(model=model, exam=exam, job=job, score_ppb=score))

    # Helpers

    def _exam(self, exam: int) -> Exam:
        record = self.exams.get(exam)
        if record is None:
            raise self.UnknownExam(exam=exam)
        return record
