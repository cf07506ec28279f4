"""Having the contributors' pool of one model and epoch divided: ordered, done as a job, settled.

    order -> the job, like any other (`jobs.py`) -> settle

The chain says how far an epoch is.  The order costs whoever sends it what a tenth of the pool does
not pay; the worker that does the job earns it.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from node.errors import CallFailed
from node.workers.errors import JobRefused
from node.workers.rows import fetch_version
from node.workers.workplace import Workplace
from pallets.attribution.pallet import Attribution
from pallets.attribution.types import EpochOrder
from runtime.calls import RuntimeCall
from runtime.codec import codec_of
from runtime.wire.attribution import AttributionResult
from runtime.wire.records import UNFINISHED, JobState, Model

_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of a model that has ended with a pool to divide."""

    model: bytes
    number: int
    pool: int


def advance_epoch(place: Workplace, epoch: Epoch) -> bool:
    """Do what is to be done for an epoch now; returns whether it can need this worker again.

    Raises `JobRefused` for an epoch whose pool has to wait.
    """
    if place.client.read("Attribution", "settlements", epoch.model, epoch.number) is not None:
        return False
    placed: EpochOrder | None = place.client.read(
        "Attribution", "orders", epoch.model, epoch.number
    )
    if placed is None:
        _order(place, epoch)
        return True
    job = place.read_job(placed.job)
    if job.state in UNFINISHED:
        return True
    if job.state is not JobState.SETTLED:
        _order(place, epoch)
        return True
    if job.result is not None and not job.result.fault:
        _settle(place, epoch, job.result.adapter)
    return False


def _order(place: Workplace, epoch: Epoch) -> None:
    """Order the division, unless somebody was faster."""
    _check_rows(place, epoch)
    call = Attribution.order.Call(model=epoch.model, epoch=epoch.number)
    if _submit(place, epoch, call):
        _log.info("epoch ordered", model=epoch.model.hex(), epoch=epoch.number, pool=epoch.pool)


def _settle(place: Workplace, epoch: Epoch, result_hash: bytes) -> None:
    result = codec_of(AttributionResult).decode(place.client.get_content(result_hash))
    call = Attribution.settle.Call(model=epoch.model, epoch=epoch.number, result=result)
    if _submit(place, epoch, call):
        _log.info("epoch settled", model=epoch.model.hex(), epoch=epoch.number, pool=epoch.pool)


def _submit(place: Workplace, epoch: Epoch, call: RuntimeCall) -> bool:
    """Send a call that another worker may have sent before; returns whether it was needed."""
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        _log.info("epoch call refused", epoch=epoch.number, error=error.message)
        return False
    return True


def _check_rows(place: Workplace, epoch: Epoch) -> None:
    """Raise `JobRefused` for a pool that has to wait: the chain would refuse its division."""
    model: Model = place.client.read("Models", "models", epoch.model)
    version = fetch_version(place.client, model.datanet, model.version)
    rows_min: int = place.client.read("Attribution", "rows_min")
    if version.row_count < rows_min:
        message = (
            f"The pool of epoch {epoch.number} waits: its Datanet has {version.row_count} rows, and"
            f" attribution needs {rows_min}."
        )
        raise JobRefused(message, remedy="Train on a version with more rows.")
