"""Voting: conviction, locks, delegation; and nobody gains a vote by moving OPEN around."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pallets.balances.pallet import Balances
from pallets.governance.decision import blocks_until, standing_of, threshold_ppb
from pallets.governance.types import Curve
from pallets.inference.pallet import Inference
from pallets.voting import counting
from pallets.voting.pallet import Voting
from pallets.voting.types import NOTHING_DELEGATED, VOTES_MAX, Delegation, Vote
from runtime import OPEN, PPB
from runtime.wire.votes import NO_VOTES, TrackName, VoteSum
from tests.pallets.assembly import (
    ALICE,
    BOB,
    FAUCET,
    QUICK,
    SHORTER,
    USER,
    assembly,
    aye,
    cast,
    nay,
    propose,
    referendum,
    until,
)
from tests.pallets.chain import key_of

TRACK = TrackName.PARAMETERS
LOCK_BLOCKS = 10
CAROL, DAVE = key_of("carol"), key_of("dave")
MILLION = 1_000_000 * OPEN


def locked(chain, who) -> int:
    """What an account must keep."""
    with chain.reading() as pallets:
        amount: int = pallets.balances.accounts[who.account].locked
    return amount


def unlock(who):
    """What anybody may call."""
    return Voting.unlock.Call(voter=who.account, track=TRACK)


@pytest.mark.parametrize(
    ("vote", "tally"),
    [
        (aye(10, 0), VoteSum(10, 0, 10)),
        (aye(10, 1), VoteSum(100, 0, 10)),
        (aye(10, 6), VoteSum(600, 0, 10)),
        (nay(10, 3), VoteSum(0, 300, 0)),
        (Vote(aye=1, nay=2, abstain=4, conviction=0), VoteSum(1, 2, 5)),
        (Vote(aye=0, nay=0, abstain=7, conviction=0), VoteSum(0, 0, 7)),
    ],
)
def test_a_vote_counts_by_its_conviction(vote, tally) -> None:
    """In tenths, so that a vote without conviction is exact; support has none."""
    chain = assembly()
    number = propose(chain)
    cast(chain, ALICE, number, vote)
    assert referendum(chain, number).tally == tally
    cast(chain, ALICE, number, nay(5, 2))
    assert referendum(chain, number).tally == VoteSum(0, 100, 0)
    chain.ok(ALICE, Voting.remove_vote.Call(poll=number))
    assert referendum(chain, number).tally == NO_VOTES
    assert locked(chain, ALICE) == 0


@pytest.mark.parametrize(
    "vote",
    [
        Vote(aye=0, nay=0, abstain=0, conviction=0),
        Vote(aye=1, nay=1, abstain=0, conviction=1),
        Vote(aye=0, nay=0, abstain=1, conviction=6),
        Vote(aye=1, nay=0, abstain=1, conviction=1),
    ],
)
def test_conviction_goes_with_one_side(vote) -> None:
    """A split vote has none, and an empty one is none."""
    chain = assembly()
    number = propose(chain, deposit=False)
    chain.fails(ALICE, Voting.vote.Call(poll=number, vote=vote), "Voting.InvalidVote")


def test_votes_in_many_polls_need_the_largest_amount() -> None:
    """Locks overlap; what they need cannot be sent, and nobody votes with more than there is."""
    chain = assembly()
    first, second = propose(chain, deposit=False), propose(chain, deposit=False)
    cast(chain, ALICE, first, aye(600_000 * OPEN))
    cast(chain, ALICE, second, aye(900_000 * OPEN))
    assert locked(chain, ALICE) == 900_000 * OPEN
    send = Balances.transfer.Call(receiver=BOB.account, amount=200_000 * OPEN)
    chain.fails(ALICE, send, "Balances.Locked")
    chain.ok(ALICE, Voting.remove_vote.Call(poll=second))
    chain.ok(ALICE, send)
    more = Voting.vote.Call(poll=first, vote=aye(MILLION))
    chain.fails(ALICE, more, "Voting.MoreThanLockable")
    chain.fails(ALICE, Voting.remove_vote.Call(poll=second), "Voting.NoVote")
    chain.fails(ALICE, Voting.remove_vote.Call(poll=9), "Voting.UnknownPoll")


def test_an_account_has_a_limited_number_of_votes() -> None:
    """A vote that is there can still be changed."""
    chain = assembly(undecided_blocks=1_000, submission_deposit=0)
    numbers = [propose(chain, deposit=False) for _ in range(VOTES_MAX + 1)]
    for number in numbers[:VOTES_MAX]:
        cast(chain, ALICE, number, aye(5))
    last = Voting.vote.Call(poll=numbers[-1], vote=aye(5))
    chain.fails(ALICE, last, "Voting.TooManyVotes")
    cast(chain, ALICE, numbers[0], nay(5))


@pytest.mark.parametrize("conviction", range(7))
def test_a_winner_stays_locked_for_its_conviction(conviction) -> None:
    """0, 1, 2, 4, ... lock periods from the end on; a loser, and who did not insist, is free."""
    chain = assembly()
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9 * MILLION, 6))
    cast(chain, ALICE, number, aye(MILLION, conviction))
    cast(chain, BOB, number, nay(MILLION, 6))
    until(chain, "Governance.Ended")
    ended_at = chain.height
    assert locked(chain, BOB) == MILLION
    chain.ok(USER, unlock(BOB))
    assert locked(chain, BOB) == 0
    periods = 2 ** (conviction - 1) if conviction else 0
    chain.ok(USER, unlock(ALICE))
    assert locked(chain, ALICE) == (MILLION if periods else 0)
    if periods:
        chain.execute(height=max(chain.height + 1, ended_at + periods * LOCK_BLOCKS - 2))
        chain.ok(USER, unlock(ALICE))
        assert locked(chain, ALICE) == MILLION
        chain.ok(USER, unlock(ALICE), height=ended_at + periods * LOCK_BLOCKS)
        assert locked(chain, ALICE) == 0
    assert not [key for key in chain.entries("Voting", "votings") if ALICE.account in key]


def test_removing_a_winning_vote_keeps_its_lock() -> None:
    """Whoever takes the vote out after the end waits as long as everybody else."""
    chain = assembly()
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9 * MILLION, 2))
    until(chain, "Governance.Ended")
    ended_at = chain.height
    chain.ok(FAUCET, Voting.remove_vote.Call(poll=number))
    assert locked(chain, FAUCET) == 9 * MILLION
    chain.ok(USER, unlock(FAUCET), height=ended_at + 2 * LOCK_BLOCKS)
    assert locked(chain, FAUCET) == 0


def test_a_delegate_votes_for_others() -> None:
    """With their conviction, on that track alone, and from the moment on that they delegate."""
    chain = assembly()
    number = propose(chain)
    cast(chain, BOB, number, aye(10))
    delegate = Voting.delegate.Call(track=TRACK, to=BOB.account, balance=1_000, conviction=3)
    chain.ok(ALICE, delegate)
    assert referendum(chain, number).tally == VoteSum(100 + 30_000, 0, 1_010)
    assert locked(chain, ALICE) == 1_000
    cast(chain, BOB, number, nay(20, 2))
    assert referendum(chain, number).tally == VoteSum(0, 400 + 30_000, 0)
    cast(chain, BOB, number, Vote(aye=5, nay=5, abstain=0, conviction=0))
    assert referendum(chain, number).tally == VoteSum(5, 5, 5)
    cast(chain, BOB, number, aye(10))
    other = propose(chain, SHORTER, TrackName.ROOT)
    cast(chain, BOB, other, aye(10))
    assert referendum(chain, other).tally == VoteSum(100, 0, 10)
    chain.ok(ALICE, Voting.undelegate.Call(track=TRACK))
    assert referendum(chain, number).tally == VoteSum(100, 0, 10)
    ended_at = chain.height
    assert locked(chain, ALICE) == 1_000
    chain.ok(USER, unlock(ALICE), height=ended_at + 4 * LOCK_BLOCKS)
    assert locked(chain, ALICE) == 0


def test_an_account_votes_or_delegates() -> None:
    """Not both on one track; never to itself; and a delegation is ended once."""
    chain = assembly()
    number = propose(chain, deposit=False)

    def delegate(to, balance=5):
        return Voting.delegate.Call(track=TRACK, to=to.account, balance=balance, conviction=1)

    chain.fails(ALICE, delegate(ALICE), "Voting.OwnDelegate")
    chain.fails(ALICE, delegate(BOB, 2 * MILLION), "Voting.MoreThanLockable")
    chain.fails(ALICE, Voting.undelegate.Call(track=TRACK), "Voting.NotDelegating")
    chain.ok(ALICE, delegate(BOB))
    chain.fails(ALICE, delegate(USER), "Voting.AlreadyDelegating")
    vote = Voting.vote.Call(poll=number, vote=aye(5))
    chain.fails(ALICE, vote, "Voting.AlreadyDelegating")
    cast(chain, BOB, number, aye(5))
    chain.fails(BOB, delegate(USER), "Voting.AlreadyVoting")


def test_delegations_do_not_go_on() -> None:
    """Who delegates lets nobody vote through it: each delegation is one step."""
    chain = assembly()
    number = propose(chain)
    for who, to in ((ALICE, BOB), (BOB, USER)):
        call = Voting.delegate.Call(track=TRACK, to=to.account, balance=7, conviction=1)
        chain.ok(who, call)
    cast(chain, USER, number, aye(1))
    assert referendum(chain, number).tally == VoteSum(80, 0, 8)


def test_a_delegation_can_break_a_confirmation() -> None:
    """The delegate's votes change at once, and so does what they decide."""
    chain = assembly()
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9 * MILLION))
    cast(chain, BOB, number, nay(1))
    until(chain, "Governance.ConfirmStarted")
    call = Voting.delegate.Call(track=TRACK, to=BOB.account, balance=MILLION, conviction=6)
    chain.ok(ALICE, call)
    chain.ok(USER, replace_conviction(call))
    assert referendum(chain, number).confirming_since is None


def replace_conviction(call):
    """The same call of another account."""
    return Voting.delegate.Call(
        track=call.track, to=call.to, balance=call.balance, conviction=call.conviction
    )


curves = st.builds(
    lambda a, b, reached: Curve(max(a, b), min(a, b), reached),
    st.integers(0, PPB),
    st.integers(0, PPB),
    st.integers(1, PPB),
)


@given(curves, st.integers(0, PPB), st.integers(1, 10**7))
def test_the_alarm_is_the_first_block_at_which_a_share_is_enough(curve, share, blocks) -> None:
    """One division gives what a search over all blocks would find."""
    after = blocks_until(curve, share, blocks)
    if after is None:
        assert share < threshold_ppb(curve, blocks, blocks)
    else:
        assert share >= threshold_ppb(curve, after, blocks)
        assert after == 0 or share < threshold_ppb(curve, after - 1, blocks)


@given(curves, st.lists(st.integers(0, 10**6), min_size=2, max_size=9))
def test_thresholds_never_rise(curve, elapsed) -> None:
    """So that who passes goes on to pass while nobody votes."""
    thresholds = [threshold_ppb(curve, each, 10**6) for each in sorted(elapsed)]
    assert all(one >= other for one, other in pairwise(thresholds))
    assert all(curve.end_ppb <= each <= curve.start_ppb for each in thresholds)


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 10**27))
def test_shares_are_parts_of_a_whole(ayes, nays, support) -> None:
    """Whatever the votes, an empty electorate among them."""
    for electorate in (0, 1, 10**27):
        standing = standing_of(VoteSum(ayes, nays, support), QUICK, electorate, 5)
        assert 0 <= standing.approval_ppb <= PPB
        assert 0 <= standing.support_ppb <= PPB


PEOPLE = (ALICE, BOB, CAROL, DAVE)
people = st.sampled_from(PEOPLE)
amounts = st.sampled_from([1, MILLION // 2, MILLION, 2 * MILLION])


class Borrowers(RuleBasedStateMachine):
    """Four accounts of one owner with two million OPEN try to vote with more.

    They send OPEN on, approve and pull it, put it into escrows, delegate in every direction, change
    and remove votes.  At all times what is counted for them is what they lock, once.
    """

    @initialize()
    def begin(self):
        self.chain = assembly(
            submission_deposit=0, parameters_terms=replace(QUICK, decision_blocks=10_000)
        )
        self.polls = [propose(self.chain), propose(self.chain)]
        self.capital = 2 * MILLION

    @rule(
        who=people,
        poll=st.integers(0, 1),
        amount=amounts,
        side=st.integers(0, 3),
        conviction=st.integers(0, 6),
    )
    def vote(self, who, poll, amount, side, conviction):
        sides = [0, 0, 0]
        if side < 3:
            sides[side] = amount
        else:
            sides = [amount // 2, amount // 4, amount // 4]
        vote = Vote(sides[0], sides[1], sides[2], conviction)
        self.chain.send(who, Voting.vote.Call(poll=self.polls[poll], vote=vote))

    @rule(who=people, poll=st.integers(0, 1))
    def remove(self, who, poll):
        self.chain.send(who, Voting.remove_vote.Call(poll=self.polls[poll]))

    @rule(who=people, to=people, amount=amounts, conviction=st.integers(0, 6))
    def delegate(self, who, to, amount, conviction):
        call = Voting.delegate.Call(
            track=TRACK, to=to.account, balance=amount, conviction=conviction
        )
        self.chain.send(who, call)

    @rule(who=people)
    def undelegate(self, who):
        self.chain.send(who, Voting.undelegate.Call(track=TRACK))

    @rule(who=people)
    def unlock(self, who):
        self.chain.send(USER, unlock(who))

    @rule(who=people, to=people, amount=amounts)
    def lend(self, who, to, amount):
        self.chain.send(who, Balances.transfer.Call(receiver=to.account, amount=amount))

    @rule(who=people, to=people, amount=amounts)
    def wrap(self, who, to, amount):
        self.chain.send(who, Balances.approve.Call(spender=to.account, amount=amount))
        pull = Balances.transfer_from.Call(owner=who.account, receiver=to.account, amount=amount)
        self.chain.send(to, pull)

    @rule(who=people, amount=amounts)
    def escrow(self, who, amount):
        self.chain.send(who, Inference.deposit.Call(amount=amount))

    @invariant()
    def counts_are_what_is_locked(self):
        with self.chain.reading() as pallets:
            votings = {each: pallets.voting.votings[each.account, TRACK] for each in PEOPLE}
            received: dict[bytes, list[Delegation]] = {each.account: [] for each in PEOPLE}
            for voting in votings.values():
                if voting.delegation is not None:
                    received[voting.delegation.delegate].append(voting.delegation)
            tallies = dict.fromkeys(self.polls, NO_VOTES)
            for who, voting in votings.items():
                delegated = total_delegated(received[who.account])
                assert voting.delegated == delegated
                for each in voting.cast:
                    counted = counting.tally_of(each.vote, delegated)
                    tallies[each.poll] = tallies[each.poll].replacing(NO_VOTES, counted)
                self.check_lock(pallets, who, voting)
            for poll, tally in tallies.items():
                assert pallets.governance.referenda[poll].tally == tally
                assert tally.support <= self.capital
                assert tally.aye_tenths + tally.nay_tenths <= 60 * self.capital

    def check_lock(self, pallets, who, voting):
        """The lock is the largest of what an account does, and it has as much."""
        needed = [counting.total_of(each.vote) for each in voting.cast]
        if voting.delegation:
            needed.append(voting.delegation.balance)
        account = pallets.balances.accounts[who.account]
        assert account.locked == max([*needed, voting.kept])
        assert account.locked <= account.free + account.bonded


def total_delegated(delegations: list[Delegation]):
    """What several delegations add up to."""
    each = [counting.delegated_by(one.balance, one.conviction) for one in delegations]
    total = NOTHING_DELEGATED
    for one in each:
        total = counting.add_delegated(total, one, 1)
    return total


Borrowers.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestBorrowers = Borrowers.TestCase


def test_a_voter_who_locked_everything_is_unlocked_by_others() -> None:
    """It cannot pay a fee any more; anybody else can."""
    chain = assembly(base_price=OPEN)
    number = propose(chain)
    with chain.reading() as pallets:
        free = pallets.balances.free_balance(ALICE.account)
    cast(chain, ALICE, number, nay(free - OPEN, 1))
    with pytest.raises(Exception, match="fee and tip"):
        chain.send(ALICE, Voting.remove_vote.Call(poll=number))
    until(chain, "Governance.Ended")
    chain.ok(USER, unlock(ALICE), height=chain.height + LOCK_BLOCKS + 1)
    assert locked(chain, ALICE) == 0
