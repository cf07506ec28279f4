"""Staking: shares, rewards, leaving and slashes; what nominators share; its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from genesis.chain_spec import DEV_BOND, development_keypair, development_validator
from pallets.balances.pallet import Balances
from pallets.pots import ECOSYSTEM, STAKERS, TREASURY
from pallets.session.pallet import Session
from pallets.staking import pallet as module
from pallets.staking.pallet import Staking
from pallets.staking.types import LEAVING_MAX, TARGETS_MAX
from runtime.calls import RuntimeCall
from runtime.errors import InvariantViolation
from runtime.keys import Keypair
from runtime.types import OPEN
from tests.pallets.chain import Chain, key_of, spec

VALIDATOR, ALICE = development_keypair("validator"), development_keypair("alice")
BOB, USER = development_keypair("bob"), development_keypair("user")
FAUCET = development_keypair("faucet")
BOND = 10_000 * OPEN
LEAST = 10 * OPEN
UNBONDING_BLOCKS = 20
SESSION_BLOCKS = 5


def opened(*names: str, **parameters: int) -> Chain:
    """A chain of these validators on which little has to be waited for."""
    chosen = {"unbonding_blocks": UNBONDING_BLOCKS, "session_blocks": SESSION_BLOCKS} | parameters
    validators = tuple(map(development_validator, names or ("validator",)))
    return Chain(replace(spec(**chosen), validators=validators))


def bond(amount: int) -> RuntimeCall:
    """The signer's own stake."""
    return Staking.bond.Call(amount=amount)


def nominate(validator: Keypair, amount: int) -> RuntimeCall:
    """Stake behind somebody else."""
    return Staking.nominate.Call(validator=validator.account, amount=amount)


def unbond(validator: Keypair, amount: int) -> RuntimeCall:
    """Stake that leaves."""
    return Staking.unbond.Call(validator=validator.account, amount=amount)


def withdraw(validator: Keypair) -> RuntimeCall:
    """Stake that has left."""
    return Staking.withdraw.Call(validator=validator.account)


def claim(validator: Keypair) -> RuntimeCall:
    """Rewards."""
    return Staking.claim.Call(validator=validator.account)


def inside(chain: Chain, work: Callable[[Staking], object]) -> object:
    """What other pallets do with stakes, in a block of its own without hooks."""
    chain.height += 1
    context = chain.context(chain.height)
    with chain.runtime._block(chain.state, context, chain.genesis_hash):
        result = work(chain.pallets.staking)
        changes = chain.runtime._overlay.changes()
    chain.apply(changes)
    chain.runtime.check_invariants(chain.state)
    chain.check_money()
    return result


def end_session(chain: Chain) -> int:
    """Execute the last block of the session; returns how many storage entries changed in it."""
    with chain.reading() as pallets:
        last = pallets.session.ends_at.get()
    return len(chain.execute(height=last).changes)


def pay(chain: Chain, amount: int) -> None:
    """Let the stakers' share of answers be this much, and end the session."""
    chain.ok(FAUCET, Balances.transfer.Call(receiver=STAKERS, amount=amount))
    end_session(chain)


def worth(chain: Chain, staker: Keypair, validator: Keypair) -> int:
    """What a staker has behind a validator."""
    with chain.reading() as pallets:
        shares = pallets.staking.positions[staker.account, validator.account].shares
        backing = pallets.staking.backings[validator.account]
    return shares * backing.stake // backing.shares if shares else 0


def claimed(chain: Chain, staker: Keypair, validator: Keypair) -> int:
    """Claim, and return how much it was."""
    event = chain.ok(staker, claim(validator))["Staking.RewardClaimed"]
    return int(event.fields["amount"])


def about(amount: int, exact: int) -> None:
    """Roundings are downwards, of less than a unit, and kept for the next claim."""
    assert exact - 1 <= amount <= exact + 1


def test_a_bond_moves_to_the_stakers_account_and_grows():
    """Bonding pays into the pallet's account; what is added counts, too."""
    chain = opened()
    before = chain.free(ALICE.account)
    events = chain.ok(ALICE, bond(BOND))
    assert events["Staking.Bonded"].fields == {
        "staker": ALICE.account, "validator": ALICE.account, "amount": BOND, "stake": BOND,
    }  # fmt: skip
    chain.ok(ALICE, bond(5))
    assert chain.free(ALICE.account) == before - BOND - 5
    assert worth(chain, ALICE, ALICE) == BOND + 5
    with chain.reading() as pallets:
        assert pallets.staking.staked.get() == DEV_BOND + BOND + 5
        assert pallets.staking.targets[ALICE.account] == (ALICE.account,)


def test_a_bond_is_enough_or_gone():
    """Bonds and nominations have a least amount, also for what is left of them."""
    chain = opened()
    chain.fails(ALICE, bond(BOND - 1), "Staking.BondTooLow")
    chain.fails(ALICE, bond(10**9 * OPEN), "Balances.Insufficient")
    chain.ok(ALICE, bond(BOND))
    chain.fails(BOB, nominate(ALICE, LEAST - 1), "Staking.BondTooLow")
    chain.fails(BOB, nominate(USER, LEAST), "Staking.NotAValidator")
    chain.ok(BOB, nominate(ALICE, LEAST))
    chain.fails(BOB, unbond(ALICE, 1), "Staking.BondTooLow")
    chain.fails(ALICE, unbond(ALICE, 1), "Staking.BondTooLow")
    chain.fails(BOB, unbond(ALICE, LEAST + 1), "Staking.MoreThanBonded")
    chain.ok(BOB, unbond(ALICE, LEAST))
    chain.fails(BOB, unbond(ALICE, 1), "Staking.NotBonded")


def test_stake_waits_from_the_end_of_the_session():
    """To the block: it still decides to the end of the session, then it waits, then it is free."""
    chain = opened()
    chain.ok(ALICE, bond(2 * BOND))
    before = chain.free(ALICE.account)
    due = chain.ok(ALICE, unbond(ALICE, BOND))["Staking.Unbonded"].fields["withdrawable_at"]
    assert due == SESSION_BLOCKS + UNBONDING_BLOCKS
    chain.fails(ALICE, withdraw(ALICE), "Staking.NothingToWithdraw", height=due - 1)
    events = chain.ok(ALICE, withdraw(ALICE), height=due)
    assert events["Staking.Withdrawn"].fields["amount"] == BOND
    assert chain.free(ALICE.account) == before + BOND
    assert worth(chain, ALICE, ALICE) == BOND
    chain.fails(ALICE, withdraw(ALICE), "Staking.NothingToWithdraw")


def test_a_position_that_is_over_is_forgotten():
    """Nothing is stored of who has taken everything out."""
    chain = opened()
    chain.ok(ALICE, bond(BOND))
    chain.ok(ALICE, unbond(ALICE, BOND))
    chain.ok(ALICE, withdraw(ALICE), height=SESSION_BLOCKS + UNBONDING_BLOCKS)
    assert len(chain.entries("Staking", "positions")) == 1
    assert len(chain.entries("Staking", "targets")) == 1
    assert chain.entries("Staking", "parts") == {}


def test_only_so_many_parts_leave_at_a_time():
    """What leaves in one session is one part; when all places are taken, one must withdraw."""
    chain = opened(unbonding_blocks=100)
    chain.ok(ALICE, bond(2 * BOND))
    for _ in range(LEAVING_MAX):
        end_session(chain)
        chain.ok(ALICE, unbond(ALICE, 1))
        chain.ok(ALICE, unbond(ALICE, 1))
    end_session(chain)
    result = chain.fails(ALICE, unbond(ALICE, 1), "Staking.TooManyParts")
    assert f"parts: {LEAVING_MAX}" in result.message
    chain.ok(ALICE, withdraw(ALICE), height=chain.height + 100)
    chain.ok(ALICE, unbond(ALICE, 1))


def test_parts_of_a_validator_are_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch):
    """A part that can be withdrawn makes room for another; until then there is none."""
    monkeypatch.setattr(module, "PARTS_MAX", 2)
    chain = opened()
    people = [development_keypair(name) for name in ("alice", "bob", "user")]
    chain.ok(ALICE, bond(2 * BOND))
    for each in people[1:]:
        chain.ok(each, nominate(ALICE, BOND))
    for each in people[1:]:
        chain.ok(each, unbond(ALICE, BOND))
        end_session(chain)
    chain.fails(ALICE, unbond(ALICE, BOND), "Staking.TooManyParts")
    chain.ok(ALICE, unbond(ALICE, BOND), height=SESSION_BLOCKS + UNBONDING_BLOCKS)


def test_long_waiting_times_have_a_hundred_steps():
    """Stake waits up to a hundredth longer, so that a slash has few parts to look at."""
    chain = opened(unbonding_blocks=10_000)
    chain.ok(ALICE, bond(3 * BOND))
    first = chain.ok(ALICE, unbond(ALICE, BOND), height=3)["Staking.Unbonded"]
    second = chain.ok(ALICE, unbond(ALICE, BOND), height=91)["Staking.Unbonded"]
    assert first.fields["withdrawable_at"] == second.fields["withdrawable_at"] == 10_100


def test_an_account_stands_behind_so_many_validators():
    """One more than the most is refused."""
    chain = opened()
    for number in range(TARGETS_MAX + 1):
        other = key_of(f"validator {number}")
        chain.ok(FAUCET, Balances.transfer.Call(receiver=other.account, amount=BOND))
        chain.ok(other, bond(BOND))
    for number in range(TARGETS_MAX):
        chain.ok(ALICE, nominate(key_of(f"validator {number}"), LEAST))
    call = nominate(key_of(f"validator {TARGETS_MAX}"), LEAST)
    chain.fails(ALICE, call, "Staking.TooManyTargets")


def test_only_a_part_of_the_elected_stake_leaves_in_a_session():
    """As much as an election may change; the rest waits for the next session."""
    chain = opened("validator", "alice", change_max_ppb=300_000_000)
    chain.fails(ALICE, unbond(ALICE, DEV_BOND), "Staking.TooMuchLeaves")
    chain.ok(ALICE, unbond(ALICE, 6 * DEV_BOND // 10))
    chain.fails(ALICE, unbond(ALICE, 1), "Staking.TooMuchLeaves")
    end_session(chain)
    chain.ok(ALICE, unbond(ALICE, 1))


def test_rewards_are_divided_by_stake_after_the_commission():
    """A tenth is the validator's, the rest is everybody's in proportion."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    chain.ok(BOB, nominate(VALIDATOR, 2 * DEV_BOND))
    end_session(chain)
    pay(chain, 1_000)
    assert chain.free(STAKERS) == 0
    about(claimed(chain, ALICE, VALIDATOR), 225)
    about(claimed(chain, BOB, VALIDATOR), 450)
    about(claimed(chain, VALIDATOR, VALIDATOR), 100 + 225)
    chain.fails(BOB, claim(VALIDATOR), "Staking.NothingToClaim")


def test_who_comes_for_the_last_block_earns_nothing():
    """Stake earns from the session on that began after it came; added stake as well."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    pay(chain, 900)
    chain.fails(ALICE, claim(VALIDATOR), "Staking.NothingToClaim")
    chain.ok(ALICE, nominate(VALIDATOR, 2 * DEV_BOND))
    pay(chain, 1_000)
    about(claimed(chain, ALICE, VALIDATOR), 450)
    pay(chain, 1_000)
    about(claimed(chain, ALICE, VALIDATOR), 675)
    assert chain.entries("Staking", "joins") == {}


def test_who_leaves_before_the_end_earns_nothing():
    """And what only joined in this session leaves first, and loses nothing by that."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    end_session(chain)
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    chain.ok(ALICE, unbond(VALIDATOR, DEV_BOND))
    pay(chain, 1_000)
    about(claimed(chain, ALICE, VALIDATOR), 450)
    chain.ok(ALICE, unbond(VALIDATOR, DEV_BOND))
    pay(chain, 1_000)
    chain.fails(ALICE, claim(VALIDATOR), "Staking.NothingToClaim")
    about(claimed(chain, VALIDATOR, VALIDATOR), 550 + 1_000)


def test_validators_who_are_not_elected_earn_nothing():
    """Stake behind them begins to earn when they are elected."""
    chain = opened()
    chain.ok(ALICE, bond(BOND))
    chain.ok(BOB, nominate(ALICE, BOND))
    pay(chain, 1_000)
    chain.fails(BOB, claim(ALICE), "Staking.NothingToClaim")
    about(claimed(chain, VALIDATOR, VALIDATOR), 1_000)


def test_a_session_pays_its_validators_by_their_stake():
    """Each validator's part is that of the stake that was there all the time."""
    chain = opened("validator", "alice")
    chain.ok(BOB, nominate(ALICE, 2 * DEV_BOND))
    end_session(chain)
    pay(chain, 4_000)
    about(claimed(chain, VALIDATOR, VALIDATOR), 1_000)
    about(claimed(chain, BOB, ALICE), 1_800)


def test_the_offender_and_its_stakers_earn_nothing_in_that_session():
    """Who joined it in that session can still leave, and earns when it is elected again."""
    chain = opened("validator", "alice")
    end_session(chain)
    chain.ok(BOB, nominate(ALICE, DEV_BOND))
    inside(chain, lambda staking: staking.dismiss(ALICE.account))
    inside(chain, lambda staking: staking.dismiss(ALICE.account))
    pay(chain, 1_000)
    chain.fails(BOB, claim(ALICE), "Staking.NothingToClaim")
    chain.ok(BOB, unbond(ALICE, DEV_BOND))
    assert chain.entries("Staking", "joins") == {}


def test_rewards_wait_for_somebody_to_earn_them():
    """Where nobody's stake was there all the time, the stakers' pot keeps what it has."""
    chain = opened()
    chain.ok(VALIDATOR, unbond(VALIDATOR, DEV_BOND))
    pay(chain, 1_000)
    assert chain.free(STAKERS) == 1_000


def test_the_ecosystem_adds_what_it_has():
    """A governed amount a session, from the ecosystem's account only, while that lasts."""
    chain = opened(stream_per_session=70)
    before = chain.free(ECOSYSTEM)
    end_session(chain)
    assert chain.free(ECOSYSTEM) == before - 70
    (event,) = [each for each in chain.events if each.name == "RewardsShared"]
    assert event.fields == {"session": 1, "answers": 0, "stream": 70}
    account = Balances.accounts.storage_key(ECOSYSTEM)
    issuance = Balances.issuance
    stored = Balances.accounts.codec.decode(chain.state[account])
    supply = issuance.codec.decode(chain.state[issuance.prefix])
    chain.state[issuance.prefix] = issuance.codec.encode(supply - stored.free + 3)
    chain.state[account] = Balances.accounts.codec.encode(replace(stored, free=3, locked=0))
    end_session(chain)
    assert chain.free(ECOSYSTEM) == 0
    chain.check_money()


def test_a_commission_counts_from_the_next_session_on():
    """Stakers see it before it costs them anything; there is a most."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    end_session(chain)
    chain.ok(VALIDATOR, Staking.set_commission.Call(commission_ppb=500_000_000))
    call = Staking.set_commission.Call(commission_ppb=500_000_001)
    chain.fails(VALIDATOR, call, "Staking.CommissionTooHigh")
    chain.fails(BOB, call, "Staking.NotBonded")
    pay(chain, 1_000)
    about(claimed(chain, ALICE, VALIDATOR), 450)
    pay(chain, 1_000)
    about(claimed(chain, ALICE, VALIDATOR), 250)
    chain.ok(ALICE, bond(BOND))
    chain.ok(ALICE, Staking.set_commission.Call(commission_ppb=0))
    with chain.reading() as pallets:
        assert pallets.staking.backings[ALICE.account].commission_ppb == 0


def test_paying_many_costs_what_paying_one_costs():
    """The block that shares rewards out changes as many entries, however many nominators."""
    few, many = opened(), opened()
    for chain, count in ((few, 1), (many, 40)):
        for number in range(count):
            who = key_of(f"nominator {number}")
            chain.ok(FAUCET, Balances.transfer.Call(receiver=who.account, amount=2 * LEAST))
            chain.ok(who, nominate(VALIDATOR, LEAST))
        end_session(chain)
        chain.ok(FAUCET, Balances.transfer.Call(receiver=STAKERS, amount=10**6))
    assert end_session(few) == end_session(many)
    each = claimed(many, key_of("nominator 39"), VALIDATOR)
    assert each == claimed(many, key_of("nominator 0"), VALIDATOR) == 9 * 10**5 * 10 // 100_400


def slash(chain: Chain, amount: int, offence_height: int) -> object:
    """What the offences pallet does when the time for appeals is over."""
    account = VALIDATOR.account
    return inside(chain, lambda staking: staking.slash(account, amount, offence_height, TREASURY))


def test_a_slash_reaches_nominators_in_proportion():
    """Everybody loses the same part, and those who joined later are no exception."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, 2 * DEV_BOND))
    chain.ok(BOB, nominate(VALIDATOR, DEV_BOND))
    assert slash(chain, DEV_BOND, 1) == DEV_BOND
    assert worth(chain, VALIDATOR, VALIDATOR) == 3 * DEV_BOND // 4
    assert worth(chain, ALICE, VALIDATOR) == 6 * DEV_BOND // 4
    assert worth(chain, BOB, VALIDATOR) == 3 * DEV_BOND // 4
    assert chain.free(TREASURY) == DEV_BOND
    chain.ok(USER, nominate(VALIDATOR, DEV_BOND))
    about(worth(chain, USER, VALIDATOR), DEV_BOND)


def test_a_slash_reaches_what_left_after_the_offence():
    """Not what left before it; and nobody loses more than there is."""
    chain = opened()
    for who in (ALICE, BOB):
        chain.ok(who, nominate(VALIDATOR, DEV_BOND))
    chain.ok(ALICE, unbond(VALIDATOR, DEV_BOND))
    chain.execute(height=SESSION_BLOCKS + 1)
    chain.ok(BOB, unbond(VALIDATOR, DEV_BOND))
    assert slash(chain, DEV_BOND, SESSION_BLOCKS + 1) == DEV_BOND
    assert worth(chain, VALIDATOR, VALIDATOR) == DEV_BOND // 2
    due = 2 * SESSION_BLOCKS + 1 + UNBONDING_BLOCKS
    events = chain.ok(BOB, withdraw(VALIDATOR), height=due)
    assert events["Staking.Withdrawn"].fields["amount"] == DEV_BOND // 2
    events = chain.ok(ALICE, withdraw(VALIDATOR))
    assert events["Staking.Withdrawn"].fields["amount"] == DEV_BOND
    assert slash(chain, DEV_BOND, 1) == DEV_BOND // 2
    assert slash(chain, DEV_BOND, 1) == 0
    chain.fails(USER, nominate(VALIDATOR, DEV_BOND), "Staking.Worthless")


def test_a_frozen_backing_lets_nobody_in_and_nothing_out():
    """What was there at the offence stays; what left before it is free to go; thawed, all is."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    chain.ok(ALICE, unbond(VALIDATOR, BOND))
    chain.execute(height=SESSION_BLOCKS + 1)
    chain.ok(ALICE, unbond(VALIDATOR, BOND))
    inside(chain, lambda staking: staking.freeze(VALIDATOR.account, SESSION_BLOCKS + 1))
    chain.fails(BOB, nominate(VALIDATOR, BOND), "Staking.Frozen")
    events = chain.ok(ALICE, withdraw(VALIDATOR), height=100)
    assert events["Staking.Withdrawn"].fields["amount"] == BOND
    chain.fails(ALICE, withdraw(VALIDATOR), "Staking.NothingToWithdraw", height=200)
    inside(chain, lambda staking: staking.thaw(VALIDATOR.account, SESSION_BLOCKS + 1))
    chain.ok(ALICE, withdraw(VALIDATOR))
    chain.ok(BOB, nominate(VALIDATOR, BOND))


def test_only_so_many_slashes_wait(monkeypatch: pytest.MonkeyPatch):
    """One more is refused: who offends as often has nothing left."""
    monkeypatch.setattr(module, "FROZEN_MAX", 2)
    chain = opened()

    def freeze(staking: Staking) -> list[bool]:
        return [staking.freeze(VALIDATOR.account, 1) for _ in range(3)]

    assert inside(chain, freeze) == [True, True, False]


def test_unpaid_books_are_found():
    """The invariant sees an account that has less than what is staked and earned."""
    chain = opened()
    for damage in (
        lambda staking: staking.staked.put(staking.staked.get() + 1),
        lambda staking: staking.owed.put(1),
    ):
        before = dict(chain.state)
        with pytest.raises(InvariantViolation):
            inside(chain, damage)
        chain.state = before


def test_validators_need_their_own_bond():
    """Nominations alone elect nobody: who has less than the least bond does not stand."""
    chain = opened()
    chain.ok(ALICE, bond(BOND))
    chain.ok(ALICE, Session.validate.Call())
    chain.ok(BOB, nominate(ALICE, 5 * BOND))
    with chain.reading() as pallets:
        assert pallets.session._ranked() == [
            (VALIDATOR.account, DEV_BOND), (ALICE.account, 6 * BOND),
        ]  # fmt: skip
    chain.ok(ALICE, unbond(ALICE, BOND))
    with chain.reading() as pallets:
        assert pallets.session._ranked() == [(VALIDATOR.account, DEV_BOND)]
        assert pallets.staking.backings[ALICE.account].stake == 5 * BOND
