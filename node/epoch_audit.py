"""An epoch's settlement computed again, from what anybody who may read its answers can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.attribution.inputs import encode_influence_inputs
from node.client import NodeClient
from node.errors import NotFound
from node.workers.answers import AnswerServers
from node.workers.influence import influence_of
from node.workers.runs import run_attribution
from pallets.attribution.types import EpochOrder
from runtime.keys import Keypair
from runtime.wire.records import Job


@dataclass(frozen=True, slots=True)
class EpochAudit:
    """What a settlement was, and what it should have been."""

    job: int
    settled_root: bytes
    """The transcript root that the job's worker revealed."""
    computed_root: bytes
    settled_result: bytes
    computed_result: bytes

    @property
    def holds(self) -> bool:
        """Whether the worker computed what the order determines, to the last bit."""
        settled = (self.settled_root, self.settled_result)
        return settled == (self.computed_root, self.computed_result)


def audit_epoch(
    client: NodeClient,
    keypair: Keypair,
    model: bytes,
    epoch: int,
    servers: Sequence[str],
    base_model: Path,
    folder: Path,
) -> EpochAudit:
    """Run the job that divided an epoch's pool again, confined, in `folder`.

    Raises `NotFound` for an epoch without a result, and what fetching and running it raises.
    """
    placed: EpochOrder | None = client.read("Attribution", "orders", model, epoch)
    job: Job | None = None if placed is None else client.read("Compute", "jobs", placed.job)
    if placed is None or job is None or job.result is None:
        message = f"Nobody has divided the pool of epoch {epoch} of model {model.hex()}."
        raise NotFound(message, remedy="Wait until the event Attribution.Settled.")
    asked = AnswerServers(servers, client, keypair)
    inputs = encode_influence_inputs(influence_of(client, asked, placed.job, placed.task).inputs)
    found = run_attribution(folder, inputs, base_model, lambda: None)
    return EpochAudit(
        job=placed.job,
        settled_root=job.result.transcript_root,
        computed_root=found.transcript_root,
        settled_result=job.result.adapter,
        computed_result=found.adapter,
    )
