"""One training job from the claim to the settlement.

    check everything -> claim -> train -> upload -> journal -> commit -> reveal -> wait -> settle

The chain's record says how far a job is; the journal keeps what is too dear to repeat: the outcome
of a finished and uploaded run.  The salt of the blinded root follows from the worker's key.  So a
killed worker goes on anywhere without claiming or committing twice.
"""

from __future__ import annotations

import structlog

from ml.errors import MachineLearningError
from ml.training.recipe import check_parameters
from ml.training.run_files import ADAPTER_DIRECTORY, TRANSCRIPT_FILE, RunFiles
from ml.training.train import StepMetrics, train
from node.errors import CallFailed
from node.workers.errors import JobRefused
from node.workers.model_folders import upload_folder
from node.workers.orders import order_of, parameters_of
from node.workers.progress import Progress
from node.workers.rows import fetch_rows, fetch_version
from node.workers.states import upload_states
from node.workers.workplace import Workplace
from pallets.audits.types import AuditPlan
from pallets.compute.pallet import Compute
from runtime.hashing import hash_text
from runtime.types import PPB
from runtime.wire.blobs import decode_blob
from runtime.wire.records import UNFINISHED, Job, JobState, TrainingOutcome
from runtime.wire.transcripts import blinded_root, open_leaf

_log = structlog.get_logger("worker")


def advance_job(place: Workplace, number: int) -> bool:
    """Do what is to be done for a job now; returns whether it can need this worker again.

    Raises `JobRefused` for a job that cannot be trusted or done here.
    """
    job = place.read_job(number)
    is_mine = job.worker == place.keypair.account
    if job.state is JobState.OPEN and place.client.height() < job.deadline:
        if not _claim(place, number, job):
            return True
        job, is_mine = place.read_job(number), True
    if not is_mine:
        return job.state in UNFINISHED
    if job.state is JobState.CLAIMED:
        _train_and_commit(place, number, job)
    elif job.state is JobState.COMMITTED:
        _reveal(place, number)
    elif job.state is JobState.REVEALED and place.client.height() >= job.deadline:
        place.client.submit(Compute.settle.Call(job=number), place.keypair)
        _log.info("job settled", job=number)
        return False
    return job.state in UNFINISHED


def _claim(place: Workplace, number: int, job: Job) -> bool:
    """Check all that can be checked beforehand, then claim; False if another worker was faster."""
    place.base_model(job.order.base_model)
    try:
        check_parameters(parameters_of(number, job))
    except MachineLearningError as error:
        raise JobRefused(error.message, remedy=error.remedy) from error
    for source in job.order.sources:
        version = fetch_version(place.client, source.datanet, source.version)
        fetch_rows(place.client, source.datanet, version)
    try:
        inclusion = place.client.submit(Compute.claim.Call(job=number), place.keypair)
    except CallFailed as error:
        _log.info("job not claimed", job=number, error=error.message)
        return False
    _log.info("job claimed", job=number, height=inclusion.height)
    return True


def _train_and_commit(place: Workplace, number: int, job: Job) -> None:
    if place.client.height() >= job.deadline:
        message = f"The deadline of job {number} has passed."
        raise JobRefused(message, remedy="Its owner can have it refunded.")
    outcome = place.records.trained(number) or _train(place, number, job)
    blinded = blinded_root(outcome.transcript_root, place.keypair.account, _salt(place, number))
    try:
        place.client.submit(Compute.commit.Call(job=number, blinded=blinded), place.keypair)
    except CallFailed as error:
        if place.read_job(number).blinded != blinded:
            raise JobRefused(error.message, remedy=error.remedy) from error
    _log.info("result committed", job=number, adapter=outcome.adapter.hex())


def _reveal(place: Workplace, number: int) -> None:
    """Reveal the result, once nobody can copy it any more."""
    plan: AuditPlan | None = place.client.read("Audits", "plans", number)
    if plan is None:
        return
    waiting = any(audit.blinded is None for audit in plan.audits)
    if waiting and place.client.height() < plan.due:
        return
    outcome = place.records.trained(number)
    if outcome is None:
        message = f"The result of job {number} is not in this worker's journal."
        raise JobRefused(message, remedy="Start the worker with the folder that it worked in.")
    leaves = decode_blob(place.client.get_content(outcome.transcript), outcome.leaf_count)
    call = Compute.reveal.Call(
        job=number,
        outcome=outcome,
        salt=_salt(place, number),
        first=open_leaf(leaves, 0),
        last=open_leaf(leaves, len(leaves) - 1),
    )
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        if place.read_job(number).result is None:
            raise JobRefused(error.message, remedy=error.remedy) from error
    _log.info("result revealed", job=number)


def _salt(place: Workplace, number: int) -> bytes:
    """What blinds the root of a job: secret, and always the same."""
    return hash_text(place.keypair.sign(f"salt of job {number}".encode()))


def _train(place: Workplace, number: int, job: Job) -> TrainingOutcome:
    order, rows = order_of(place.client, number, job)
    directory = place.job_directory(number)
    place.show(Progress("training", job=number, total=parameters_of(number, job).steps))

    def on_step(metrics: StepMetrics) -> None:
        shown = Progress(
            "training",
            job=number,
            done=metrics.step,
            total=metrics.step_count,
            loss=metrics.loss,
        )
        place.show(shown)

    _log.info("training", job=number, rows=len(rows), steps=order.parameters.steps)
    try:
        report = train(order, rows, place.base_model(order.base_model), directory, on_step)
    except MachineLearningError as error:
        raise JobRefused(error.message, remedy=error.remedy) from error
    outcome = report.outcome
    if not outcome.fault:
        upload_folder(place.client, directory / ADAPTER_DIRECTORY)
    place.client.put_content((directory / TRANSCRIPT_FILE).read_bytes())
    upload_states(place.client, RunFiles(directory))
    place.records.note_trained(number, outcome)
    _log.info(
        "trained",
        job=number,
        transcript_root=outcome.transcript_root.hex(),
        validation_loss_before=round(outcome.validation_loss_before_ppb / PPB, 4),
        validation_loss_after=round(outcome.validation_loss_after_ppb / PPB, 4),
    )
    return outcome
