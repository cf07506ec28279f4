"""What an attribute job is asked, and what it says: the two ends of an epoch's settlement.

    pool of (model, epoch) -> AttributionTask -> attribute job -> AttributionResult -> Settlement

The job's order names the task by its hash (`JobOrder.details`).  Everything else that its leaves
depend on, the chain and the content store have under what the task names.  The last leaf of the
transcript is the hash of the result, so whoever disputes a score, a class, a division or a sum
disputes a leaf like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.types import U32, U64, AccountId, Amount, Between, Hash
from runtime.wire.influence_transcripts import NODES_MAX, InfluenceShape, needs
from runtime.wire.records import JobKind, JobOrder

REPLAY_FACTOR = 4
"""Trainings that a replay at one node is as much work as: one forward, and three backward."""
TRAINING_LEAVES = 2
"""Leaves of a training run's transcript beside those of its steps."""
Nodes = Annotated[int, Between(1, NODES_MAX)]
"""At how many weights of the data an epoch's influence is taken."""


@dataclass(frozen=True, slots=True)
class AttributionTask:
    """Which answers are attributed to which rows, how, and what there is to divide."""

    model: Hash
    epoch: U32
    training: U32
    """The job that made the model: its rows, order of rows and parameters."""
    nodes: Nodes
    gain_floor_grid: U64
    """An answer counts by its fee over what the adapter gained on it, in 2**-30 nats, or over this,
    if that is more."""
    pool: Amount
    treasury: AccountId
    """Who has what nobody earned."""

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(AttributionTask).encode(self)

    def hash(self) -> bytes:
        """What the job's order names it by, 32 bytes."""
        return hash_content(self.encode())


@dataclass(frozen=True, slots=True)
class AttributionResult:
    """What an attribute job came to; the fields are those of a `Settlement`."""

    pool: Amount
    payout_root: Hash
    leaf_count: U32
    payouts: Hash
    scores_root: Hash
    credits: Amount
    scores: Hash

    def encode(self) -> bytes:
        """The canonical bytes, which the content store has, too."""
        return codec_of(AttributionResult).encode(self)

    def hash(self) -> bytes:
        """The last leaf of the job's transcript, 32 bytes."""
        return hash_content(self.encode())


def attribution_shape(training: JobOrder, nodes: int) -> InfluenceShape:
    """The shape of the transcript that replays a training run at so many nodes."""
    return InfluenceShape(training.leaf_count - TRAINING_LEAVES, nodes)


def attribution_order(training: JobOrder, task: AttributionTask) -> JobOrder:
    """The order of a task about a model that was trained by the order `training`."""
    return JobOrder(
        kind=JobKind.ATTRIBUTE,
        base_model=training.base_model,
        sources=training.sources,
        purpose=training.purpose,
        leaf_count=attribution_shape(training, task.nodes).leaf_count,
        subject=task.model,
        details=task.hash(),
    )


def nodes_of(training: JobOrder, order: JobOrder) -> int:
    """At how many nodes an attribute job replays a training run."""
    return order.leaf_count // attribution_shape(training, nodes=1).node_leaves


def replay_work(training_work: int, training: JobOrder, order: JobOrder) -> int:
    """The multiply-adds of an attribute job about a training run of so many."""
    return training_work * REPLAY_FACTOR * nodes_of(training, order)


def other_leaf_of(training: JobOrder, order: JobOrder, position: int) -> int | None:
    """The leaf whose state determines one of an attribute job, beside the leaf before it."""
    before_and_other = needs(attribution_shape(training, nodes_of(training, order)), position)
    return before_and_other[1] if len(before_and_other) > 1 else None
