"""From influence to money: the grid, the clipping, and a split without dust."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.attribution.payout import epoch_scores, settle_epoch
from ml.errors import AttributionInvalid
from ml.exact.loss import LOSS_UNITS
from runtime.merkle import list_path, list_root, sum_path, sum_root, verify_list, verify_sum
from runtime.offchain import Answer, TrainingRow
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf
from runtime.wire.rows import Row, RowRecord

TREASURY = b"\xff" * 32


def rows_of(*owners: int) -> list[TrainingRow]:
    rows = []
    for index, owner in enumerate(owners):
        row = Row(f"prompt {index}", f"completion {index}")
        rows.append(TrainingRow(row, RowRecord(row.hash(), bytes([owner]) * 32, owner, index)))
    return rows


def answers_of(*weights: int) -> list[Answer]:
    return [Answer("p", "o", weight) for weight in weights]


def test_an_answer_counts_by_its_fee():
    """Scores are the fee-weighted mean of influence, in 2**-30 nats."""
    influence = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert epoch_scores(influence, answers_of(3 * OPEN, OPEN)) == (
        LOSS_UNITS * 3 // 4,
        LOSS_UNITS // 4,
    )


def test_harm_is_clipped_by_row_before_owners_are_summed():
    """Splitting a harmful row off into another account gains nothing: it never cost anything."""
    influence = np.array([[0.6], [-0.4], [0.2]])
    together = settle_epoch(rows_of(1, 1, 2), answers_of(1), influence, 800, TREASURY)
    apart = settle_epoch(rows_of(1, 3, 2), answers_of(1), influence, 800, TREASURY)
    expected = (PayoutLeaf(b"\x01" * 32, 600), PayoutLeaf(b"\x02" * 32, 200))
    assert together.payouts == apart.payouts == expected
    assert [leaf.score for leaf in together.scores] == [
        round(x * LOSS_UNITS) for x in (0.6, -0.4, 0.2)
    ]


def test_harm_in_one_answer_offsets_help_in_another():
    """A row is clipped over the epoch, not answer by answer: what it did on the whole counts."""
    influence = np.array([[0.5, -0.5], [0.1, 0.1]])
    found = settle_epoch(rows_of(1, 2), answers_of(1, 1), influence, 100, TREASURY)
    assert found.payouts == (PayoutLeaf(b"\x02" * 32, 100),)


def test_what_nobody_earned_goes_to_the_treasury():
    """An epoch in which no row helped still pays out its whole pool."""
    found = settle_epoch(rows_of(1, 2), answers_of(1), np.array([[-1.0], [0.0]]), 77, TREASURY)
    assert found.payouts == (PayoutLeaf(TREASURY, 77),)


def test_roots_commit_to_the_leaves():
    """Every score and every payout can be proved under its root, and the sum is the pool."""
    influence = np.array([[0.5], [0.25], [0.125], [-1.0]])
    found = settle_epoch(rows_of(2, 1, 2, 3), answers_of(9), influence, 10**18 + 1, TREASURY)
    scores = list(found.encoded_scores())
    assert found.scores_root == list_root(scores)
    verify_list(found.scores_root, scores[3], list_path(scores, 3))
    leaves = list(
        zip(found.encoded_payouts(), [leaf.amount for leaf in found.payouts], strict=True)
    )
    assert (found.payout_root, 10**18 + 1) == sum_root(leaves)
    verify_sum(found.payout_root, 10**18 + 1, *leaves[1], sum_path(leaves, 1))


FLOATS = st.floats(-100, 100, allow_nan=False)


@settings(deadline=None, max_examples=100)
@given(
    influence=arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 4)), elements=FLOATS),
    pool=st.integers(0, 10**30),
    data=st.data(),
)
def test_the_pool_is_split_exactly_and_fairly(influence, pool, data):
    """No dust is lost or made, owners are in order, more influence is never paid less."""
    count, answer_count = influence.shape
    owners = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    weights = data.draw(
        st.lists(st.integers(0, 10**20), min_size=answer_count, max_size=answer_count).filter(any)
    )
    found = settle_epoch(rows_of(*owners), answers_of(*weights), influence, pool, TREASURY)
    assert sum(leaf.amount for leaf in found.payouts) == pool
    assert [leaf.owner for leaf in found.payouts] == sorted(leaf.owner for leaf in found.payouts)
    earned = {bytes([owner]) * 32: 0 for owner in owners}
    for leaf in found.scores:
        earned[leaf.owner] += max(0, leaf.score)
    paid = {leaf.owner: leaf.amount for leaf in found.payouts}
    if any(earned.values()):
        by_score = sorted(earned, key=lambda owner: earned[owner])
        amounts = [paid.get(owner, 0) for owner in by_score]
        assert all(low <= high + 1 for low, high in pairwise(amounts))
        assert all(paid.get(owner, 0) == 0 for owner in by_score if not earned[owner])


@settings(deadline=None, max_examples=50)
@given(
    influence=arrays(np.float64, (3, 3), elements=FLOATS),
    order=st.permutations([0, 1, 2]),
)
def test_scores_do_not_depend_on_the_order_of_the_answers(influence, order):
    """Once on the grid, sums are of integers: any order gives the same score."""
    answers = answers_of(7, 11, 13)
    shuffled = epoch_scores(influence[:, list(order)], [answers[index] for index in order])
    assert epoch_scores(influence, answers) == shuffled


@pytest.mark.parametrize(
    ("influence", "weights", "words"),
    [
        (np.zeros((2, 3)), (1, 1), "does not fit 2 answers"),
        (np.zeros(2), (1, 1), "does not fit 2 answers"),
        (np.zeros((2, 2)), (0, 0), "sum to 0"),
        (np.zeros((2, 2)), (3, -1), "sum to 2"),
        (np.array([[np.nan], [0.0]]), (1,), "not finite"),
        (np.array([[np.inf], [0.0]]), (1,), "not finite"),
        (np.array([[1e12], [0.0]]), (1,), "beyond all reason"),
        (np.zeros((3, 1)), (1,), "influence of 3 rows"),
    ],
)
def test_influence_that_cannot_be_paid_by_is_refused(influence, weights, words):
    """Shapes that do not fit, unpaid answers and numbers that are none are errors."""
    with pytest.raises(AttributionInvalid, match=words) as caught:
        settle_epoch(rows_of(1, 2), answers_of(*weights), influence, 10, TREASURY)
    assert caught.value.remedy
