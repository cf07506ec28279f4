"""What Bounties promises: every reward is paid once, in full, to the winner or back."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.sandbox import Sandbox
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pallets.pots import TREASURY
from runtime import OPEN, RuntimeCall

from bounties.pallet import REWARD, Bounties

NAMES = ("alice", "bob", "user")


def post(reward: int = 5 * OPEN, ends_at: int = 10) -> RuntimeCall:
    """A bounty that ends at a height."""
    return Bounties.post.Call(title="Find the bug", reward=reward, ends_at=ends_at)


def free(sandbox: Sandbox, account: bytes) -> int:
    """The free balance of an account."""
    with sandbox.reading() as pallets:
        return pallets.balances.free_balance(account)


def test_a_reward_goes_to_the_winner() -> None:
    """It is held while the bounty is open, and the winner's once it is awarded."""
    sandbox = Sandbox(Bounties)
    alice, bob = sandbox.keypair("alice"), sandbox.keypair("bob")
    before = free(sandbox, bob.account)
    sandbox.ok(alice, post())
    with sandbox.reading() as pallets:
        assert pallets.balances.held(alice.account, REWARD) == 5 * OPEN
    sandbox.ok(alice, Bounties.raise_reward.Call(bounty=0, amount=OPEN))
    events = sandbox.ok(alice, Bounties.award.Call(bounty=0, winner=bob.account))
    assert events["Bounties.Awarded"].fields["reward"] == 6 * OPEN
    assert free(sandbox, bob.account) == before + 6 * OPEN
    again = Bounties.award.Call(bounty=0, winner=bob.account)
    sandbox.fails(alice, again, "Bounties.UnknownBounty")


def test_the_end_returns_what_nobody_earned() -> None:
    """The hook of the block `ends_at` gives the reward back; an awarded one is not touched."""
    sandbox = Sandbox(Bounties)
    alice, bob = sandbox.keypair("alice"), sandbox.keypair("bob")
    before = free(sandbox, alice.account)
    sandbox.ok(alice, post())
    sandbox.ok(alice, post())
    sandbox.ok(alice, Bounties.award.Call(bounty=1, winner=bob.account))
    sandbox.advance(10 - sandbox.height)
    assert [event.name for event in sandbox.events if event.pallet == "Bounties"] == ["Expired"]
    fee = sandbox.pallet(Bounties).posting_fee
    assert free(sandbox, alice.account) <= before - 5 * OPEN - 2 * fee
    with sandbox.reading() as pallets:
        assert pallets.balances.held(alice.account, REWARD) == 0
        assert sandbox.pallet(Bounties).promised.get() == 0


def test_posting_costs_a_fee() -> None:
    """The treasury has it."""
    sandbox = Sandbox(Bounties)
    before = free(sandbox, TREASURY)
    sandbox.ok(sandbox.keypair("alice"), post())
    assert free(sandbox, TREASURY) >= before + sandbox.pallet(Bounties).posting_fee


def test_what_is_refused() -> None:
    """Another's bounty, an end in the past, a reward that is not there, a full height."""
    sandbox = Sandbox(Bounties)
    alice, bob = sandbox.keypair("alice"), sandbox.keypair("bob")
    sandbox.ok(alice, post())
    stolen = Bounties.award.Call(bounty=0, winner=bob.account)
    sandbox.fails(bob, stolen, "Bounties.NotOwner")
    sandbox.fails(alice, post(ends_at=1), "Bounties.EndsTooEarly")
    sandbox.fails(alice, post(reward=10**9 * OPEN), "Balances.Insufficient")
    for _ in range(sandbox.pallet(Bounties).endings_per_block_max):
        sandbox.ok(bob, post(ends_at=90))
    sandbox.fails(alice, post(ends_at=90), "Bounties.HeightFull")


@dataclass
class Promise:
    """What the model knows of an open bounty."""

    owner: str
    reward: int
    ends_at: int


class Market(RuleBasedStateMachine):
    """Any history of calls and blocks leaves the rewards where the model has them."""

    def __init__(self) -> None:
        """Begin with a new chain."""
        super().__init__()
        self.sandbox = Sandbox(Bounties)
        self.open: dict[int, Promise] = {}
        self.posted = 0

    def close_ended(self) -> None:
        """Forget what ended in the blocks so far."""
        height = self.sandbox.height
        self.open = {key: each for key, each in self.open.items() if each.ends_at > height}

    @rule(owner=st.sampled_from(NAMES), reward=st.integers(1, 100 * OPEN), blocks=st.integers(2, 8))
    def post(self, owner: str, reward: int, blocks: int) -> None:
        """Posting always succeeds: heights are never full here."""
        ends_at = self.sandbox.height + blocks
        self.sandbox.ok(self.sandbox.keypair(owner), post(reward, ends_at))
        self.close_ended()
        self.open[self.posted] = Promise(owner, reward, ends_at)
        self.posted += 1

    @precondition(lambda self: self.posted > 0)
    @rule(data=st.data(), signer=st.sampled_from(NAMES), amount=st.integers(1, OPEN))
    def raise_reward(self, data: st.DataObject, signer: str, amount: int) -> None:
        """The owner of an open bounty may; nobody else."""
        bounty = data.draw(st.integers(0, self.posted - 1))
        if self.attempt(signer, bounty, Bounties.raise_reward.Call(bounty=bounty, amount=amount)):
            self.open[bounty].reward += amount

    @precondition(lambda self: self.posted > 0)
    @rule(data=st.data(), signer=st.sampled_from(NAMES), winner=st.sampled_from(NAMES))
    def award(self, data: st.DataObject, signer: str, winner: str) -> None:
        """The owner of an open bounty may; nobody else."""
        bounty = data.draw(st.integers(0, self.posted - 1))
        account = self.sandbox.keypair(winner).account
        if self.attempt(signer, bounty, Bounties.award.Call(bounty=bounty, winner=account)):
            del self.open[bounty]

    @rule(count=st.integers(1, 4))
    def wait(self, count: int) -> None:
        """Blocks pass."""
        self.sandbox.advance(count)
        self.close_ended()

    def attempt(self, signer: str, bounty: int, call: RuntimeCall) -> bool:
        """Send a call that only the owner of an open bounty may; tell whether it did."""
        result = self.sandbox.send(self.sandbox.keypair(signer), call)
        self.close_ended()
        known = self.open.get(bounty)
        expected = "" if known and known.owner == signer else "Bounties.NotOwner"
        assert result.error == ("Bounties.UnknownBounty" if known is None else expected)
        return result.ok

    @invariant()
    def rewards_are_held(self) -> None:
        """Each owner's hold is the sum of its open rewards, and `promised` of all."""
        with self.sandbox.reading() as pallets:
            for name in NAMES:
                account = self.sandbox.keypair(name).account
                owned = sum(each.reward for each in self.open.values() if each.owner == name)
                assert pallets.balances.held(account, REWARD) == owned
            promised = self.sandbox.pallet(Bounties).promised.get()
        assert promised == sum(each.reward for each in self.open.values())


TestMarket = Market.TestCase
TestMarket.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
