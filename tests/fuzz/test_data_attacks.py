"""Attacks on Datanets: none is worth it, and a rule that is broken makes one that is."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from pallets.panels.pallet import Panels
from tests.fuzz import data_attacks
from tests.fuzz.campaign import Finding

STRATEGIES = {"copy_rows": 40}
"""Of attacks that run the validator; of the others 500."""


def play(name):
    random = Random(name)
    for _ in range(STRATEGIES.get(name, 500)):
        data_attacks.ATTACKS[name](random)


@pytest.mark.parametrize("name", data_attacks.ATTACKS)
def test_random_strategies_gain_nothing(name):
    """`python -m tests.fuzz.data_attacks` plays many more."""
    play(name)


def test_colluding_pays_where_the_mean_decides(monkeypatch):
    """A mean is moved by anybody; the median is what stops them."""

    def mean(ballots, _kappa):
        return sum(seats * score for seats, score in ballots) // sum(seats for seats, _ in ballots)

    monkeypatch.setattr(data_attacks, "consensus", mean)
    with pytest.raises(Finding, match="move a score"):
        play("collude")


def test_copying_pays_without_confirmation_of_near_copies(monkeypatch):
    """If only equal rows were duplicates, an edit would be enough."""
    monkeypatch.setattr("ml.data.review.is_duplicate", lambda *_: False)
    with pytest.raises(Finding, match="copying rows"):
        play("copy_rows")


def test_a_third_of_the_stake_hardly_draws_half_a_panel():
    """The figure of docs/reference/attacks.md."""
    chance = data_attacks.majority_chance(Fraction(1, 3), Panels.seats.default)
    assert chance < Fraction(2, 100)
