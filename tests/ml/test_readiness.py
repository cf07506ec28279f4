"""The label of a recipe before its model is trained."""

import dataclasses

import pytest

from ml.attribution.readiness import (
    FIDELITY_OF_DEFAULT,
    FIDELITY_OF_SIGNS,
    Readiness,
    foretold_fidelity,
    readiness,
    sign_share,
)
from ml.training.recipe import default_training_parameters

DEFAULT = default_training_parameters(2_000)
SMOOTH = dataclasses.replace(DEFAULT, epsilon_ppb=100_000)


def test_the_forecast_goes_through_what_was_measured():
    """The default and a recipe of signs; never more than 1."""
    signs = dataclasses.replace(DEFAULT, epsilon_ppb=1)
    assert foretold_fidelity(DEFAULT) == pytest.approx(FIDELITY_OF_DEFAULT, abs=0.01)
    assert foretold_fidelity(signs) == pytest.approx(FIDELITY_OF_SIGNS, abs=0.01)
    assert foretold_fidelity(dataclasses.replace(DEFAULT, epsilon_ppb=10**9)) == 1.0


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, Readiness.NEAR_EXACT),
        ({"epsilon_ppb": 10_000}, Readiness.GOOD),
        ({"epsilon_ppb": 1}, Readiness.POOR),
        ({"batch_rows": 25}, Readiness.GOOD),
        ({"batch_rows": 10}, Readiness.POOR),
        ({"dropout_ppb": 100_000_000}, Readiness.GOOD),
        ({"clip_norm_ppb": 1_000_000_000}, Readiness.GOOD),
        ({"packing": True}, Readiness.POOR),
    ],
)
def test_what_makes_influence_less_faithful(changes, label):
    """A small epsilon, small batches, shared sequences; noise and clipping are not measured."""
    assert readiness(dataclasses.replace(SMOOTH, **changes)) is label


def test_epsilon_decides_how_much_of_a_step_is_a_sign():
    """All of it without epsilon, ever less the larger it is."""
    shares = [
        sign_share(dataclasses.replace(DEFAULT, epsilon_ppb=epsilon))
        for epsilon in (1, 1_000, 10_000, 100_000)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.99
    assert shares[-1] < 0.1
