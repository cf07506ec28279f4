"""The score of a panel: the seat-weighted median, which a minority cannot move.

The consensus is the largest score that jurors with at least a share kappa of the revealed seats
support, that is, gave or exceeded (prior art: the clipping of weights in Yuma consensus).  With
kappa of one half it is a median: as long as colluders hold less than half of the revealed seats,
some honest juror's score is at or above it, and some honest one's at or below.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.types import PPB


def consensus(ballots: Sequence[tuple[int, int]], kappa_ppb: int) -> int | None:
    """The consensus of (seats, score) pairs; None without any."""
    total = sum(seats for seats, _ in ballots)
    supported = 0
    for seats, score in sorted(ballots, key=lambda ballot: -ballot[1]):
        supported += seats
        if supported * PPB >= kappa_ppb * total:
            return score
    return None


def shares(weights: Sequence[int], amount: int) -> list[int]:
    """Divide `amount` by weights in whole units, rounded down; what is left is the caller's."""
    total = sum(weights)
    return [amount * weight // total if total else 0 for weight in weights]
