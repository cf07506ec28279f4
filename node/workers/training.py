"""One job from the claim to the settlement.

    check everything -> claim -> compute -> upload -> commit -> reveal -> wait -> settle

The chain's record says how far a job is; the journal keeps the outcome of a finished run, which is
too dear to repeat; the salt of the blinded root follows from the worker's key.  So a killed worker
goes on anywhere without claiming or committing twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from ml.errors import MachineLearningError
from ml.training.recipe import check_parameters
from ml.training.run_files import TRANSCRIPT_FILE, RunFiles
from node.errors import CallFailed
from node.workers.computed import compute, upload
from node.workers.errors import JobRefused
from node.workers.exams import exam_of
from node.workers.influence import explain, influence_of, task_of
from node.workers.orders import parameters_of
from node.workers.progress import Stage
from node.workers.rows import fetch_rows, fetch_version
from node.workers.workplace import Workplace
from pallets.audits.types import AuditPlan
from pallets.compute.pallet import Compute
from runtime.wire.blobs import decode_blob
from runtime.wire.records import UNFINISHED, Job, JobKind, JobState
from runtime.wire.transcripts import blinded_root, open_leaf

STAGES: Mapping[JobKind, Stage] = {
    JobKind.TRAIN: "training",
    JobKind.ATTRIBUTE: "attributing",
    JobKind.EVALUATE: "evaluating",
}
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
    if is_mine:
        _advance_own(place, number, job)
        job = place.read_job(number)
    if job.state in UNFINISHED:
        return True
    _forget(place, number)
    return False


def _advance_own(place: Workplace, number: int, job: Job) -> None:
    """Take the next step of a job that this worker has claimed."""
    if job.state is JobState.CLAIMED:
        _compute_and_commit(place, number, job)
    elif job.state is JobState.COMMITTED:
        _reveal(place, number)
    elif _may_be_settled(place, job):
        place.client.submit(Compute.settle.Call(job=number), place.keypair)
        _log.info("job settled", job=number)
    elif job.order.kind is JobKind.ATTRIBUTE:
        explain(place, number, job)


def _may_be_settled(place: Workplace, job: Job) -> bool:
    is_due = job.state is JobState.REVEALED and not job.disputed
    return is_due and place.client.height() >= job.deadline


def _claim(place: Workplace, number: int, job: Job) -> bool:
    """Check all that can be checked beforehand, then claim; False if another worker was faster."""
    place.base_model(job.order.base_model)
    if job.order.kind is JobKind.ATTRIBUTE:
        influence_of(place.client, place.servers, number, task_of(place.client, number, job))
    elif job.order.kind is JobKind.EVALUATE:
        exam_of(place.client, number, job)
    else:
        _check_training(place, number, job)
    try:
        inclusion = place.client.submit(Compute.claim.Call(job=number), place.keypair)
    except CallFailed as error:
        _log.info("job not claimed", job=number, error=error.message)
        return False
    _log.info("job claimed", job=number, height=inclusion.height)
    return True


def _check_training(place: Workplace, number: int, job: Job) -> None:
    try:
        check_parameters(parameters_of(number, job))
    except MachineLearningError as error:
        raise JobRefused(error.message, remedy=error.remedy) from error
    for source in job.order.sources:
        version = fetch_version(place.client, source.datanet, source.version)
        fetch_rows(place.client, source.datanet, version)


def _compute_and_commit(place: Workplace, number: int, job: Job) -> None:
    if place.client.height() >= job.deadline:
        message = f"The deadline of job {number} has passed."
        raise JobRefused(message, remedy="Its owner can have it refunded.")
    outcome = compute(place, number, job, STAGES[job.order.kind])
    upload(place, number)
    blinded = blinded_root(outcome.transcript_root, place.keypair.account, place.salt(number))
    try:
        place.client.submit(Compute.commit.Call(job=number, blinded=blinded), place.keypair)
    except CallFailed as error:
        if place.read_job(number).blinded != blinded:
            raise JobRefused(error.message, remedy=error.remedy) from error
    _log.info("result committed", job=number, blinded=blinded.hex())


def _reveal(place: Workplace, number: int) -> None:
    """Reveal the result, once nobody can copy it any more."""
    plan: AuditPlan | None = place.client.read("Audits", "plans", number)
    if plan is None:
        return
    waiting = any(audit.blinded is None for audit in plan.audits)
    if waiting and place.client.height() < plan.due:
        return
    outcome = place.records.computed(number)
    if outcome is None:
        message = f"The result of job {number} is not in this worker's journal."
        raise JobRefused(message, remedy="Start the worker with the folder that it worked in.")
    transcript = (place.job_directory(number) / TRANSCRIPT_FILE).read_bytes()
    leaves = decode_blob(transcript, outcome.leaf_count)
    call = Compute.reveal.Call(
        job=number,
        outcome=outcome,
        salt=place.salt(number),
        first=open_leaf(leaves, 0),
        last=open_leaf(leaves, len(leaves) - 1),
    )
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        if place.read_job(number).result is None:
            raise JobRefused(error.message, remedy=error.remedy) from error
    _log.info("result revealed", job=number, adapter=outcome.adapter.hex())


def _forget(place: Workplace, number: int) -> None:
    """Free the room of a run that nobody can ask about any more."""
    folder = place.job_directory(number)
    if folder.exists():
        RunFiles(folder).drop_states()
