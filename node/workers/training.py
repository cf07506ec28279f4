"""One training job from the claim to the settlement.

    check everything -> claim -> train -> upload -> journal -> commit -> wait -> settle

The chain's record says how far a job is; the journal keeps what is too dear to repeat: the outcome
of a finished and uploaded run.  So a killed worker goes on anywhere without claiming or committing
twice.
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
from node.workers.orders import order_of
from node.workers.progress import Progress
from node.workers.rows import fetch_rows, fetch_version
from node.workers.states import upload_states
from node.workers.workplace import Workplace
from pallets.compute.pallet import Compute
from runtime.types import PPB
from runtime.wire.records import JobState, TrainingJob, TrainingOutcome

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
    if job.state is JobState.CLAIMED and is_mine:
        _train_and_commit(place, number, job)
        job = place.read_job(number)
    if job.state is JobState.COMMITTED and is_mine and place.client.height() >= job.deadline:
        place.client.submit(Compute.settle.Call(job=number), place.keypair)
        _log.info("job settled", job=number)
        return False
    return job.state not in {JobState.SETTLED, JobState.REFUNDED}


def _claim(place: Workplace, number: int, job: TrainingJob) -> bool:
    """Check all that can be checked beforehand, then claim; False if another worker was faster."""
    place.base_model(job.base_model)
    try:
        check_parameters(job.parameters)
    except MachineLearningError as error:
        raise JobRefused(error.message, remedy=error.remedy) from error
    fetch_rows(place.client, job.datanet, fetch_version(place.client, job.datanet, job.version))
    try:
        inclusion = place.client.submit(Compute.claim.Call(job=number), place.keypair)
    except CallFailed as error:
        _log.info("job not claimed", job=number, error=error.message)
        return False
    _log.info("job claimed", job=number, height=inclusion.height)
    return True


def _train_and_commit(place: Workplace, number: int, job: TrainingJob) -> None:
    if place.client.height() >= job.deadline:
        message = f"The deadline of job {number} has passed."
        raise JobRefused(message, remedy="Its owner can have it refunded.")
    outcome = place.records.trained(number) or _train(place, number, job)
    call = Compute.commit_result.Call(job=number, outcome=outcome)
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        if place.read_job(number).result != outcome:
            raise JobRefused(error.message, remedy=error.remedy) from error
    _log.info("result committed", job=number, adapter=outcome.adapter.hex())


def _train(place: Workplace, number: int, job: TrainingJob) -> TrainingOutcome:
    order, rows = order_of(place.client, number, job)
    directory = place.job_directory(number)
    place.show(Progress("training", job=number, total=job.parameters.steps))

    def on_step(metrics: StepMetrics) -> None:
        shown = Progress(
            "training",
            job=number,
            done=metrics.step,
            total=metrics.step_count,
            loss=metrics.loss,
        )
        place.show(shown)

    _log.info("training", job=number, rows=len(rows), steps=job.parameters.steps)
    try:
        report = train(order, rows, place.base_model(job.base_model), directory, on_step)
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
