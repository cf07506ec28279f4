"""What the owner and the auditor of a job do with it: quote, submit, bundle, verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.manifest import manifest_of
from ml.training.bundle import Verification, verify_bundle, write_bundle
from ml.training.inputs import encode_inputs
from ml.training.run_files import TRANSCRIPT_FILE
from node.client import NodeClient
from node.workers.errors import JobRefused
from node.workers.exams import compute_exam
from node.workers.orders import order_of
from node.workers.rows import fetch_version
from node.workers.runs import RunPlace, run_training
from node.workers.states import fetch_transcript
from pallets.compute.pallet import Compute
from runtime.keys import Keypair
from runtime.wire.blobs import decode_blob
from runtime.wire.exams import Exam
from runtime.wire.records import Job, JobKind, JobOrder, RowSource, TrainingOutcome, exam_order
from runtime.wire.transcripts import first_difference
from runtime.wire.work import least_fee, order_work


@dataclass(frozen=True, slots=True)
class Quote:
    """What a job takes, known before anything is signed."""

    row_count: int
    leaf_count: int
    work: int
    """Multiply-adds of the exact operators at most."""
    fee: int
    """The least that the chain asks for it, in 10**-18 OPEN."""


def row_count(client: NodeClient, sources: Sequence[RowSource]) -> int:
    """The rows of published Datanet versions; raises `JobRefused` for one that is not there."""
    versions = [fetch_version(client, source.datanet, source.version) for source in sources]
    return sum(version.row_count for version in versions)


def quote(client: NodeClient, order: JobOrder, rows: int) -> Quote:
    """What an order over so many rows takes, and costs at least, exactly as the chain counts it.

    Raises `JobRefused` for a base model that is not admitted.
    """
    base = client.read("Models", "base_models", order.base_model)
    if base is None or base.admitted_at is None:
        message = f"The base model {order.base_model.hex()} is not admitted."
        raise JobRefused(message, remedy="`openledger model propose` begins what it takes.")
    exam = None if order.exam is None else client.read("Exams", "exams", order.exam)
    work = order_work(base.shape, order, rows, None if exam is None else exam.tokens_max)
    fee_min: int = client.read("Compute", "fee_min")
    price: int = client.read("Compute", "work_price")
    return Quote(rows, order.leaf_count, work, least_fee(work, fee_min, price))


def submit(client: NodeClient, keypair: Keypair, order: JobOrder, fee: int) -> int:
    """Order a job; returns its number.  Raises `CallFailed`."""
    inclusion = client.submit(Compute.submit_job.Call(order=order, fee=fee), keypair)
    return int(inclusion.fields("Compute", "Submitted")["job"])


def ordered_exam(
    client: NodeClient, base_model: bytes, model: bytes | None, exam: int
) -> tuple[JobOrder, int]:
    """The order of an adapter or, without one, the base model on an exam; and the exam's rows.

    Raises `JobRefused` for an exam that is not shown.
    """
    found: Exam | None = client.read("Exams", "exams", exam)
    if found is None or found.shown is None:
        message = f"There is no exam {exam} whose rows are shown."
        raise JobRefused(message, remedy="Wait until its owner shows them.")
    rows = found.shown.row_count
    return exam_order(base_model, model or base_model, exam, rows), rows


def read_job(client: NodeClient, number: int) -> Job:
    """The job as the chain has it; raises `JobRefused` for an unknown number."""
    job: Job | None = client.read("Compute", "jobs", number)
    if job is None:
        raise JobRefused(f"There is no job {number}.", remedy="Check the node's URL.")
    return job


def bundle(client: NodeClient, number: int, base_model: Path, path: Path) -> TrainingOutcome:
    """Write everything that it takes to run a revealed job again into one file.

    Raises `JobRefused` for a job without a result, and `ContentMissing` for what nobody has.
    """
    job = read_job(client, number)
    if job.result is None:
        raise _without_result(number, job)
    order, rows = order_of(client, number, job)
    if manifest_of(base_model).hash() != order.base_model:
        message = f"{base_model} is not the base model of job {number}."
        raise JobRefused(message, remedy=f"Give that with the hash {order.base_model.hex()}.")
    transcript = client.get_content(job.result.transcript)
    write_bundle(path, encode_inputs(order, rows), job.result, transcript, base_model)
    return job.result


def verify_job(client: NodeClient, number: int, base_model: Path, folder: Path) -> Verification:
    """Run a revealed job of the chain again in an empty folder; errors as `bundle`."""
    job = read_job(client, number)
    if job.order.kind is not JobKind.EVALUATE:
        path = folder / "bundle.zip"
        bundle(client, number, base_model, path)
        return verify(path, folder / "run")
    if job.result is None:
        raise _without_result(number, job)
    claimed = fetch_transcript(client, job.result)
    place = RunPlace(folder / "run", base_model)
    found = compute_exam(client, number, job, place, lambda: None)
    own = decode_blob((place.folder / TRANSCRIPT_FILE).read_bytes(), found.leaf_count)
    return Verification(job.result, found, first_difference(claimed, own))


def _without_result(number: int, job: Job) -> JobRefused:
    message = f"Job {number} is {job.state.name.lower()} and has no result yet."
    return JobRefused(message, remedy="Wait until its worker has revealed it.")


def verify(path: Path, folder: Path) -> Verification:
    """Run a bundle's job again in an empty folder, confined; raises `BundleUnreadable`."""

    def run(run_folder: Path, inputs: bytes, base_model: Path) -> TrainingOutcome:
        return run_training(run_folder, inputs, base_model, lambda: None)

    return verify_bundle(path, folder, run)
