"""What keys may be used for: requests of a minute, tokens and fees of a day, over restarts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.api.errors import QuotaSpent, RateLimited
from node.api.keys import ApiKey, KeyLimits
from node.api.meter import DAY_S, USAGE_FILE, Amounts, Meter
from node.errors import ConfigError


class Clock:
    """A wall clock that stands still until it is moved; it begins at noon."""

    def __init__(self) -> None:
        self.now_s = 20_000.5 * DAY_S

    def __call__(self) -> float:
        return self.now_s


def key_of(**limits: int) -> ApiKey:
    """A key with limits."""
    return ApiKey(b"k" * 32, bytes(32), "key", KeyLimits(**limits))


@pytest.fixture
def clock() -> Clock:
    """A new clock."""
    return Clock()


@pytest.fixture
def meter(tmp_path: Path, clock: Clock) -> Meter:
    """A new meter."""
    return Meter(tmp_path / USAGE_FILE, clock)


def test_a_minute_has_so_many_requests(meter: Meter, clock: Clock) -> None:
    """As many as the limit at once; then one more as time passes, and the error says when."""
    key = key_of(requests_per_minute=3)
    for _ in range(3):
        meter.admit(key)
    with pytest.raises(RateLimited) as refused:
        meter.admit(key)
    assert refused.value.retry_after_s == 20
    clock.now_s += 20
    meter.admit(key)
    with pytest.raises(RateLimited):
        meter.admit(key)
    clock.now_s += 3_600
    for _ in range(3):
        meter.admit(key)
    with pytest.raises(RateLimited):
        meter.admit(key)


@pytest.mark.parametrize("kind", ["tokens", "fees"])
def test_a_day_has_so_much(meter: Meter, clock: Clock, kind: str) -> None:
    """The most of answers in progress counts, and what an answer did not take is given back."""
    key = key_of(**{f"{kind}_per_day": 100})

    def amounts(count: int) -> Amounts:
        return Amounts(**{kind: count})

    with meter.metered(key, amounts(60)) as tally:
        with pytest.raises(QuotaSpent, match="60 are taken"), meter.metered(key, amounts(41)):
            pass
        tally.taken = amounts(10)
    with meter.metered(key, amounts(90)) as tally:
        tally.taken = amounts(90)
    with pytest.raises(QuotaSpent), meter.metered(key, amounts(1)):
        pass
    clock.now_s += DAY_S / 2
    with meter.metered(key, amounts(100)):
        pass


def test_an_answer_that_fails_costs_nothing(meter: Meter) -> None:
    """Whatever ended it."""
    key = key_of(tokens_per_day=10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), meter.metered(key, Amounts(10)):
            raise ZeroDivisionError


def test_what_was_spent_survives_a_restart(meter: Meter, tmp_path: Path, clock: Clock) -> None:
    """The same day; on the next one the file is of no effect."""
    key = key_of(tokens_per_day=100)
    with meter.metered(key, Amounts(80)) as tally:
        tally.taken = Amounts(80)
    meter.save()
    again = Meter(tmp_path / USAGE_FILE, clock)
    with pytest.raises(QuotaSpent), again.metered(key, Amounts(21)):
        pass
    clock.now_s += DAY_S
    with Meter(tmp_path / USAGE_FILE, clock).metered(key, Amounts(100)):
        pass


def test_an_answer_over_midnight_counts_for_the_day_of_its_end(meter: Meter, clock: Clock) -> None:
    """Its reservation is not lost, and nothing is counted twice."""
    key = key_of(tokens_per_day=100)
    with meter.metered(key, Amounts(60)) as tally:
        clock.now_s += DAY_S
        with pytest.raises(QuotaSpent), meter.metered(key, Amounts(41)):
            pass
        tally.taken = Amounts(60)
    with meter.metered(key, Amounts(40)):
        pass


def test_keys_without_limits_are_not_counted(meter: Meter, tmp_path: Path) -> None:
    """Nothing is kept of them."""
    key = key_of()
    meter.admit(key)
    with meter.metered(key, Amounts(10**9, 10**30)) as tally:
        tally.taken = Amounts(10**9)
    meter.save()
    assert not (tmp_path / USAGE_FILE).exists()


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"version": 1, "day": 20_000, "spent": 1})])
def test_a_damaged_file_is_a_typed_error(tmp_path: Path, clock: Clock, text: str) -> None:
    """With what to do about it."""
    path = tmp_path / USAGE_FILE
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        Meter(path, clock)
