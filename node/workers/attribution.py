"""Dividing the contributors' pool of one model and epoch among the owners of its rows.

    receipts and texts -> influence of every trained row -> scores -> payouts -> commit -> settle

As with training, the chain says how far an epoch is, and the journal keeps the computed division
until it is there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import structlog

from ml.attribution.payout import EpochPayout, settle_epoch
from ml.attribution.tracin import ANSWERS_MAX, METHOD, checkpoints_of, tracin
from ml.errors import MachineLearningError
from ml.training.order import trained_rows
from ml.training.recipe import attribution_steps
from node.api.disclosure import DisclosedAnswer
from node.errors import CallFailed
from node.workers.answers import WeighedAnswers, fetch_receipts, weigh_answers
from node.workers.errors import JobRefused
from node.workers.influence_file import influence_path, write_influence
from node.workers.orders import order_of
from node.workers.progress import Progress
from node.workers.records import AttributionOutcome
from node.workers.rows import fetch_version
from node.workers.states import fetch_states
from node.workers.workplace import Workplace
from pallets.attribution.pallet import Attribution
from pallets.pots import TREASURY
from runtime.offchain import Answer, TrainingOrder, TrainingRow
from runtime.wire.blobs import encode_blob
from runtime.wire.records import AnswerBatch, Job, JobState, Model, Settlement

PROGRESS_UNITS = 1_000
"""Attribution reports a fraction; the bar counts in thousandths."""
_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of a model that has ended with a pool to divide."""

    model: bytes
    number: int
    pool: int


def advance_epoch(place: Workplace, epoch: Epoch) -> bool:
    """Do what is to be done for an epoch now; returns whether it can need this worker again.

    Raises `WorkerError` for an epoch that cannot be attributed here or yet.
    """
    settlement = _settlement(place, epoch)
    if settlement is None:
        _commit(place, epoch, _outcome(place, epoch))
        return True
    is_mine = settlement.worker == place.keypair.account
    if settlement.state is not JobState.COMMITTED or not is_mine:
        return False
    if place.client.height() < settlement.deadline:
        return True
    call = Attribution.settle.Call(model=epoch.model, epoch=epoch.number)
    place.client.submit(call, place.keypair)
    _log.info("epoch settled", model=epoch.model.hex(), epoch=epoch.number)
    return False


def _settlement(place: Workplace, epoch: Epoch) -> Settlement | None:
    found: Settlement | None = place.client.read(
        "Attribution", "settlements", epoch.model, epoch.number
    )
    return found


def _commit(place: Workplace, epoch: Epoch, outcome: AttributionOutcome) -> None:
    call = Attribution.commit.Call(
        model=epoch.model,
        epoch=epoch.number,
        payout_root=outcome.payout_root,
        leaf_count=outcome.leaf_count,
        payouts=outcome.payouts,
        scores_root=outcome.scores_root,
        scores=outcome.scores,
        method=METHOD,
    )
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        if _settlement(place, epoch) is None:
            raise JobRefused(error.message, remedy=error.remedy) from error
        _log.info("epoch committed by another worker", epoch=epoch.number)
        return
    _log.info("epoch committed", model=epoch.model.hex(), epoch=epoch.number, pool=epoch.pool)


def _outcome(place: Workplace, epoch: Epoch) -> AttributionOutcome:
    """The division of the epoch's pool, from the journal or computed now."""
    noted = place.records.attributed(epoch.model, epoch.number, epoch.pool)
    if noted is not None:
        return noted
    try:
        payout = _compute(place, epoch)
    except MachineLearningError as error:
        raise JobRefused(error.message, remedy=error.remedy) from error
    outcome = AttributionOutcome(
        payout_root=payout.payout_root,
        leaf_count=len(payout.payouts),
        payouts=place.client.put_content(encode_blob(payout.encoded_payouts())),
        scores_root=payout.scores_root,
        scores=place.client.put_content(encode_blob(payout.encoded_scores())),
    )
    place.records.note_attributed(epoch.model, epoch.number, epoch.pool, outcome)
    return outcome


def _compute(place: Workplace, epoch: Epoch) -> EpochPayout:
    model: Model = place.client.read("Models", "models", epoch.model)
    _check_rows(place, epoch, model)
    job = place.read_job(model.job)
    weighed = _answers(place, epoch)
    order, rows = order_of(place.client, model.job, job)
    trained = trained_rows(order, rows)
    if not weighed.answers:
        # Nobody may read what the model said: nobody earned anything by it.
        silence = [Answer("", "", 1)]
        return settle_epoch(trained, silence, np.zeros((len(trained), 1)), epoch.pool, TREASURY)
    influence = _influence(place, epoch, job, order, trained, weighed.answers)
    path = influence_path(place.work, epoch.model, epoch.number)
    columns = list(weighed.places.values())
    write_influence(path, list(weighed.places), influence[:, columns])
    return settle_epoch(trained, weighed.answers, influence, epoch.pool, TREASURY)


def _check_rows(place: Workplace, epoch: Epoch, model: Model) -> None:
    """Raise `JobRefused` for a pool that has to wait: the chain would refuse its division."""
    version = fetch_version(place.client, model.datanet, model.version)
    rows_min: int = place.client.read("Attribution", "rows_min")
    if version.row_count < rows_min:
        message = (
            f"The pool of epoch {epoch.number} waits: its Datanet has {version.row_count} rows, and"
            f" attribution needs {rows_min}."
        )
        raise JobRefused(message, remedy="Train on a version with more rows.")


def _influence(
    place: Workplace,
    epoch: Epoch,
    job: Job,
    order: TrainingOrder,
    trained: tuple[TrainingRow, ...],
    answers: tuple[Answer, ...],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    def on_progress(fraction: float) -> None:
        place.show(
            Progress(
                "attributing",
                model=epoch.model.hex(),
                epoch=epoch.number,
                done=round(fraction * PROGRESS_UNITS),
                total=PROGRESS_UNITS,
            )
        )

    _log.info("attributing", epoch=epoch.number, rows=len(trained), answers=len(answers))
    on_progress(0.0)
    if job.result is None:
        raise JobRefused("The model's job has no result.", remedy="Check the node's URL.")
    parameters = order.parameters
    states = fetch_states(place.client, job.result, attribution_steps(parameters))
    checkpoints = checkpoints_of(parameters, states)
    base_model = place.base_model(order.base_model)
    return tracin(base_model, parameters, checkpoints, trained, answers, on_progress)


def _answers(place: Workplace, epoch: Epoch) -> WeighedAnswers:
    """What the model said in the epoch, as far as it may be read."""
    client = place.client
    count = client.read("Inference", "next_batch", epoch.model, epoch.number)
    batches: list[AnswerBatch] = [
        client.read("Inference", "batches", epoch.model, epoch.number, index)
        for index in range(count)
    ]
    counts: dict[bytes, int] = defaultdict(int)
    for batch in batches:
        counts[batch.server] += batch.answer_count
    disclosed: dict[bytes, DisclosedAnswer] = {}
    for server, answer_count in counts.items():
        disclosed |= place.servers.fetch(server, epoch.model, epoch.number, answer_count)
    weighed = weigh_answers(fetch_receipts(client, batches), disclosed)
    return weighed.heaviest(ANSWERS_MAX)
