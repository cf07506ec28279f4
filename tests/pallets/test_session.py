"""Session: proved keys, elections, sets that change at the next height, history, beacons."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consensus.bls import key_gen
from genesis.chain_spec import (
    DEV_BOND,
    dev_spec,
    development_keypair,
    development_validator,
)
from genesis.validators import prove_keys
from pallets.session import pallet as module
from pallets.session.election import elect
from pallets.session.pallet import BEACONS_MAX, Session
from pallets.staking.pallet import Staking
from runtime.errors import InvariantViolation
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.types import OPEN
from runtime.wire.session_keys import SessionKeys
from runtime.wire.validators import WEIGHT_UNIT
from tests.pallets.chain import Chain, spec

NAMES = ("validator", "alice", "bob", "user")
PEOPLE = {name: development_keypair(name) for name in NAMES}
VALIDATOR, ALICE, BOB, USER = PEOPLE.values()
SESSION_BLOCKS = 10
BOND = 10_000 * OPEN


def opened(*names: str, **parameters: int):
    """A chain of these validators with short sessions."""
    chosen = {"session_blocks": SESSION_BLOCKS, "unbonding_blocks": 40} | parameters
    validators = tuple(map(development_validator, names or ("validator",)))
    return Chain(replace(spec(**chosen), validators=validators))


def set_keys(chain, keypair, seed=b"a", **wrong):
    """New keys of an account, with their proofs."""
    vote = Keypair.from_seed(hash_text(seed + keypair.account))
    secret = key_gen(hash_text(seed + keypair.account))
    keys, proofs = prove_keys(vote, secret, chain.genesis_hash, keypair.account)
    return Session.set_keys.Call(keys=keys, proofs=replace(proofs, **wrong))


def stand(chain, keypair, bond=BOND):
    """Let an account stand for election."""
    chain.ok(keypair, Staking.bond.Call(amount=bond))
    chain.ok(keypair, Session.validate.Call())


def accounts(chain):
    """Who decides the next height."""
    with chain.reading() as pallets:
        return [each.account for each in pallets.session.current.get().validators]


def end_session(chain):
    """Execute the last block of the session; returns its events by name."""
    with chain.reading() as pallets:
        last = pallets.session.ends_at.get()
    chain.execute(height=last)
    return {f"{event.pallet}.{event.name}": event for event in chain.events}


def inside(chain, work):
    """What other pallets do with sets, in a block of its own, without its hooks."""
    chain.height += 1
    context = chain.context(chain.height)
    with chain.runtime._block(chain.state, context, chain.genesis_hash):
        work(chain.pallets.session)
        changes = chain.runtime._overlay.changes()
    chain.apply(changes)
    chain.runtime.check_invariants(chain.state)


def limited(chain):
    """At most a third of the weight changes in an election of this chain."""
    item = chain.pallets.session.definition.storage["change_max_ppb"]
    chain.state[item.prefix] = item.codec.encode(333_333_333)
    return chain


def weights_of(chain):
    """The weights of the set that decides the next height, in OPEN."""
    with chain.reading() as pallets:
        members = pallets.session.current.get().validators
    return {each.account: each.weight * WEIGHT_UNIT // OPEN for each in members}


def test_an_election_changes_a_third_at_most():
    """Who comes has a part of its weight first, and the rest at the next elections."""
    chain = limited(opened())
    stand(chain, ALICE, DEV_BOND)
    chain.ok(ALICE, set_keys(chain, ALICE))
    seen = []
    for _ in range(3):
        end_session(chain)
        seen.append(weights_of(chain)[ALICE.account])
    assert seen == [49_999, 100_000, 100_000]


def test_who_leaves_waits_for_its_turn():
    """Who does not fit stays with its weight until an election in which it does."""
    chain = limited(opened("validator", "alice", "bob", "user"))
    for each in (VALIDATOR, ALICE, BOB):
        chain.ok(each, Session.chill.Call())
    end_session(chain)
    first = min(VALIDATOR.account, ALICE.account, BOB.account)
    assert sorted(weights_of(chain).values()) == [66_666, 100_000, 100_000]
    assert first not in accounts(chain)
    for _ in range(5):
        end_session(chain)
    assert accounts(chain) == [USER.account]


def test_offenders_leave_at_once_however_many():
    """The limit is for those who may still be trusted: the jailed are not kept for it."""
    chain = limited(opened("validator", "alice", "bob"))
    inside(chain, lambda session: session.jail([ALICE.account, BOB.account], 50))
    assert accounts(chain) == [VALIDATOR.account]
    end_session(chain)
    assert accounts(chain) == [VALIDATOR.account]


account_ids = st.sampled_from([bytes([number]) * 32 for number in range(6)])


@given(
    current=st.dictionaries(account_ids, st.integers(1, 1_000), min_size=1),
    wanted=st.dictionaries(account_ids, st.integers(1, 1_000)),
    gone=st.dictionaries(account_ids, st.integers(0, 1_000)),
    most=st.integers(1, 6),
    change_ppb=st.sampled_from([10_000_000, 333_333_333, 10**9]),
)
def test_elections_keep_their_limits(current, wanted, gone, most, change_ppb):
    """Random sets and candidates: what leaves by choice and what is new are within the part."""
    able = {account: min(weight, gone.get(account, weight)) for account, weight in current.items()}
    wanted |= {account: able[account] for account in wanted if account in able}
    wanted = {account: weight for account, weight in wanted.items() if weight}
    ranked = sorted(wanted.items(), key=lambda each: (-each[1], each[0]))
    elected = elect(ranked, current, able, most, change_ppb)
    if not wanted:
        assert not elected
        return
    decided, left = sum(current.values()), sum(able.values())
    stays = sum(min(weight, current.get(account, 0)) for account, weight in elected.items())
    assert decided - stays <= max(decided - left, decided * change_ppb // 10**9)
    new = sum(elected.values()) - stays
    if stays:
        assert new * 10**9 <= sum(elected.values()) * change_ppb
    assert all(
        weight <= wanted.get(account, able.get(account, 0)) for account, weight in elected.items()
    )
    assert len(elected) <= max(most, len(current))
    if change_ppb == 10**9:
        assert elected == dict(ranked[:most])


def test_candidates_come_and_go():
    """Whoever has bonded enough may stand for election, once, and chill."""
    chain = opened()
    chain.fails(ALICE, Session.validate.Call(), "Session.BondTooLow")
    chain.fails(ALICE, Session.chill.Call(), "Session.NotCandidate")
    chain.ok(ALICE, Staking.bond.Call(amount=BOND))
    events = chain.ok(ALICE, Session.validate.Call())
    assert events["Session.CandidateAdded"].fields["stake"] == BOND
    with chain.reading() as pallets:
        assert pallets.session.candidates.get() == tuple(sorted((ALICE.account, VALIDATOR.account)))
    chain.fails(ALICE, Session.validate.Call(), "Session.AlreadyCandidate")
    chain.ok(ALICE, Session.chill.Call())
    with chain.reading() as pallets:
        assert pallets.session.candidates.get() == (VALIDATOR.account,)


def test_a_full_list_gives_way_to_more_stake(monkeypatch: pytest.MonkeyPatch):
    """The newcomer takes the last place of the election; an equal stake takes nobody's."""
    monkeypatch.setattr(module, "CANDIDATES_MAX", 3)
    chain = opened()
    for keypair in (ALICE, BOB, USER):
        chain.ok(keypair, Staking.bond.Call(amount=BOND))
    chain.ok(ALICE, Session.validate.Call())
    chain.ok(BOB, Session.validate.Call())
    chain.fails(USER, Session.validate.Call(), "Session.CandidatesFull")
    chain.ok(USER, Staking.bond.Call(amount=1))
    chain.ok(USER, Session.validate.Call())
    with chain.reading() as pallets:
        candidates = pallets.session.candidates.get()
    assert max(ALICE.account, BOB.account) not in candidates
    assert USER.account in candidates


def test_a_jailed_account_waits_and_asks_back_in():
    """Out of the candidates at once; back only from the height on, and with enough bonded."""
    chain = opened("validator", "alice")
    until = chain.height + 12
    inside(chain, lambda session: session.jail([ALICE.account], until))
    inside(chain, lambda session: session.jail([ALICE.account], until - 5))
    chain.fails(ALICE, Session.validate.Call(), "Session.InJail")
    end_session(chain)
    chain.fails(ALICE, Session.unjail.Call(), "Session.InJail", height=until - 1)
    everything = Staking.unbond.Call(validator=ALICE.account, amount=DEV_BOND)
    chain.ok(ALICE, everything)
    chain.fails(ALICE, Session.unjail.Call(), "Session.BondTooLow")
    chain.ok(ALICE, Staking.bond.Call(amount=BOND))
    chain.ok(ALICE, Session.unjail.Call())
    chain.fails(ALICE, Session.unjail.Call(), "Session.NotInJail")
    inside(chain, lambda session: session.release(ALICE.account))


def test_wrong_candidates_are_found():
    """The invariant sees a jailed candidate, and a wrong order."""
    chain = opened("validator", "alice")
    for damage in (
        lambda session: session.jails.__setitem__(ALICE.account, 5),
        lambda session: session.candidates.put(tuple(reversed(session.candidates.get()))),
    ):
        before = dict(chain.state)
        with pytest.raises(InvariantViolation):
            inside(chain, damage)
        chain.state = before


def test_keys_are_set_when_both_are_proved():
    """The account's keys are the new ones, and an event says so."""
    chain = opened()
    call = set_keys(chain, ALICE)
    events = chain.ok(ALICE, call)
    assert events["Session.KeysSet"].fields["keys"] == call.keys
    with chain.reading() as pallets:
        assert pallets.session.keys[ALICE.account] == call.keys


def test_proofs_of_possession_stay():
    """Also of keys that are not used any more: light clients may be shown an old set."""
    chain = opened()
    first, second = set_keys(chain, ALICE), set_keys(chain, ALICE, b"b")
    for call in (first, second, Session.purge_keys.Call()):
        chain.ok(ALICE, call)
    with chain.reading() as pallets:
        for call in (first, second):
            proof = pallets.session.possessions[call.keys.bls_key]
            assert proof == call.proofs.possession


def test_a_proof_is_for_one_account_and_one_chain():
    """What another account proved, or this one on another chain, is no proof."""
    chain = opened()
    chain.fails(BOB, set_keys(chain, ALICE), "Session.NotProved")
    chain.fails(ALICE, set_keys(opened("alice"), ALICE), "Session.NotProved")


@pytest.mark.parametrize("proof", ["vote_signature", "bls_signature", "possession"])
def test_every_proof_is_needed(proof):
    """A wrong one is named."""
    chain = opened()
    size = 64 if proof == "vote_signature" else 96
    call = set_keys(chain, ALICE, **{proof: bytes(size)})
    assert proof in chain.fails(ALICE, call, "Session.NotProved").message


def test_a_possession_proof_is_of_the_key():
    """One of another key, valid for that, is refused."""
    chain = opened()
    other = set_keys(chain, BOB).proofs.possession
    chain.fails(ALICE, set_keys(chain, ALICE, possession=other), "Session.NotProved")


def test_a_key_that_anybody_can_sign_with_is_refused():
    """A point of small order verifies signatures that need no secret."""
    chain = opened()
    call = set_keys(chain, ALICE)
    weak = replace(call.keys, vote_key=(1).to_bytes(32, "little"))
    chain.fails(ALICE, replace(call, keys=weak), "Session.WeakKey")


@pytest.mark.parametrize("same", ["vote_key", "bls_key"])
def test_a_key_is_one_accounts_for_ever(same):
    """Also when its owner has other keys by now, or none; the owner may use it again."""
    chain = opened()
    first = set_keys(chain, ALICE)
    chain.ok(ALICE, first)
    chain.ok(ALICE, set_keys(chain, ALICE, b"b"))
    chain.ok(ALICE, Session.purge_keys.Call())
    alice_vote = Keypair.from_seed(hash_text(b"a" + ALICE.account))
    alice_secret = key_gen(hash_text(b"a" + ALICE.account))
    bob_vote = Keypair.from_seed(hash_text(b"a" + BOB.account))
    bob_secret = key_gen(hash_text(b"a" + BOB.account))
    vote = alice_vote if same == "vote_key" else bob_vote
    secret = alice_secret if same == "bls_key" else bob_secret
    keys, proofs = prove_keys(vote, secret, chain.genesis_hash, BOB.account)
    result = chain.fails(BOB, Session.set_keys.Call(keys, proofs), "Session.KeyTaken")
    assert ALICE.account.hex() in result.message
    chain.ok(ALICE, first)


def test_keys_are_purged():
    """Whoever has no keys is not elected again, and cannot purge them twice."""
    chain = opened("validator", "alice")
    chain.ok(ALICE, Session.purge_keys.Call())
    chain.fails(ALICE, Session.purge_keys.Call(), "Session.NoKeys")
    assert ALICE.account in accounts(chain)
    end_session(chain)
    assert accounts(chain) == [VALIDATOR.account]


def test_an_election_decides_the_height_behind_the_session():
    """A candidate joins at the end of the session: its last block still has the old set."""
    chain = opened()
    stand(chain, ALICE, 2 * BOND)
    chain.ok(ALICE, set_keys(chain, ALICE))
    chain.execute(height=SESSION_BLOCKS - 1)
    assert accounts(chain) == [VALIDATOR.account]
    events = end_session(chain)
    assert accounts(chain) == sorted([VALIDATOR.account, ALICE.account])
    with chain.reading() as pallets:
        session = pallets.session
        current = session.current.get()
        assert session.hash_at(SESSION_BLOCKS) != current.hash()
        assert session.hash_at(SESSION_BLOCKS + 1) == current.hash()
        assert session.index.get() == 1
        member = current.validators[current.index_of(ALICE.account)]
        assert member.weight == 2 * BOND // WEIGHT_UNIT
    assert events["Session.SetChanged"].fields == {
        "first_height": SESSION_BLOCKS + 1,
        "validators_hash": current.hash(),
        "validators": 2,
    }
    assert events["Session.SessionStarted"].fields["first_height"] == SESSION_BLOCKS + 1


def test_the_largest_bonds_with_keys_are_elected():
    """Those without keys are passed over; at most validators_max are taken."""
    chain = opened(validators_max=2)
    for keypair, bond in ((ALICE, 4 * BOND), (BOB, 3 * BOND), (USER, 2 * BOND)):
        stand(chain, keypair, bond)
    for keypair in (BOB, USER):
        chain.ok(keypair, set_keys(chain, keypair))
    end_session(chain)
    assert accounts(chain) == sorted([VALIDATOR.account, BOB.account])


def test_rotated_keys_count_from_the_next_election_on():
    """Until then the set has the old ones."""
    chain = opened()
    old = chain.pallets.session
    call = set_keys(chain, VALIDATOR, b"new")
    chain.ok(VALIDATOR, call)
    with chain.reading() as pallets:
        (member,) = pallets.session.current.get().validators
        assert SessionKeys(member.vote_key, member.bls_key) != call.keys
    end_session(chain)
    with chain.reading():
        (member,) = old.current.get().validators
        assert SessionKeys(member.vote_key, member.bls_key) == call.keys


def test_the_set_is_never_empty():
    """When nobody stands for election, and when everybody is expelled, the set stays."""
    chain = opened()
    chain.ok(VALIDATOR, Session.chill.Call())
    events = end_session(chain)
    assert events["Session.SetKept"].fields["first_height"] == SESSION_BLOCKS + 1
    assert accounts(chain) == [VALIDATOR.account]
    inside(chain, lambda session: session.jail([VALIDATOR.account], 50))
    assert accounts(chain) == [VALIDATOR.account]


def test_an_unchanged_set_is_not_a_change():
    """A session that elects the same set leaves no trace in the history."""
    chain = opened()
    end_session(chain)
    with chain.reading() as pallets:
        assert (pallets.session.next_change.get(), pallets.session.index.get()) == (1, 1)


def test_the_expelled_leave_at_the_next_height():
    """Not at the next session; whoever is no member changes nothing."""
    chain = opened("validator", "alice", "bob")
    chain.advance(2)
    inside(chain, lambda session: session.jail([ALICE.account, USER.account], 50))
    assert accounts(chain) == sorted([VALIDATOR.account, BOB.account])
    inside(chain, lambda session: session.jail([ALICE.account], 50))
    with chain.reading() as pallets:
        assert pallets.session.next_change.get() == 2
        assert pallets.session.hash_at(3) != pallets.session.hash_at(4)
        assert pallets.session.validator_count() == 2


def test_sets_are_remembered_as_long_as_they_can_be_punished():
    """Then they are forgotten, by hash and by height; one that came back stays."""
    chain = opened("validator", "alice", session_blocks=1, unbonding_blocks=5)
    with chain.reading() as pallets:
        both = pallets.session.current.get()
    chain.ok(ALICE, Session.chill.Call())
    with chain.reading() as pallets:
        alone = pallets.session.current.get()
    chain.ok(ALICE, Session.validate.Call())
    chain.ok(ALICE, Session.chill.Call(), height=5)
    with chain.reading() as pallets:
        assert pallets.session.known_set(both.hash()) == both
        assert pallets.session.hash_at(1) == both.hash()
    chain.ok(ALICE, Session.validate.Call(), height=6)
    chain.ok(ALICE, Session.chill.Call(), height=20)
    chain.ok(BOB, Staking.bond.Call(amount=DEV_BOND))
    chain.ok(BOB, set_keys(chain, BOB))
    chain.ok(BOB, Session.validate.Call(), height=40)
    chain.ok(BOB, Session.chill.Call(), height=60)
    with chain.reading() as pallets:
        session = pallets.session
        assert session.hash_at(1) is None
        assert session.known_set(both.hash()) is None
        assert session.known_set(alone.hash()) == alone
        assert session.hash_at(61) == alone.hash()
    assert len(chain.entries("Session", "known_sets")) == 2


def test_only_so_many_sets_are_remembered(monkeypatch: pytest.MonkeyPatch):
    """The oldest go, however young they are."""
    monkeypatch.setattr(module, "SETS_MAX", 3)
    chain = opened("validator", "alice", session_blocks=1, unbonding_blocks=10_000)
    for number in range(1, 8):
        call = Session.chill.Call() if number % 2 else Session.validate.Call()
        chain.ok(ALICE, call)
    assert len(chain.entries("Session", "changes")) == 3
    assert len(chain.entries("Session", "known_sets")) == 2


def test_every_height_has_the_set_that_decided_it():
    """Found by bisection over any number of changes."""
    chain = opened("validator", "alice", session_blocks=1, unbonding_blocks=10_000)
    expected = {}
    for number in range(12):
        call = Session.validate.Call() if number % 2 else Session.chill.Call()
        with chain.reading() as pallets:
            expected[chain.height + 1] = pallets.session.current.get().hash()
        chain.ok(ALICE, call, height=chain.height + 1 + number % 3)
        with chain.reading() as pallets:
            expected |= {chain.height + 1: pallets.session.current.get().hash()}
    with chain.reading() as pallets:
        for height, validators_hash in expected.items():
            assert pallets.session.hash_at(height) == validators_hash


def test_beacons_are_told_two_heights_later():
    """Not before they are there, and not when they are forgotten."""
    chain = opened()
    committed_at = chain.height
    chain.advance(1)
    with chain.reading() as pallets, pytest.raises(Session.BeaconUnknown):
        pallets.session.beacon_after(committed_at)
    chain.advance(1)
    with chain.reading() as pallets:
        value = pallets.session.beacon_after(committed_at)
    assert value == chain.context(2).beacon
    chain.advance(BEACONS_MAX - 1)
    with chain.reading() as pallets:
        assert pallets.session.beacon_after(committed_at) == value
    chain.advance(1)
    with chain.reading() as pallets, pytest.raises(Session.BeaconUnknown) as caught:
        pallets.session.beacon_after(committed_at)
    assert "earliest: 2" in caught.value.message
    assert len(chain.entries("Session", "beacons")) == BEACONS_MAX


def test_a_wrong_set_is_found():
    """The invariant compares what decides with what is remembered."""
    chain = opened("validator", "alice")
    other = dev_spec().validator_set()
    with pytest.raises(InvariantViolation):
        inside(chain, lambda session: session.current.put(other))


who = st.sampled_from(NAMES)


class SessionMachine(RuleBasedStateMachine):
    """Random candidates, keys and expulsions: the set is what the rules say, at every height."""

    def __init__(self):
        super().__init__()
        self.chain = opened(session_blocks=5, unbonding_blocks=30, validators_max=2)
        self.has_keys = {VALIDATOR.account}
        self.bonds = {VALIDATOR.account: DEV_BOND}
        self.set = [VALIDATOR.account]
        self.decided = {}

    def block(self, keypair=None, call=None):
        """Execute a block, and elect in the model when it ends the session."""
        self.decided[self.chain.height + 1] = tuple(self.set)
        if call is None:
            self.chain.advance(1)
        else:
            self.chain.send(keypair, call)
        if self.chain.height % 5 == 0:
            self.elect()

    def elect(self):
        with self.chain.reading() as pallets:
            standing = pallets.session.candidates.get()
        ranked = sorted(
            (each for each in standing if each in self.has_keys),
            key=lambda each: (-self.bonds[each], each),
        )
        self.set = sorted(ranked[:2]) or self.set

    @rule(name=who, bond=st.integers(BOND, 5 * BOND))
    def bond(self, name, bond):
        account = PEOPLE[name].account
        if account not in self.bonds:
            self.bonds[account] = bond
            self.block(PEOPLE[name], Staking.bond.Call(amount=bond))

    @rule(name=who)
    def validate(self, name):
        self.block(PEOPLE[name], Session.validate.Call())

    @rule(name=who)
    def chill(self, name):
        self.block(PEOPLE[name], Session.chill.Call())

    @rule(name=who, seed=st.sampled_from([b"a", b"b"]))
    def set_keys(self, name, seed):
        self.has_keys.add(PEOPLE[name].account)
        self.block(PEOPLE[name], set_keys(self.chain, PEOPLE[name], seed))

    @rule(name=who)
    def purge_keys(self, name):
        self.has_keys.discard(PEOPLE[name].account)
        self.block(PEOPLE[name], Session.purge_keys.Call())

    @rule()
    def wait(self):
        self.block()

    @invariant()
    def the_set_is_the_models(self):
        assert accounts(self.chain) == self.set
        with self.chain.reading() as pallets:
            for height, members in self.decided.items():
                validators_hash = pallets.session.hash_at(height)
                if height > self.chain.height - 30:
                    known = pallets.session.known_set(validators_hash)
                    assert tuple(each.account for each in known.validators) == members


SessionMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestSessionMachine = SessionMachine.TestCase
