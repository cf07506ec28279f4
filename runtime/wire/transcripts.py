r"""The transcript of a checked computation, and what a dispute about it opens.

A computation of `count` leaves is committed to by the Merkle list of its encoded leaves (the
transcript root).  Nothing but `TranscriptLeaf` is about training: bisection, openings and verdicts
take encoded leaves of any kind, each of which determines the next one.

A dispute walks down the committed tree itself.  In a round the worker posts the nodes four levels
below the disputed one, at most 16, which must hash to it, and the challenger names the first that
differs from its own:

    level 11          root of 2,002 leaves
    level  7        o o o o o o o o o o o o o o o o        round 1
    level  3        o o o x ...                            round 2
    level  0        o o o x ...   the first wrong leaf     round 3

So a posted node needs no path, and the worker has no freedom but silence.  The leaf before the
first wrong one is agreed by both: the worker opens the two leaves and the state between them
(`StepOpening`), and whoever judges computes the second leaf from the first.

Related: Canetti, Riva and Rothblum, "Practical delegation of computation using multiple servers"
(2011); Teutsch and Reitwiessner, "A scalable verification solution for blockchains" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.hashing import hash_blinded_root, hash_list_leaf
from runtime.merkle import bind_list, fold_nodes, list_nodes, list_path, list_root, verify_list
from runtime.types import I64, U8, U32, U64, Hash, Max, ShortText
from runtime.wire.receipts import ListPath

STATE_CHUNK_BYTES = 65_536
"""A state is hashed, and opened, in chunks of this size."""
STATE_PART_BYTES = 512 * STATE_CHUNK_BYTES
"""A state is stored in parts of this size, 32 MiB."""
STATE_PARTS_MAX = 64
"""The most parts of a state: 2 GiB, an adapter of 180 million numbers."""
LEAF_BYTES_MAX = 512
"""The largest encoded leaf of any kind of computation."""
ROUND_LEVELS = 4
ROUND_NODES_MAX = 2**ROUND_LEVELS
"""The most nodes that a worker posts in one round."""

EncodedLeaf = Annotated[bytes, Max(LEAF_BYTES_MAX)]
Split = Annotated[tuple[Hash, ...], Max(ROUND_NODES_MAX)]
"""The nodes that a worker posts in one round, left to right."""


@dataclass(frozen=True, slots=True)
class TranscriptLeaf:
    """One state of a training run, and what led to it.

    Leaf 0 is the initial state, with the validation loss before training.  Leaf t is the state
    after step t of 1 to T.  Leaf T + 1 is the conclusion: the last state again, the adapter's
    manifest hash as `batch_root`, the validation loss after training.  A leaf with a fault is the
    last one.
    """

    operators: ShortText
    """Name and version of the arithmetic: equal names give equal bits on every machine."""
    job: Hash
    """Hash of the work order, which binds base model, rows, parameters and beacon."""
    step: U32
    state_root: Hash
    """`state_root` of adapter weights, both moments, and the powers of both decay rates."""
    batch_root: Hash
    """Merkle list of the hashes of the rows that the step consumed, in their order."""
    random_counter: U64
    """Dropout streams used since the start: each row consumed takes one; 0 without dropout."""
    cursor: U64
    """Rows consumed since the start."""
    learning_rate_bits: U32
    """The step's learning rate as the bits of a float32."""
    loss_grid: I64
    """Mean loss in nats on a 2**-30 grid."""
    fault: U8
    """0, or the deterministic fault code that ended the job."""

    def encode(self) -> bytes:
        """The canonical bytes that the transcript root commits to."""
        return codec_of(TranscriptLeaf).encode(self)


def decode_leaf(data: bytes) -> TranscriptLeaf:
    """Return the leaf of a training run; raises `DecodeError`."""
    return codec_of(TranscriptLeaf).decode(data)


def leaf_result(leaf: bytes) -> bytes:
    """The 32 bytes by which a judge states that an encoded leaf is the right one."""
    return hash_list_leaf(leaf)


BLINDING_BYTES = 96
"""What `blinded_root` hashes."""


def blinded_root(root: bytes, account: bytes, salt: bytes) -> bytes:
    """What is committed to before `root` is told: nobody else can commit to the same by copying.

    All three inputs have 32 bytes, and so has the result.
    """
    return hash_blinded_root(root + account + salt)


def state_chunks(state: bytes) -> tuple[bytes, ...]:
    """A state in chunks of `STATE_CHUNK_BYTES`, the last one shorter."""
    starts = range(0, len(state), STATE_CHUNK_BYTES)
    return tuple(state[start : start + STATE_CHUNK_BYTES] for start in starts)


def state_root(state: bytes) -> bytes:
    """The 32-byte root of a state: the Merkle list of its chunks."""
    return list_root(state_chunks(state))


def state_parts(state: bytes) -> tuple[bytes, ...]:
    """A state in parts of `STATE_PART_BYTES`, each of which a content store takes.

    A kept state is the blob that lists its parts' content hashes; the content hash of that blob is
    how records and openings name the state.
    """
    starts = range(0, len(state), STATE_PART_BYTES)
    return tuple(state[start : start + STATE_PART_BYTES] for start in starts)


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A state that the worker keeps for whoever replays, and what attribution looks at."""

    step: U32
    state: Hash
    """Content hash of the blob of its parts; the leaf of the step has its root."""

    def encode(self) -> bytes:
        """The canonical bytes: an item of the blob of kept states."""
        return codec_of(StateRecord).encode(self)


@dataclass(frozen=True, slots=True)
class Subtree:
    """A node of a transcript's tree: it covers the leaves from `index * 2**level` on."""

    level: U8
    """Levels above the leaves."""
    index: U32
    """Place among the nodes of its level."""


def whole_tree(count: int) -> Subtree:
    """The top of a transcript of `count` leaves, where a dispute begins."""
    return Subtree((count - 1).bit_length(), 0)


def dispute_rounds(count: int) -> int:
    """The rounds after which a dispute about `count` leaves has found one leaf."""
    return -(-whole_tree(count).level // ROUND_LEVELS)


def parts_of(subtree: Subtree, count: int) -> tuple[Subtree, ...]:
    """The nodes that a worker posts about `subtree` of a transcript of `count` leaves."""
    level = max(0, subtree.level - ROUND_LEVELS)
    descent = subtree.level - level
    width = -(-count // 2**level)
    end = min((subtree.index + 1) << descent, width)
    return tuple(Subtree(level, index) for index in range(subtree.index << descent, end))


def split(leaves: Sequence[bytes], subtree: Subtree) -> tuple[bytes, ...]:
    """What an honest worker posts about `subtree`: the hashes of `parts_of` it."""
    parts = parts_of(subtree, len(leaves))
    first = parts[0].index << parts[0].level
    end = (parts[-1].index + 1) << parts[0].level
    return list_nodes(leaves[first:end], parts[0].level)


def check_split(expected: bytes, subtree: Subtree, count: int, nodes: Sequence[bytes]) -> None:
    """Raise `InvalidProof` unless the posted `nodes` are those below `subtree`.

    `expected` is the transcript root for `whole_tree(count)`, else the hash posted for `subtree`.
    """
    wanted = len(parts_of(subtree, count))
    if not nodes or len(nodes) != wanted:
        message = f"{len(nodes)} nodes were posted; the disputed part has {wanted}."
        raise InvalidProof(message, remedy="Post every node of the part, left to right.")
    found = fold_nodes(nodes)
    if subtree == whole_tree(count):
        found = bind_list(count, found)
    if found != expected:
        message = "The posted nodes do not hash to the disputed one."
        raise InvalidProof(message, remedy="Post the nodes of the transcript that was committed.")


def first_difference(nodes: Sequence[bytes], own: Sequence[bytes]) -> int | None:
    """The place of the first posted node that differs from the challenger's own, if any does."""
    places = range(len(nodes))
    return next(
        (place for place in places if place >= len(own) or nodes[place] != own[place]), None
    )


@dataclass(frozen=True, slots=True)
class LeafOpening:
    """An encoded leaf with its place under the transcript root."""

    leaf: EncodedLeaf
    path: ListPath


@dataclass(frozen=True, slots=True)
class StateOpening:
    """An earlier leaf whose state a judge reads, too."""

    opened: LeafOpening
    state: Hash
    """Content hash of the blob of parts of its state."""


@dataclass(frozen=True, slots=True)
class StepOpening:
    """All that a judge needs to compute one leaf, beside the job itself."""

    before: LeafOpening | None
    """The leaf before, agreed by both; none where leaf 0 is disputed."""
    after: LeafOpening
    """The leaf that the worker committed to."""
    state: Hash | None
    """Content hash of the blob of parts of the state of `before`; none for leaf 0."""
    other: StateOpening | None = None
    """Where the leaf depends on the state of another one besides."""


def open_leaf(leaves: Sequence[bytes], index: int) -> LeafOpening:
    """Open one leaf; raises `InvalidLeaves` for an index outside the transcript."""
    path = list_path(leaves, index)
    return LeafOpening(leaves[index], path)


def open_step(
    leaves: Sequence[bytes],
    index: int,
    state: bytes | None,
    other: tuple[int, bytes] | None = None,
) -> StepOpening:
    """Open leaf `index` with the one before; `state` is the content hash of its parts' blob.

    `other` is the place of another leaf on whose state it depends, and the hash of that state.
    """
    before = open_leaf(leaves, index - 1) if index else None
    beside = None if other is None else StateOpening(open_leaf(leaves, other[0]), other[1])
    return StepOpening(before, open_leaf(leaves, index), state if index else None, beside)


def verify_step(
    root: bytes, count: int, index: int, opening: StepOpening, other: int | None = None
) -> None:
    """Raise `InvalidProof` unless the opening is of leaf `index` of `count` under `root`.

    `other` is the place of another leaf that it has to show, if any.
    """
    verify_leaf(root, count, index, opening.after)
    if (opening.other is None) != (other is None):
        message = f"The opening of leaf {index} has the wrong parts beside it."
        raise InvalidProof(
            message, remedy="Open every leaf on whose state the disputed one depends."
        )
    if opening.other is not None and other is not None:
        verify_leaf(root, count, other, opening.other.opened)
    if (opening.before is None, opening.state is None) != (index == 0, index == 0):
        message = f"The opening of leaf {index} has the wrong parts before it."
        raise InvalidProof(message, remedy="Open the leaf before and its state; leaf 0 has none.")
    if opening.before is not None:
        verify_leaf(root, count, index - 1, opening.before)


def verify_leaf(root: bytes, count: int, index: int, opening: LeafOpening) -> None:
    """Raise `InvalidProof` unless the opening is of leaf `index` of `count` under `root`."""
    if (opening.path.index, opening.path.count) != (index, count):
        found = f"leaf {opening.path.index} of {opening.path.count}"
        message = f"The opening is of {found}, not of leaf {index} of {count}."
        raise InvalidProof(message, remedy="Open the leaf that the dispute has found.")
    verify_list(root, opening.leaf, opening.path)
