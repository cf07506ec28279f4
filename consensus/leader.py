"""Who leads a round (R0): drawn by stake, a pure function of validator set, seed, height, round."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from runtime.hashing import hasher

_hash_leader = hasher(b"consensus leader")
_HEIGHT_BYTES, _ROUND_BYTES = 8, 4


def leader_index(weights: Sequence[int], seed: bytes, height: int, round_: int) -> int:
    """Return the index of the validator that leads a round; `weights` are those of the set.

    256 bits modulo the total weight of at most 2**72: the bias is below 2**-184.
    """
    places = height.to_bytes(_HEIGHT_BYTES, "big") + round_.to_bytes(_ROUND_BYTES, "big")
    drawn = int.from_bytes(_hash_leader(seed + places), "big")
    bounds = list(accumulate(weights))
    return bisect_right(bounds, drawn % bounds[-1])
