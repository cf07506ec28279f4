"""The allocation of OPEN: exact sums, in integers, to the unit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.allocation import (
    MONTH_MS,
    SUPPLY,
    Endowment,
    InvalidAllocation,
    check_allocation,
    opening_balances,
    published_allocation,
    vesting_schedules,
)
from pallets.pots import ECOSYSTEM
from runtime.types import OPEN

ACCOUNT = b"a" * 32
BUCKETS = published_allocation()


def endowment(amount, bucket="liquidity", account=ACCOUNT):
    return Endowment(account, bucket, amount, "test")


def test_the_published_percentages_are_exact():
    """Five buckets of exactly the published size are the whole supply."""
    amounts = {bucket.name: bucket.amount for bucket in BUCKETS}
    assert amounts == {
        "community": 517_100_000 * OPEN,
        "ecosystem": 100_000_000 * OPEN,
        "investors": 182_900_000 * OPEN,
        "team": 150_000_000 * OPEN,
        "liquidity": 50_000_000 * OPEN,
    }
    assert sum(amounts.values()) == SUPPLY == 1_000_000_000 * OPEN


def test_2155_basis_points_circulate():
    """Liquidity and 16.55 % of the supply from community and ecosystem; nothing of anybody else."""
    unlocked = {bucket.name: bucket.unlocked for bucket in BUCKETS}
    assert sum(unlocked.values()) == 215_500_000 * OPEN
    assert unlocked["liquidity"] == 50_000_000 * OPEN
    assert unlocked["community"] + unlocked["ecosystem"] == 165_500_000 * OPEN
    assert unlocked["investors"] == unlocked["team"] == 0
    # In proportion, to the unit: 51.71 to 10.
    assert abs(unlocked["community"] * 1_000 - unlocked["ecosystem"] * 5_171) <= 5_171


def test_vesting_is_as_published():
    """Community and ecosystem linear over 48 months; investors and team after a cliff over 36."""
    terms = {bucket.name: (bucket.cliff_months, bucket.linear_months) for bucket in BUCKETS}
    assert terms == {
        "community": (0, 48),
        "ecosystem": (0, 48),
        "investors": (12, 36),
        "team": (12, 36),
        "liquidity": (0, 0),
    }


def test_the_accounts_of_buckets_are_all_different():
    """Each lies in an account of its own, and the ecosystem's is the one that staking draws on."""
    accounts = [bucket.account for bucket in BUCKETS]
    assert len(set(accounts)) == 5
    assert BUCKETS[1].account == ECOSYSTEM


def other(index, **changes):
    return [*BUCKETS[:index], replace(BUCKETS[index], **changes), *BUCKETS[index + 1 :]]


@pytest.mark.parametrize(
    ("buckets", "endowments", "part"),
    [
        (other(0, amount=BUCKETS[0].amount - 1), (), "The buckets sum to"),
        (other(3, amount=BUCKETS[3].amount + 1), (), "The buckets sum to"),
        (other(1, unlocked=BUCKETS[1].unlocked + 1), (), "The unlocked parts sum to"),
        (other(3, unlocked=BUCKETS[3].amount + 1), (), "unlocks"),
        (other(3, name="community"), (), "two of the bucket"),
        (other(2, linear_months=0), (), "never comes free"),
        ((), (), "The buckets sum to 0"),
        (BUCKETS, [endowment(1, "founders")], "unknown bucket"),
        (BUCKETS, [endowment(1, "team")], "exceed its unlocked part by 1"),
        (BUCKETS, [endowment(50_000_000 * OPEN), endowment(1)], "exceed its unlocked part by 1"),
    ],
)
def test_what_does_not_add_up_is_refused(buckets, endowments, part):
    """One unit too many or too few is a typed error that says where, with a remedy."""
    with pytest.raises(InvalidAllocation, match=part) as caught:
        check_allocation(buckets, endowments)
    assert caught.value.remedy


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["community", "ecosystem", "liquidity"]),
            st.integers(0, 10**6 * OPEN),
            st.sampled_from([ACCOUNT, b"b" * 32, BUCKETS[0].account]),
        ),
        max_size=8,
    )
)
@settings(max_examples=50, deadline=None)
def test_opening_balances_are_the_whole_supply(given_endowments):
    """Whoever is endowed, every unit lies in exactly one account, even in a bucket's own."""
    endowments = [endowment(amount, name, account) for name, amount, account in given_endowments]
    balances = opening_balances(BUCKETS, endowments)
    assert sum(amount for _, amount in balances) == SUPPLY
    assert len({account for account, _ in balances}) == len(balances)
    assert list(balances) == sorted(balances)
    assert all(amount for _, amount in balances)


def locked_at(schedules, month):
    """What is locked of all schedules at the end of a month, in OPEN."""
    height = month * (MONTH_MS // 500)
    return sum(schedule.locked_at(height) for _, schedule in schedules) // OPEN


def test_everything_comes_free_as_published():
    """To the unit at genesis; investors and team after a year; all of it after four."""
    schedules = vesting_schedules(BUCKETS, (), 500)
    assert sum(schedule.locked_at(0) for _, schedule in schedules) == SUPPLY - 215_500_000 * OPEN
    early = 617_100_000 - 165_500_000
    late = 332_900_000
    assert locked_at(schedules, 6) == early * 42 // 48 + late
    assert locked_at(schedules, 12) == early * 36 // 48 + late
    assert locked_at(schedules, 24) == early * 24 // 48 + late * 24 // 36
    assert locked_at(schedules, 48) == 0


def test_endowments_that_vest_are_out_of_the_locked_part():
    """With its schedule, each its own; all schedules still sum to what is locked."""
    given = replace(endowment(1_000 * OPEN, "team"), vests=True)
    check_allocation(BUCKETS, [given])
    schedules = vesting_schedules(BUCKETS, [given], 500)
    assert (ACCOUNT, BUCKETS[3].schedule(1_000 * OPEN, MONTH_MS // 500)) in schedules
    assert sum(schedule.amount for _, schedule in schedules) == SUPPLY - 215_500_000 * OPEN
    too_much = replace(endowment(BUCKETS[3].amount + 1, "team"), vests=True)
    with pytest.raises(InvalidAllocation, match="exceed its locked part by 1"):
        check_allocation(BUCKETS, [too_much])
