"""From influence to money: integer scores, credit per owner, a pool split without dust.

Rules, in this order (docs: pallets and economics, "Who is paid for an answer"):

1. A row has one score, an integer of 2**-30 nats, and a standard error on the same grid.
2. Rows that say nearly the same are a *credit class*.  It has one credit, the largest of its rows'
   scores less their errors, and whoever committed first has it: a copy earns nothing, and a row
   that was copied no more than before.
3. A class that harmed, or that may have done nothing, has the credit 0.  Credits are clipped
   *before* they are summed by owner, so that splitting off bad rows into another account gains
   nothing.
4. The pool is split by largest remainder.  What nobody earned goes to the treasury.

A payout's standard error is that of its owner's credited rows, taken as independent; that of the
sum of all credits, by which it is divided, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from ml.errors import AttributionInvalid
from runtime.arithmetic import split_by_largest_remainder
from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.merkle import sum_root
from runtime.offchain import TrainingRow
from runtime.wire.attribution import AttributionResult
from runtime.wire.blobs import encode_blob
from runtime.wire.records import PayoutLeaf, ScoreLeaf

SCORE_MAX = 2**62
"""The largest score's absolute value on the grid: four billion nats."""


@dataclass(frozen=True, slots=True)
class RowScore:
    """A row's influence on everything that was said, and how well it is known, in 2**-30 nats."""

    score: int
    error: int = 0


@dataclass(frozen=True, slots=True)
class EpochPayout:
    """What an attribution worker commits to for one model and epoch."""

    scores: tuple[ScoreLeaf, ...]
    """One a trained row, in the version's order."""
    scores_root: bytes
    credits: int
    """The sum of the scores' credits, which their root binds."""
    payouts: tuple[PayoutLeaf, ...]
    """One an owner who earned something, sorted by owner; their amounts sum to the pool."""
    payout_root: bytes

    def result(self, pool: int) -> AttributionResult:
        """What the job's last leaf is the hash of: the roots, and where their leaves are."""
        return AttributionResult(
            pool=pool,
            payout_root=self.payout_root,
            leaf_count=len(self.payouts),
            payouts=hash_content(encode_blob(self.encoded_payouts())),
            scores_root=self.scores_root,
            credits=self.credits,
            scores=hash_content(encode_blob(self.encoded_scores())),
        )

    def encoded_scores(self) -> tuple[bytes, ...]:
        """The leaves under `scores_root`."""
        return tuple(codec_of(ScoreLeaf).encode(leaf) for leaf in self.scores)

    def encoded_payouts(self) -> tuple[bytes, ...]:
        """The leaves under `payout_root`, each with its amount."""
        return tuple(codec_of(PayoutLeaf).encode(leaf) for leaf in self.payouts)


def divide_pool(
    rows: Sequence[TrainingRow],
    scores: Sequence[RowScore],
    classes: Sequence[int],
    pool: int,
    treasury: bytes,
) -> EpochPayout:
    """Divide `pool` among the owners of the trained `rows` by their `scores`.

    `classes` has of each row the first row of its credit class, or the row's own place;
    `treasury` is the account that gets a pool which nobody earned.  Raises `AttributionInvalid`
    where the three do not have one item a row, or a score is beyond `SCORE_MAX`.
    """
    if not len(rows) == len(scores) == len(classes):
        message = f"There are {len(scores)} scores and {len(classes)} classes of {len(rows)} rows."
        raise AttributionInvalid(message, remedy="Give the rows that influence was computed for.")
    if any(max(abs(each.score), each.error) > SCORE_MAX for each in scores):
        message = "Influence is beyond all reason."
        raise AttributionInvalid(message, remedy="Do not attribute a model whose training faulted.")
    row_credits = _credits(scores, classes)
    leaves = tuple(
        ScoreLeaf(row.record.row_hash, row.record.owner, each.score, each.error, credit)
        for row, each, credit in zip(rows, scores, row_credits, strict=True)
    )
    encoded = [codec_of(ScoreLeaf).encode(leaf) for leaf in leaves]
    scores_root, total = sum_root(list(zip(encoded, row_credits, strict=True)))
    payouts = _payouts(leaves, pool, treasury)
    payout_root, _ = sum_root(
        [(codec_of(PayoutLeaf).encode(leaf), leaf.amount) for leaf in payouts]
    )
    return EpochPayout(leaves, scores_root, total, payouts, payout_root)


def mean_over_nodes(nodes: Sequence[Sequence[int]], units: int) -> tuple[RowScore, ...]:
    """The mean of every row's scores at the nodes, and its standard error.

    `nodes` are in so many `units` to one of 2**-30 nats; the mean is rounded half up.  What the
    nodes disagree about is what a straight line from none of the data to all of it does not tell
    (docs: proof of attribution); of one node nothing is known.
    """
    return tuple(_mean(values, units) for values in zip(*nodes, strict=True))


def _mean(values: Sequence[int], units: int) -> RowScore:
    count, total = len(values), sum(values)
    whole = count * units
    score = (2 * total + whole) // (2 * whole)
    if count == 1:
        return RowScore(score)
    # The variance of a mean: squared deviations over count * (count - 1), here times count**2.
    spread = sum((count * value - total) ** 2 for value in values)
    return RowScore(score, isqrt(spread // (count * (count - 1))) // whole)


def _credits(scores: Sequence[RowScore], classes: Sequence[int]) -> list[int]:
    """Of each row, what it is paid by: the whole credit of its class, for the first row of it."""
    row_credits = [0] * len(scores)
    for first, each in zip(classes, scores, strict=True):
        row_credits[first] = max(row_credits[first], each.score - each.error)
    return row_credits


def _payouts(scores: Sequence[ScoreLeaf], pool: int, treasury: bytes) -> tuple[PayoutLeaf, ...]:
    earned: dict[bytes, int] = {}
    variances: dict[bytes, int] = {}
    for leaf in scores:
        if leaf.credit:
            earned[leaf.owner] = earned.get(leaf.owner, 0) + leaf.credit
            variances[leaf.owner] = variances.get(leaf.owner, 0) + leaf.error**2
    if not earned:
        return (PayoutLeaf(treasury, pool),)
    owners = sorted(earned)
    amounts = split_by_largest_remainder(pool, [earned[owner] for owner in owners])
    total = sum(earned.values())
    return tuple(
        PayoutLeaf(owner, amount, min(pool, isqrt(variances[owner] * pool**2) // total))
        for owner, amount in zip(owners, amounts, strict=True)
        if amount
    )
