"""What a worker opens of its transcript, and what it takes to check it: pure functions."""

from __future__ import annotations

from pallets.disputes import weights
from pallets.disputes.types import OpenedStep
from runtime import Weight
from runtime.wire.transcripts import LEAF_BYTES_MAX, LeafOpening, StepOpening
from runtime.wire.validators import SETS_MAX

LONGEST_LEAF = Weight(0, 0, bytes=LEAF_BYTES_MAX)
"""Of hashing a leaf of any kind."""
_NODE_BYTES = 64
SEARCH = Weight(reads=SETS_MAX.bit_length(), writes=0)
"""Of finding the set that decides a height among all that are remembered."""
_ENDS = 2
"""Hashes of a path beside its siblings: of its leaf, and of the root."""
_OTHER_READS = 3
"""What says which other leaf it is: the job, the model it is about, and the job that made that."""


def openings_of(opening: StepOpening) -> tuple[LeafOpening, ...]:
    """Every leaf that is opened, with its path."""
    other = None if opening.other is None else opening.other.opened
    return tuple(each for each in (opening.before, opening.after, other) if each is not None)


def opened_step(index: int, opening: StepOpening) -> OpenedStep:
    """What the validators are to judge of a checked opening of leaf `index`."""
    other = opening.other
    return OpenedStep(
        index=index,
        before=None if opening.before is None else opening.before.leaf,
        after=opening.after.leaf,
        state=opening.state,
        other=None if other is None else other.opened.leaf,
        other_state=None if other is None else other.state,
    )


def weight_of_opening(work: int, opening: StepOpening) -> Weight:
    """Return the weight of checking an opening.

    The leaf before may have the longer path, and another leaf has a path of its own; leaves of some
    kinds are longer than training's.
    """
    before = () if opening.before is None else opening.before.path.siblings
    hashes = max(0, len(before) - len(opening.after.path.siblings))
    reads = 0
    if opening.other is not None:
        hashes += len(opening.other.opened.path.siblings) + _ENDS
        reads = _OTHER_READS
    hashed = hashes * _NODE_BYTES + sum(len(each.leaf) for each in openings_of(opening))
    more = Weight(reads, 0, hashes=hashes, bytes=hashed)
    return weights.open_step(work, opening) + more + SEARCH
