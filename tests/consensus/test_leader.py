"""Leaders: the same everywhere, and drawn by stake (R0)."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from consensus.leader import leader_index

WEIGHTS = st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=256)


@given(WEIGHTS, st.binary(min_size=32, max_size=32), st.integers(1, 2**40), st.integers(1, 1_025))
def test_a_leader_is_one_of_the_set(weights, seed, height, round_):
    """Whatever the weights, and twice the same."""
    leader = leader_index(weights, seed, height, round_)
    assert 0 <= leader < len(weights)
    assert leader == leader_index(list(weights), seed, height, round_)


def test_leaders_are_pinned():
    """Another draw would be another protocol."""
    drawn = [leader_index((1, 2, 3, 4), b"s" * 32, 7, round_) for round_ in range(1, 13)]
    assert drawn == [3, 3, 0, 0, 3, 2, 1, 2, 3, 0, 0, 1]


def test_leaders_are_drawn_by_stake():
    """Chi-squared over 10,000 rounds, of a fixed seed: 3 degrees of freedom, below 16.3 (0.1 %)."""
    weights, rounds = (1, 2, 3, 14), 10_000
    drawn = Counter(leader_index(weights, b"s" * 32, 7, round_) for round_ in range(rounds))
    expected = [rounds * weight / sum(weights) for weight in weights]
    assert sum((drawn[n] - each) ** 2 / each for n, each in enumerate(expected)) < 16.3


def test_another_height_or_seed_has_other_leaders():
    """Each is part of the draw."""

    def draw(seed, height):
        return [leader_index((1,) * 10, seed, height, round_) for round_ in range(1, 40)]

    assert len({tuple(draw(s, h)) for s in (b"s" * 32, b"t" * 32) for h in (1, 2)}) == 4
