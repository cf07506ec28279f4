"""Attacks on the money: none is worth it, and a rule that is broken makes one that is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from ml.attribution import payout
from pallets.balances.pallet import Balances
from pallets.disputes.pallet import BOND, Disputes
from pallets.reports.pallet import Reports
from pallets.staking import shares as arithmetic
from runtime.arithmetic import split_by_largest_remainder
from runtime.types import PPB
from runtime.wire.records import PayoutLeaf
from tests.fuzz import attacks
from tests.fuzz.campaign import Finding

PAGE = Path(__file__).parents[2] / "docs/reference/attacks.md"
STRATEGIES = dict.fromkeys(("flash_stake", "borrow_votes", "grief_deposits", "spam_challenges"), 25)
"""Of attacks that are played on a chain; of the others 300."""


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_random_strategies_gain_nothing(name):
    """`python -m tests.fuzz.attacks` plays many more."""
    random = Random(name)
    for _ in range(STRATEGIES.get(name, 300)):
        attacks.ATTACKS[name](random)


def worth_it(name, strategies=2_000):
    """Whether a strategy of the attack gains more than it may."""
    random = Random(name)
    try:
        for _ in range(strategies):
            attacks.ATTACKS[name](random)
    except Finding:
        return True
    return False


def test_self_queries_pay_when_nobody_else_has_a_share(monkeypatch):
    """Platform fees and stakers are what makes them lose."""
    monkeypatch.setattr(attacks, "PLATFORM_FEE", 0)
    monkeypatch.setattr(attacks, "_random_shares", lambda _: (PPB // 2, 0, 0, PPB // 2))
    assert attacks.self_query(Random(1)) == 0


def test_remainders_pay_when_calls_are_free(monkeypatch):
    """A unit for each batch is all there is to gain, and the call costs more."""
    monkeypatch.setattr(attacks, "CALL_FEE", 0)
    assert worth_it("split_batches")


def test_splitting_pays_when_rows_are_clipped_by_owner(monkeypatch):
    """Bad rows would be moved to an account of their own."""

    def by_owner(scores, pool, treasury):
        earned: dict[bytes, int] = {}
        for leaf in scores:
            earned[leaf.owner] = earned.get(leaf.owner, 0) + leaf.score - leaf.error
        owners = sorted(owner for owner, score in earned.items() if score > 0)
        if not owners:
            return (PayoutLeaf(treasury, pool),)
        parts = split_by_largest_remainder(pool, [earned[each] for each in owners])
        return tuple(PayoutLeaf(*each) for each in zip(owners, parts, strict=True) if each[1])

    monkeypatch.setattr(payout, "_payouts", by_owner)
    assert worth_it("split_owners")


def test_copies_pay_when_each_has_its_own_credit(monkeypatch):
    """Without classes a row that is added twice is paid twice."""

    def by_row(scores, _classes):
        return [max(0, each.score - each.error) for each in scores]

    monkeypatch.setattr(payout, "_credits", by_row)
    assert worth_it("duplicate_rows")


def test_leaving_pays_when_it_costs_a_share_a_unit(monkeypatch):
    """After a slash a unit is worth more shares: who leaves with fewer takes others' stake."""

    def a_share_a_unit(taken, _position, _backing):
        return taken

    monkeypatch.setattr(arithmetic, "shares_of", a_share_a_unit)
    assert worth_it("round_stake")


def test_a_flash_of_stake_pays_when_it_earns_at_once(monkeypatch):
    """Whoever comes for the last block would have a part of the session's rewards."""
    monkeypatch.setattr(arithmetic, "earning_stake", lambda backing: backing.stake)
    settle = arithmetic.settle

    def at_once(position, backing, joined_index):
        settle(position, backing, position.index if joined_index is not None else None)

    monkeypatch.setattr(arithmetic, "settle", at_once)
    assert worth_it("flash_stake", 20)


def test_borrowed_votes_count_when_locks_hold_nothing(monkeypatch):
    """Whoever has voted would send the OPEN on, and vote again."""
    monkeypatch.setattr(Balances, "set_lock", lambda *_arguments: None)
    assert worth_it("borrow_votes", 40)


def test_a_sponsor_is_robbed_when_it_pays_whole_bounties(monkeypatch):
    """Whoever lets accounts of its own contribute, and reports them, would have a tenth."""
    monkeypatch.setattr(Reports, "_bounty", lambda _self, _submission, slashed: slashed // 10)
    assert worth_it("grief_deposits", 400)


def test_spam_is_free_when_losers_keep_their_bonds(monkeypatch):
    """A challenge that costs nothing would hold a worker's pay up as often as one likes."""

    def spared(disputes, work, dispute, _referees):
        disputes._forget(work)
        disputes.currency.release(dispute.challenger, dispute.bond, BOND)
        disputes.work.uphold(work)

    monkeypatch.setattr(Disputes, "_challenger_loses", spared)
    assert worth_it("spam_challenges", 20)


def test_the_command_reports_the_largest_gains(monkeypatch, capsys):
    """As JSON for programs, and a line an attack for people."""
    for options in (["--json"], []):
        monkeypatch.setattr("sys.argv", ["attacks", "--inputs", "2", *options])
        attacks.main()
    first, *lines = capsys.readouterr().out.splitlines()
    assert json.loads(first)["largest_gains"].keys() == attacks.ATTACKS.keys()
    assert [line.split()[0] for line in lines] == list(attacks.ATTACKS)


def test_the_page_has_every_attack():
    """With its bound and what was measured."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(attacks.ATTACKS) <= set(rows)
