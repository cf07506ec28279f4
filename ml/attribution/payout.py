"""From influence to money: integer scores, credit per owner, a pool split without dust.

Rules, in this order (docs: pallets and economics, "Who is paid for an answer"):

1. An answer counts by its fee: a row's score is the fee-weighted mean of its influence.
2. Scores leave the floats here, rounded to integers of 2**-30 nats; everything after is exact.
3. A row that harmed earns 0 by itself: scores are clipped per row *before* they are summed by
   owner, so that splitting off bad rows into another account gains nothing.  A row is a credit
   class, because review keeps duplicates out of the version.
4. The pool is split by largest remainder.  What nobody earned goes to the treasury.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ml.errors import AttributionInvalid
from ml.exact.loss import LOSS_UNITS
from runtime.arithmetic import split_by_largest_remainder
from runtime.codec import codec_of
from runtime.merkle import list_root, sum_root
from runtime.offchain import Answer, TrainingRow
from runtime.wire.records import PayoutLeaf, ScoreLeaf

SCORE_MAX = 2**62
"""The largest score's absolute value on the grid: four billion nats."""


@dataclass(frozen=True, slots=True)
class EpochPayout:
    """What an attribution worker commits to for one model and epoch."""

    scores: tuple[ScoreLeaf, ...]
    """One a trained row, in the version's order."""
    scores_root: bytes
    payouts: tuple[PayoutLeaf, ...]
    """One an owner who earned something, sorted by owner; their amounts sum to the pool."""
    payout_root: bytes

    def encoded_scores(self) -> tuple[bytes, ...]:
        """The leaves under `scores_root`."""
        return tuple(codec_of(ScoreLeaf).encode(leaf) for leaf in self.scores)

    def encoded_payouts(self) -> tuple[bytes, ...]:
        """The leaves under `payout_root`, each with its amount."""
        return tuple(codec_of(PayoutLeaf).encode(leaf) for leaf in self.payouts)


def settle_epoch(
    rows: Sequence[TrainingRow],
    answers: Sequence[Answer],
    influence: npt.NDArray[np.float64],
    pool: int,
    treasury: bytes,
) -> EpochPayout:
    """Score the trained `rows` over the epoch's `answers` and divide `pool` among their owners.

    `influence` is `tracin`'s [rows, answers] of the same rows and answers; `treasury` is the
    account that gets a pool which nobody earned.  Raises `AttributionInvalid` for shapes that do
    not fit, influence that is not finite, or answers that nobody paid for.
    """
    return settle_scores(rows, epoch_scores(influence, answers), pool, treasury)


def settle_scores(
    rows: Sequence[TrainingRow], scores: Sequence[int], pool: int, treasury: bytes
) -> EpochPayout:
    """Divide `pool` among the owners of the trained `rows` by their scores in 2**-30 nats.

    Raises `AttributionInvalid` for another number of scores.
    """
    if len(scores) != len(rows):
        message = f"There is influence of {len(scores)} rows, and {len(rows)} rows."
        raise AttributionInvalid(message, remedy="Give the rows that influence was computed for.")
    score_leaves = tuple(
        ScoreLeaf(row.record.row_hash, row.record.owner, score)
        for row, score in zip(rows, scores, strict=True)
    )
    payouts = _payouts(score_leaves, pool, treasury)
    encoded = [codec_of(PayoutLeaf).encode(leaf) for leaf in payouts]
    root, _total = sum_root(
        [(data, leaf.amount) for data, leaf in zip(encoded, payouts, strict=True)]
    )
    return EpochPayout(
        scores=score_leaves,
        scores_root=list_root([codec_of(ScoreLeaf).encode(leaf) for leaf in score_leaves]),
        payouts=payouts,
        payout_root=root,
    )


def epoch_scores(influence: npt.NDArray[np.float64], answers: Sequence[Answer]) -> tuple[int, ...]:
    """Return each row's fee-weighted mean influence, an integer of 2**-30 nats.

    Influence is put on the grid per answer, then weighed and rounded (half to even) in integers:
    the result depends neither on the order of a float sum nor on the machine that forms it.
    """
    if influence.ndim != 2 or influence.shape[1] != len(answers):
        message = f"Influence of shape {influence.shape} does not fit {len(answers)} answers."
        raise AttributionInvalid(message, remedy="Give one column an answer.")
    weights = [answer.weight for answer in answers]
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        message = f"The fees of the {len(answers)} answers sum to {total}."
        raise AttributionInvalid(message, remedy="Attribute an epoch with paid answers only.")
    grid = influence * LOSS_UNITS
    if not np.isfinite(grid).all() or np.abs(grid).max(initial=0.0) > SCORE_MAX:
        message = "Influence is not finite, or beyond all reason."
        raise AttributionInvalid(message, remedy="Do not attribute a model whose training faulted.")
    return tuple(
        round(
            Fraction(
                sum(int(value) * weight for value, weight in zip(row, weights, strict=True)), total
            )
        )
        for row in np.rint(grid)
    )


def _payouts(scores: Sequence[ScoreLeaf], pool: int, treasury: bytes) -> tuple[PayoutLeaf, ...]:
    earned: dict[bytes, int] = {}
    for leaf in scores:
        earned[leaf.owner] = earned.get(leaf.owner, 0) + max(0, leaf.score)
    owners = sorted(owner for owner, score in earned.items() if score > 0)
    if not owners:
        return (PayoutLeaf(treasury, pool),)
    amounts = split_by_largest_remainder(pool, [earned[owner] for owner in owners])
    return tuple(
        PayoutLeaf(owner, amount) for owner, amount in zip(owners, amounts, strict=True) if amount
    )
