"""The label of a recipe before its model is trained."""

import dataclasses

import pytest

from ml.attribution.readiness import Readiness, readiness, sign_share
from ml.training.recipe import default_training_parameters

DEFAULT = default_training_parameters(2_000)


def test_the_default_recipe_is_near_exact():
    """Who chooses nothing gets a model whose influence can be known."""
    assert readiness(DEFAULT) is Readiness.NEAR_EXACT


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"epsilon_ppb": 1}, Readiness.POOR),
        ({"epsilon_ppb": 4_000}, Readiness.GOOD),
        ({"batch_rows": 25}, Readiness.GOOD),
        ({"batch_rows": 10}, Readiness.POOR),
        ({"dropout_ppb": 100_000_000}, Readiness.GOOD),
        ({"clip_norm_ppb": 1_000_000_000}, Readiness.GOOD),
        ({"packing": True}, Readiness.POOR),
    ],
)
def test_what_makes_influence_less_faithful(changes, label):
    """A small epsilon, small batches, shared sequences; noise and clipping are not measured."""
    assert readiness(dataclasses.replace(DEFAULT, **changes)) is label


def test_epsilon_decides_how_much_of_a_step_is_a_sign():
    """All of it without epsilon, ever less the larger it is."""
    shares = [
        sign_share(dataclasses.replace(DEFAULT, epsilon_ppb=epsilon))
        for epsilon in (1, 1_000, 10_000, 100_000)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.99
    assert shares[-1] < 0.1
