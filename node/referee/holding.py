"""What it takes to check a result, read to the end: rows, transcript, states, adapter."""

from __future__ import annotations

from node.client import NodeClient
from node.workers.errors import JobRefused
from node.workers.orders import order_of
from node.workers.states import fetch_leaves, fetch_states
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.wire.manifest import Manifest
from runtime.wire.records import Job


def read_everything(client: NodeClient, number: int, job: Job) -> None:
    """Read all that a challenger needs of a revealed job; with a `GatheringClient` it is kept.

    Raises `JobRefused` for what is not as committed, `ContentMissing` for what nobody has.
    """
    outcome = job.result
    if outcome is None:
        raise JobRefused(f"Job {number} is not revealed.", remedy="Wait until it is.")
    order_of(client, number, job)
    leaves = fetch_leaves(client, outcome)
    fetch_states(client, outcome, range(len(leaves)))
    if outcome.adapter != ZERO_HASH:
        _read_folder(client, outcome.adapter)


def _read_folder(client: NodeClient, manifest_hash: bytes) -> None:
    try:
        manifest = codec_of(Manifest).decode(client.get_content(manifest_hash))
    except DecodeError as error:
        message = f"The adapter's manifest cannot be read: {error.message}"
        raise JobRefused(message, remedy="Do not certify this job.") from error
    for file in manifest.files:
        client.get_content(file.content_hash)
