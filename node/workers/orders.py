"""The work order of a training job, all of it from the chain: what worker and auditor agree on."""

from __future__ import annotations

from node.client import NodeClient
from node.workers.errors import JobRefused
from node.workers.rows import fetch_rows, fetch_version
from runtime.block import Header
from runtime.codec import codec_of
from runtime.offchain import RowsOfVersion, TrainingOrder, TrainingRow
from runtime.wire.records import TrainingJob


def order_of(
    client: NodeClient, number: int, job: TrainingJob
) -> tuple[TrainingOrder, list[TrainingRow]]:
    """The work order of a claimed job with its rows.

    The beacon is that of the block after the claim, which nobody knew when the job was submitted or
    claimed.  Raises `JobRefused`.
    """
    if job.claimed_at is None:
        message = f"Job {number} is not claimed, so its data order is not drawn yet."
        raise JobRefused(message, remedy="Claim it first.")
    version = fetch_version(client, job.datanet, job.version)
    client.wait_height(job.claimed_at + 1)
    encoded = client.call("chain_getHeader", job.claimed_at + 1)["header"]
    order = TrainingOrder(
        job=number,
        base_model=job.base_model,
        sources=(RowsOfVersion(version.rows_root, version.row_count),),
        beacon=codec_of(Header).decode(bytes.fromhex(encoded)).beacon,
        parameters=job.parameters,
    )
    return order, list(fetch_rows(client, job.datanet, version))
