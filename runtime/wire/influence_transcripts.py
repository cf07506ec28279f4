r"""The transcript of an attribute job: a training replayed backward, leaf by leaf.

A replay at one node (a weight that all rows have alike) is 2 T + 2 leaves for T steps of training,
and the conclusion comes after the last node's:

    position   0      1 .. T     T + 1    T + 2 .. 2 T + 1
    leaf       begin  forward    target   backward (of step T .. 1)        conclusion

A leaf is judged as training's is, from the leaf before and its state; but a backward step also
reads the forward state that its step started from, which is elsewhere in the same transcript, and
the target of a later node reads the scores of the node before.  `needs` says which states an
opening must show: never more than two, the first of which belongs to the leaf before.

Every backward leaf commits to the contribution of each row of its batch (`RowContribution`), and to
the direction that they are slopes along: so one row at one step can be checked by that row alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from runtime.codec import codec_of
from runtime.merkle import InvalidLeaves
from runtime.types import I64, U8, U32, Hash, ShortText

NODES_MAX = 4
"""The most weights at which one training is replayed."""


class Phase(IntEnum):
    """What led to a leaf."""

    BEGIN = 0
    """The adapter before training."""
    FORWARD = 1
    """A step of training."""
    TARGET = 2
    """The gradient of what is attributed, at the last state."""
    BACKWARD = 3
    """A step of training, backward."""
    CONCLUSION = 4
    """The scores of all nodes, put together."""


@dataclass(frozen=True, slots=True)
class InfluenceShape:
    """What determines the transcript's length."""

    steps: int
    """Of the training, at least 1."""
    nodes: int

    @property
    def leaf_count(self) -> int:
        """How many leaves a transcript without a fault has."""
        return self.nodes * self.node_leaves + 1

    @property
    def node_leaves(self) -> int:
        """How many leaves there are for each node."""
        return 2 * self.steps + 2


@dataclass(frozen=True, slots=True)
class Place:
    """What a position of the transcript is about."""

    phase: Phase
    node: int
    """Counted from 0; for the conclusion, how many nodes there were."""
    step: int
    """The step of training that is done or undone, from 1; 0 where no step is."""


def place_of(shape: InfluenceShape, position: int) -> Place:
    """What the leaf at a position is about; raises `InvalidLeaves` outside the transcript."""
    if not 0 <= position < shape.leaf_count:
        message = f"There is no leaf {position} in a transcript of {shape.leaf_count}."
        raise InvalidLeaves(message, remedy="Ask for a leaf of the transcript.")
    node, within = divmod(position, shape.node_leaves)
    if node == shape.nodes:
        return Place(Phase.CONCLUSION, node, 0)
    if within == 0:
        return Place(Phase.BEGIN, node, 0)
    if within <= shape.steps:
        return Place(Phase.FORWARD, node, within)
    if within == shape.steps + 1:
        return Place(Phase.TARGET, node, 0)
    return Place(Phase.BACKWARD, node, shape.node_leaves - within)


def needs(shape: InfluenceShape, position: int) -> tuple[int, ...]:
    """The positions of the leaves whose states determine this one, at most two.

    None for a beginning; else the leaf before comes first.  Raises `InvalidLeaves` outside the
    transcript.
    """
    place = place_of(shape, position)
    start = place.node * shape.node_leaves
    if place.phase is Phase.BEGIN:
        return ()
    if place.phase is Phase.TARGET and place.node:
        return position - 1, start - 1
    if place.phase is Phase.BACKWARD:
        return position - 1, start + place.step - 1
    return (position - 1,)


@dataclass(frozen=True, slots=True)
class InfluenceLeaf:
    """One state of a replay, and what led to it; a leaf with a fault is the last one."""

    operators: ShortText
    """Name and version of the arithmetic: equal names give equal bits on every machine."""
    job: Hash
    """Hash of the order, which binds the training, the answers and the nodes."""
    position: U32
    state_root: Hash
    """`transcripts.state_root`: training's state after a beginning or a forward step, else the
    adjoint's (`ml.attribution.states`)."""
    record_root: Hash
    """Forward: Merkle list of the hashes of the rows that the step consumed, in their order.
    Backward: Merkle list of the `RowContribution`s, in the same order.  Conclusion: the hash
    of the `AttributionResult`.  Else zeros."""
    direction_root: Hash
    """Backward: `transcripts.state_root` of the float32 direction; else zeros."""
    total: I64
    """Forward: the batch's mean loss.  Target: the mean loss of the answers, weighed.  Conclusion:
    the sum of the rows' credits.  All three in 2**-30 nats.  Backward: the sum of the step's
    contributions, in 2**-40 nats.  Else 0."""
    fault: U8
    """0, or the deterministic fault code that ended the job."""

    def encode(self) -> bytes:
        """The canonical bytes that the transcript root commits to."""
        return codec_of(InfluenceLeaf).encode(self)


def decode_influence_leaf(data: bytes) -> InfluenceLeaf:
    """Return the leaf of a replay; raises `DecodeError`."""
    return codec_of(InfluenceLeaf).decode(data)


@dataclass(frozen=True, slots=True)
class RowContribution:
    """What one row of one batch contributed to the target by one step."""

    row_hash: Hash
    units: I64
    """In 2**-40 nats for its whole weight; positive: it helped."""

    def encode(self) -> bytes:
        """The canonical bytes of the Merkle leaf."""
        return codec_of(RowContribution).encode(self)
