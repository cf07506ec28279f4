"""What an attribute job is about, all of it from the chain, the content store and the servers.

    the order of the epoch -> the training that is replayed, the answers that count, what they weigh

Worker, auditors and referees build the same: which answers count follows from the receipts, which
say whether their answers may be looked at, and a server that has lost one holds up the job.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ml.attribution.influence_job import ANSWERS_MAX
from ml.attribution.inputs import InfluenceInputs
from node.api.disclosure import DisclosedAnswer
from node.client import NodeClient
from node.workers.answers import AnswerServers, WeighedAnswers, fetch_receipts, weigh_answers
from node.workers.errors import JobRefused
from node.workers.influence_file import influence_path, write_influence
from node.workers.orders import order_of
from node.workers.runs import run_preview
from node.workers.workplace import Workplace
from pallets.attribution.types import EpochOrder
from runtime.merkle import list_root
from runtime.offchain import InfluenceOrder
from runtime.wire.attribution import AttributionTask
from runtime.wire.records import AnswerBatch, Job

ORDERS_MAX = 100_000
"""The most orders of a chain that are looked at."""


@dataclass(frozen=True, slots=True)
class Influence:
    """An attribute job's inputs, and which answer is whose."""

    inputs: InfluenceInputs
    weighed: WeighedAnswers


def task_of(client: NodeClient, number: int, job: Job) -> AttributionTask:
    """What the chain ordered the job for; raises `JobRefused`."""
    orders: list[tuple[object, EpochOrder]] = client.entries("Attribution", "orders", ORDERS_MAX)
    for _place, placed in orders:
        if placed.job == number and placed.task.hash() == job.order.details:
            return placed.task
    message = f"Job {number} divides no pool that is known."
    raise JobRefused(message, remedy="Read Attribution.orders: it may have been ordered again.")


def influence_of(
    client: NodeClient, servers: AnswerServers, number: int, task: AttributionTask
) -> Influence:
    """All that job `number` reads.

    Raises `JobRefused`, `AnswersIncomplete` and `ServerUnreachable` for what cannot be had.
    """
    training_job: Job = client.read("Compute", "jobs", task.training)
    training, rows = order_of(client, task.training, training_job)
    weighed = _answers(client, servers, task)
    if not weighed.answers:
        message = f"Nobody may read what the model said in epoch {task.epoch}."
        raise JobRefused(message, remedy="The pool goes to the treasury, when it may be swept.")
    order = InfluenceOrder(
        job=number,
        training=training.hash(),
        answers_root=list_root([answer.encode() for answer in weighed.answers]),
        answer_count=len(weighed.answers),
        nodes=task.nodes,
        gain_floor_grid=task.gain_floor_grid,
        pool=task.pool,
        treasury=task.treasury,
    )
    return Influence(InfluenceInputs(training, tuple(rows), order, weighed.answers), weighed)


def _answers(client: NodeClient, servers: AnswerServers, task: AttributionTask) -> WeighedAnswers:
    """What the model said in the epoch, as far as it may be read."""
    count = client.read("Inference", "next_batch", task.model, task.epoch)
    batches: list[AnswerBatch] = [
        client.read("Inference", "batches", task.model, task.epoch, index) for index in range(count)
    ]
    counts: dict[bytes, int] = defaultdict(int)
    for batch in batches:
        counts[batch.server] += batch.answer_count
    disclosed: dict[bytes, DisclosedAnswer] = {}
    for server, answer_count in counts.items():
        disclosed |= servers.fetch(server, task.model, task.epoch, answer_count)
    return weigh_answers(fetch_receipts(client, batches), disclosed).heaviest(ANSWERS_MAX)


def explain(place: Workplace, number: int, job: Job) -> None:
    """Leave every row's influence on every single answer, for whoever asks about one; once."""
    task = task_of(place.client, number, job)
    path = influence_path(place.work, task.model, task.epoch)
    if path.exists():
        return
    found = influence_of(place.client, place.servers, number, task)
    base_model = place.base_model(job.order.base_model)
    influence = run_preview(place.job_directory(number), base_model, place.check_stop)
    places = found.weighed.places
    write_influence(path, list(places), influence[:, list(places.values())])
