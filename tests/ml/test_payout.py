"""From influence to money: the error bars, the classes, the clipping, and a split without dust."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.attribution.payout import SCORE_MAX, RowScore, divide_pool, mean_over_nodes
from ml.errors import AttributionInvalid
from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.merkle import sum_path, sum_root, verify_sum
from runtime.offchain import TrainingRow
from runtime.wire.blobs import encode_blob
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from runtime.wire.rows import Row, RowRecord

TREASURY = b"\xff" * 32


def rows_of(*owners: int) -> list[TrainingRow]:
    rows = []
    for index, owner in enumerate(owners):
        row = Row(f"prompt {index}", f"completion {index}")
        rows.append(TrainingRow(row, RowRecord(row.hash(), bytes([owner]) * 32, owner, index)))
    return rows


def divide(owners, scores, pool=1_000, classes=None):
    """Scores are numbers, or pairs with a standard error."""
    known = [RowScore(*each) if isinstance(each, tuple) else RowScore(each) for each in scores]
    return divide_pool(rows_of(*owners), known, classes or range(len(owners)), pool, TREASURY)


def amounts(found) -> dict[int, int]:
    return {leaf.owner[0]: leaf.amount for leaf in found.payouts}


def test_harm_is_clipped_by_row_before_owners_are_summed():
    """Splitting a harmful row off into another account gains nothing: it never cost anything."""
    together = divide((1, 1, 2), (600, -400, 200), 800)
    apart = divide((1, 3, 2), (600, -400, 200), 800)
    assert amounts(together) == amounts(apart) == {1: 600, 2: 200}
    assert [leaf.score for leaf in together.scores] == [600, -400, 200]


def test_a_score_counts_less_its_error():
    """What may be nothing earns nothing; what is known well earns nearly all of its score."""
    found = divide((1, 2, 3), ((100, 20), (100, 100), (30, 10)))
    assert [leaf.credit for leaf in found.scores] == [80, 0, 20]
    assert amounts(found) == {1: 800, 3: 200}


def test_a_class_has_one_credit_and_the_first_row_has_it():
    """A copy earns nothing, and does not double what its original earns; the best score counts."""
    found = divide((1, 2, 2, 3), (100, 120, 90, 120), 1_000, classes=(0, 0, 0, 3))
    assert [leaf.credit for leaf in found.scores] == [120, 0, 0, 120]
    assert amounts(found) == {1: 500, 3: 500}


def test_copying_oneself_gains_nothing():
    """However often somebody adds a row, its class has one credit."""
    once = divide((1, 2), (100, 100), 1_000)
    often = divide((1, 1, 1, 2), (100, 100, 100, 100), 1_000, classes=(0, 0, 0, 3))
    assert amounts(once) == amounts(often)


def test_what_nobody_earned_goes_to_the_treasury():
    """An epoch in which no row helped still pays out its whole pool."""
    found = divide((1, 2), (-1, 0), 77)
    assert found.payouts == (PayoutLeaf(TREASURY, 77),)
    assert found.credits == 0


def test_a_payout_has_the_error_of_its_rows():
    """Errors of one owner's rows add up in squares, and are scaled as the amounts are."""
    found = divide((1, 1, 2), ((53, 3), (54, 4), (100, 0)), 2_000)
    assert found.credits == 200
    assert [(leaf.amount, leaf.error) for leaf in found.payouts] == [(1_000, 50), (1_000, 0)]


def test_no_error_is_larger_than_the_pool():
    """What is hardly known at all is not known better by being written larger."""
    found = divide((1,), ((SCORE_MAX, SCORE_MAX - 1),), 10)
    assert found.payouts == (PayoutLeaf(b"\1" * 32, 10, 10),)


def test_the_nodes_disagreement_is_the_error():
    """The mean over nodes, rounded half up, and the standard error of that mean."""
    found = mean_over_nodes(((1_000, -40, 30), (3_000, -40, 60)), 10)
    assert found == (RowScore(200, 100), RowScore(-4, 0), RowScore(5, 1))
    assert mean_over_nodes(((1_005,),), 10) == (RowScore(101, 0),)
    four = mean_over_nodes(((0,), (0,), (0,), (400,)), 1)
    assert four == (RowScore(100, 100),)


def test_roots_commit_to_the_leaves():
    """Every score and every payout can be proved under its root, and the sum is the pool."""
    found = divide((2, 1, 2, 3), (50, (25, 3), 12, -100), 10**18 + 1)
    scores = [(codec_of(ScoreLeaf).encode(leaf), leaf.credit) for leaf in found.scores]
    assert (found.scores_root, found.credits) == sum_root(scores)
    verify_sum(found.scores_root, found.credits, *scores[3], sum_path(scores, 3))
    leaves = [(codec_of(PayoutLeaf).encode(leaf), leaf.amount) for leaf in found.payouts]
    assert (found.payout_root, 10**18 + 1) == sum_root(leaves)
    verify_sum(found.payout_root, 10**18 + 1, *leaves[1], sum_path(leaves, 1))


def test_a_result_names_the_blobs_of_its_leaves():
    """The hash of the result binds pool, both trees, and where their leaves are."""
    found = divide((2, 1), (50, 25), 9)
    result = found.result(9)
    assert result.scores == hash_content(encode_blob(found.encoded_scores()))
    assert result.payouts == hash_content(encode_blob(found.encoded_payouts()))
    assert (result.pool, result.leaf_count, result.credits) == (9, 2, 75)
    assert result.hash() == hash_content(result.encode())
    assert result.hash() != found.result(10).hash()


@settings(deadline=None, max_examples=100)
@given(
    scores=st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 2**40)), min_size=1),
    pool=st.integers(0, 10**30),
    data=st.data(),
)
def test_the_pool_is_split_exactly_and_fairly(scores, pool, data):
    """No dust is lost or made, owners are in order, more credit is never paid less."""
    count = len(scores)
    owners = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    found = divide(owners, scores, pool)
    assert sum(leaf.amount for leaf in found.payouts) == pool
    assert [leaf.owner for leaf in found.payouts] == sorted({leaf.owner for leaf in found.payouts})
    earned: dict[bytes, int] = {}
    for leaf in found.scores:
        earned[leaf.owner] = earned.get(leaf.owner, 0) + leaf.credit
    ranked = sorted(earned.items(), key=lambda item: item[1])
    paid = {leaf.owner: leaf.amount for leaf in found.payouts}
    if any(earned.values()):
        for (less, _), (more, _) in pairwise(ranked):
            assert paid.get(less, 0) <= paid.get(more, 0) + 1


@pytest.mark.parametrize(
    ("scores", "classes", "words"),
    [
        ([RowScore(1)], (0, 1), "1 scores"),
        ([RowScore(1), RowScore(2)], (0,), "1 classes"),
        ([RowScore(1), RowScore(-SCORE_MAX - 1)], (0, 1), "beyond all reason"),
        ([RowScore(1), RowScore(0, SCORE_MAX + 1)], (0, 1), "beyond all reason"),
    ],
)
def test_scores_that_cannot_be_paid_by_are_refused(scores, classes, words):
    """Numbers that do not fit, or that no influence has, are errors."""
    with pytest.raises(AttributionInvalid, match=words) as caught:
        divide_pool(rows_of(1, 2), scores, classes, 10, TREASURY)
    assert caught.value.remedy
