"""What it takes to check a result, read to the end: rows, answers, transcript, states, result."""

from __future__ import annotations

from node.client import NodeClient
from node.workers.answers import AnswerServers
from node.workers.errors import JobRefused
from node.workers.exams import exam_of
from node.workers.influence import influence_of, task_of
from node.workers.orders import order_of
from node.workers.states import fetch_transcript, read_states
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.wire.attribution import AttributionResult
from runtime.wire.manifest import Manifest
from runtime.wire.records import Job, JobKind, TrainingOutcome


def read_everything(client: NodeClient, servers: AnswerServers, number: int, job: Job) -> None:
    """Read all that a challenger needs of a revealed job; with a `GatheringClient` it is kept.

    Raises `JobRefused` for what is not as committed, `ContentMissing` for what nobody has, and
    `AnswersIncomplete` or `ServerUnreachable` for answers that cannot be had.
    """
    outcome = job.result
    if outcome is None:
        raise JobRefused(f"Job {number} is not revealed.", remedy="Wait until it is.")
    if job.order.kind is JobKind.EVALUATE:
        _read_exam(client, number, job, outcome)
        return
    is_division = job.order.kind is JobKind.ATTRIBUTE
    if is_division:
        influence_of(client, servers, number, task_of(client, number, job))
    else:
        order_of(client, number, job)
    read_states(client, job.order.kind, outcome)
    if outcome.adapter == ZERO_HASH:
        return
    if is_division:
        _read_division(client, outcome.adapter)
    else:
        _read_folder(client, outcome.adapter)


def _read_exam(client: NodeClient, number: int, job: Job, outcome: TrainingOutcome) -> None:
    exam_of(client, number, job)
    fetch_transcript(client, outcome)
    if job.order.subject is not None and job.order.subject != job.order.base_model:
        _read_folder(client, job.order.subject)


def _read_division(client: NodeClient, result_hash: bytes) -> None:
    try:
        result = codec_of(AttributionResult).decode(client.get_content(result_hash))
    except DecodeError as error:
        message = f"The result cannot be read: {error.message}"
        raise JobRefused(message, remedy="Do not certify this job.") from error
    for blob in (result.scores, result.payouts):
        client.get_content(blob)


def _read_folder(client: NodeClient, manifest_hash: bytes) -> None:
    try:
        manifest = codec_of(Manifest).decode(client.get_content(manifest_hash))
    except DecodeError as error:
        message = f"The adapter's manifest cannot be read: {error.message}"
        raise JobRefused(message, remedy="Do not certify this job.") from error
    for file in manifest.files:
        client.get_content(file.content_hash)
