"""The work order of a training job, all of it from the chain: what worker and auditor agree on."""

from __future__ import annotations

from node.client import NodeClient
from node.workers.errors import JobRefused
from node.workers.rows import fetch_rows, fetch_version
from runtime.block import Header
from runtime.codec import codec_of
from runtime.offchain import RowsOfVersion, TrainingOrder, TrainingRow
from runtime.wire.records import Job
from runtime.wire.training_parameters import TrainingParameters


def parameters_of(number: int, job: Job) -> TrainingParameters:
    """What a training job is to be trained with; raises `JobRefused` for a job of another kind."""
    if job.order.parameters is None:
        message = f"Job {number} is of the kind {job.order.kind.name}."
        raise JobRefused(message, remedy="This worker takes training jobs.")
    return job.order.parameters


def order_of(client: NodeClient, number: int, job: Job) -> tuple[TrainingOrder, list[TrainingRow]]:
    """The work order of a claimed job with its rows.

    The beacon is that of the block after the claim, which nobody knew when the job was submitted or
    claimed.  Raises `JobRefused`.
    """
    if job.claimed_at is None:
        message = f"Job {number} is not claimed, so its data order is not drawn yet."
        raise JobRefused(message, remedy="Claim it first.")
    parameters = parameters_of(number, job)
    sources: list[RowsOfVersion] = []
    rows: list[TrainingRow] = []
    for source in job.order.sources:
        version = fetch_version(client, source.datanet, source.version)
        sources.append(RowsOfVersion(version.rows_root, version.row_count))
        rows.extend(fetch_rows(client, source.datanet, version))
    client.wait_height(job.claimed_at + 1)
    encoded = client.call("chain_getHeader", job.claimed_at + 1)["header"]
    order = TrainingOrder(
        job=number,
        base_model=job.order.base_model,
        sources=tuple(sources),
        beacon=codec_of(Header).decode(bytes.fromhex(encoded)).beacon,
        parameters=parameters,
    )
    return order, rows
