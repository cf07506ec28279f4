"""Evaluate jobs: what an exam reads, all of it from the chain and the content store, and its runs.

Worker, auditors and referees build the same order.  The adapter's files are fetched into the run's
folder, which the confined process reads beside the base model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml.exams.inputs import encode_exam
from node.client import NodeClient
from node.workers.errors import JobRefused
from node.workers.model_folders import fetch_folder
from node.workers.runs import RunPlace, run_exam
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hash_content
from runtime.merkle import list_root
from runtime.offchain import ExamOrder
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.exams import EXAM_ROWS_MAX, Exam
from runtime.wire.records import Job, Model, TrainingOutcome
from runtime.wire.rows import Row

SUBJECT_FOLDER = "subject"
NO_STATE = hash_content(encode_blob([]))
"""What is opened as the state between two leaves of an exam: there is none."""


@dataclass(frozen=True, slots=True)
class ExamInputs:
    """An exam's order and its rows."""

    order: ExamOrder
    rows: tuple[Row, ...]

    def encode(self) -> bytes:
        """The file that a run reads."""
        return encode_exam(self.order, self.rows)


def exam_of(client: NodeClient, number: int, job: Job) -> ExamInputs:
    """The order of an evaluate job with its rows; raises `JobRefused` or `ContentMissing`."""
    order, subject = job.order, job.order.subject
    exam: Exam = client.read("Exams", "exams", order.exam)
    if exam.shown is None or subject is None:
        message = f"Job {number} has no rows that are shown."
        raise JobRefused(message, remedy="Check the node's URL.")
    is_base = subject == order.base_model
    inputs = ExamOrder(
        job=number,
        base_model=order.base_model,
        adapter=None if is_base else subject,
        rows_root=exam.shown.rows_root,
        row_count=exam.shown.row_count,
        tokens_max=exam.tokens_max,
        prompt_template="" if is_base else _template(client, subject),
    )
    return ExamInputs(inputs, _rows(client, exam))


def compute_exam(
    client: NodeClient, number: int, job: Job, place: RunPlace, watch: Callable[[], None]
) -> TrainingOutcome:
    """The outcome of an evaluate job, computed in a folder; errors as `run_training`."""
    inputs = exam_of(client, number, job)
    return run_exam(place, inputs.encode(), fetch_subject(client, inputs, place.folder), watch)


def fetch_subject(client: NodeClient, inputs: ExamInputs, folder: Path) -> Path | None:
    """The adapter's folder below a run's; None for an exam of the base model."""
    adapter = inputs.order.adapter
    return None if adapter is None else fetch_folder(client, adapter, folder / SUBJECT_FOLDER)


def _template(client: NodeClient, subject: bytes) -> str:
    """The prompt template that an adapter was trained with."""
    model: Model = client.read("Models", "models", subject)
    trained: Job = client.read("Compute", "jobs", model.job)
    return "" if trained.order.parameters is None else trained.order.parameters.prompt_template


def _rows(client: NodeClient, exam: Exam) -> tuple[Row, ...]:
    shown = exam.shown
    if shown is None:
        raise JobRefused(f"The exam {exam.name} is secret.", remedy="Wait until it is shown.")
    remedy = "Do not score models on this exam."
    try:
        items = decode_blob(client.get_content(shown.rows), EXAM_ROWS_MAX)
        rows = tuple(codec_of(Row).decode(item) for item in items)
    except DecodeError as error:
        message = f"The rows of the exam {exam.name} cannot be read: {error.message}"
        raise JobRefused(message, remedy=remedy) from error
    found = list_root([row.hash() for row in rows])
    if (len(rows), found) != (shown.row_count, shown.rows_root):
        message = f"The rows of the exam {exam.name} do not lead to its root."
        raise JobRefused(message, remedy=remedy)
    return rows
