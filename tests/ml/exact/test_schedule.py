"""Learning rates: warm-up, then constant, linear or cosine."""

import math

import pytest

from ml.exact.schedule import rate_at
from runtime.wire.training_parameters import Schedule


def rates(schedule: Schedule, steps: int = 12, warmup: int = 4) -> list[float]:
    return [
        rate_at(0.5, step, steps=steps, warmup_steps=warmup, schedule=schedule)
        for step in range(steps)
    ]


@pytest.mark.parametrize("schedule", list(Schedule))
def test_the_warm_up_is_linear(schedule):
    """And reaches the peak with its last step."""
    assert rates(schedule)[:4] == [0.125, 0.25, 0.375, 0.5]
    assert rates(schedule)[4] == 0.5


def test_what_follows_is_the_schedules():
    """A constant, a line to 0 after the last step, and half a cosine to the same."""
    assert rates(Schedule.CONSTANT)[4:] == [0.5] * 8
    assert rates(Schedule.LINEAR)[4:] == [0.5 * (8 - done) / 8 for done in range(8)]
    cosine = [0.25 * (1 + math.cos(math.pi * done / 8)) for done in range(8)]
    assert rates(Schedule.COSINE)[4:] == pytest.approx(cosine, rel=1e-15)


def test_no_warm_up_starts_at_the_peak():
    """Also where there is but one step."""
    assert rates(Schedule.COSINE, steps=1, warmup=0) == [0.5]
