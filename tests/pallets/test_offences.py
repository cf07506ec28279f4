"""Offences: real evidence, judged and punished once, in the right measure, at the next height."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consensus.votes import Statement, VoteKind
from genesis.chain_spec import DEV_BOND, development_keypair, development_validator
from genesis.liars import ONE, OTHER, Liar, Liars
from pallets.offences.pallet import Offences
from pallets.offences.types import PUNISHMENTS_MAX, Punishment
from pallets.pots import TREASURY
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from runtime.admission import NORMAL_UNITS_MAX
from runtime.arithmetic import apply_ppb
from runtime.block import BLOCK_UNITS_MAX
from runtime.codec import codec_of
from runtime.errors import InvalidBlock
from runtime.extrinsic import encode_inherent
from runtime.fees import EXTRINSIC_UNITS
from runtime.types import OPEN, PPB
from runtime.wire.offences import (
    EVIDENCE_BYTES_MAX,
    OFFERED_AS,
    Offence,
    OffenceKind,
    OfferedEvidence,
)
from runtime.wire.validators import WEIGHT_UNIT, ValidatorSet
from tests.pallets.chain import Chain, spec

NAMES = ("validator", "alice", "bob", "user")
ALICE, BOB, USER = map(development_keypair, NAMES[1:])
LIARS = {name: Liar.development(name) for name in NAMES}
NOTARIZE, NULLIFY, FINALIZE, PROPOSE = VoteKind
FREE = 1_000_000 * OPEN - DEV_BOND
REPORTER = development_keypair("server")
SLASHED = apply_ppb(DEV_BOND, 562_500_000)
"""Of one among four: the square of three quarters."""
REWARD = min(apply_ppb(SLASHED, 10_000_000), 100 * OPEN)
JAIL_BLOCKS = 30


def opened(names=NAMES, **parameters):
    """A chain of these validators, at height 5."""
    chosen = {"session_blocks": 20, "unbonding_blocks": 50, "jail_blocks": JAIL_BLOCKS}
    validators = tuple(map(development_validator, names))
    chain = Chain(replace(spec(**chosen | parameters), validators=validators))
    chain.advance(5)
    return chain, Liars(chain.genesis_hash, chain.spec.validator_set())


def report(evidence):
    return Offences.report.Call(evidence=evidence)


def accounts(chain):
    with chain.reading() as pallets:
        return [each.account for each in pallets.session.current.get().validators]


def statement(kind, block_id):
    """Voted in the first round of height 4."""
    return Statement(kind, 4, 1, block_id)


def bonded(chain, keypair):
    with chain.reading() as pallets:
        return pallets.staking.stake_of(keypair.account)


def cancel(chain, slash):
    """Cancel a slash as the chain itself."""
    chain.height += 1
    with chain.runtime._block(chain.state, chain.context(chain.height), chain.genesis_hash):
        chain.pallets.offences.cancel_slash(None, slash)
        changes = chain.runtime._overlay.changes()
    chain.apply(changes)
    chain.runtime.check_invariants(chain.state)


def appealed(chain):
    """The time for appeals is over, and what was to be taken is taken."""
    chain.advance(16)
    chain.check_money()


def build(chain, *pieces):
    """Build the next block as a proposer that has these pieces of evidence; apply it."""
    chain.height += 1
    offered = {OFFERED_AS: codec_of(OfferedEvidence).encode(pieces)}
    outcome = chain.runtime.execute(
        chain.state,
        chain.context(chain.height),
        chain.genesis_hash,
        (),
        skip_invalid=True,
        offered=offered,
    )
    chain.apply(outcome.changes)
    chain.events = outcome.events
    chain.check_money()
    return outcome


def test_an_offender_is_slashed_jailed_and_out_at_the_next_height():
    """The reporter gets its part and the treasury the rest; everything is in the events."""
    chain, liars = opened()
    before = chain.free(REPORTER.account)
    events = chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    assert events["Offences.Punished"].fields == {
        "account": ALICE.account,
        "kind": OffenceKind.CONFLICTING_NOTARIZE,
        "height": 3,
        "round": 1,
        "amount": SLASHED,
    }
    due_at = events["Offences.SlashDeferred"].fields["due_at"]
    assert due_at == chain.height + 11
    assert ALICE.account not in accounts(chain)
    assert len(accounts(chain)) == 3
    with chain.reading() as pallets:
        assert pallets.session.hash_at(chain.height + 1) != pallets.session.hash_at(chain.height)
        assert pallets.session.hash_at(chain.height) == chain.spec.validator_set().hash()
    chain.fails(ALICE, Session.validate.Call(), "Session.InJail")
    chain.execute(height=due_at - 1)
    assert (bonded(chain, ALICE), chain.free(TREASURY)) == (DEV_BOND, 0)
    chain.advance(1)
    assert bonded(chain, ALICE) == DEV_BOND - SLASHED
    assert chain.free(REPORTER.account) == before + REWARD
    assert chain.free(TREASURY) == SLASHED - REWARD
    (taken,) = [event for event in chain.events if event.name == "SlashTaken"]
    assert (taken.fields["amount"], taken.fields["reward"]) == (SLASHED, REWARD)


def test_a_slash_is_cancelled_by_the_chain():
    """Nobody loses anything, and the account may leave its jail; a second time there is none."""
    chain, liars = opened()
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    unbond = Staking.unbond.Call(validator=ALICE.account, amount=DEV_BOND)
    chain.ok(ALICE, unbond)
    chain.fails(ALICE, Session.unjail.Call(), "Session.InJail")
    cancel(chain, 0)
    with pytest.raises(Offences.UnknownSlash):
        cancel(chain, 0)
    appealed(chain)
    assert chain.free(TREASURY) == 0
    chain.fails(ALICE, Session.unjail.Call(), "Session.BondTooLow")
    chain.ok(ALICE, Staking.withdraw.Call(validator=ALICE.account), height=70)
    assert chain.free(ALICE.account) == FREE + DEV_BOND


def test_one_of_two_slashes_is_cancelled():
    """The other one keeps the stake frozen and the account in jail, and is taken in its time."""
    chain, liars = opened()
    for height in (3, 4):
        chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], height)))
    cancel(chain, 0)
    with chain.reading() as pallets:
        assert pallets.staking.frozen_since[ALICE.account] == (4,)
        assert pallets.session.jails[ALICE.account] > chain.height
    appealed(chain)
    assert bonded(chain, ALICE) == DEV_BOND - SLASHED
    assert chain.entries("Offences", "slashes") == {}
    assert chain.entries("Offences", "waiting") == {}


def test_one_among_many_loses_the_least():
    """The fraction is that of the kind, until the culprits are a larger part of the set."""
    chain, liars = opened(session_blocks=100)
    validators = liars.validators.validators
    large = tuple(
        replace(each, weight=each.weight * (1 if each.account == ALICE.account else 100))
        for each in validators
    )
    with chain.reading() as pallets:
        whole = 301 * DEV_BOND
        offences = pallets.offences
        key = offences.sets.known_sets
        known = key[liars.validators.hash()]
    codec = chain.pallets.session.definition.storage["known_sets"].codec
    storage_key = chain.pallets.session.definition.storage["known_sets"].storage_key(
        liars.validators.hash()
    )
    chain.state[storage_key] = codec.encode(replace(known, validators=ValidatorSet(large)))
    assert whole == WEIGHT_UNIT * sum(each.weight for each in large)
    with chain.reading() as pallets:
        offence = Offence(OffenceKind.BAD_SHARE, 3, 1, liars.validators.hash(), (ALICE.account,))
        assert pallets.offences._fraction(offence, DEV_BOND) == 50_000_000
        assert pallets.offences._fraction(offence, whole // 3 + 1) == PPB


def test_the_way_back_is_through_unjail_and_an_election():
    """After the jail the offender stands for election, and is elected at the session's end."""
    chain, liars = opened()
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    until = chain.height + JAIL_BLOCKS
    chain.execute(height=20)
    assert ALICE.account not in accounts(chain)
    chain.fails(ALICE, Session.unjail.Call(), "Session.InJail", height=until - 1)
    chain.ok(ALICE, Session.unjail.Call(), height=until)
    assert ALICE.account not in accounts(chain)
    chain.execute(height=40)
    assert ALICE.account in accounts(chain)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ((PROPOSE, ONE), (PROPOSE, OTHER), OffenceKind.DUPLICATE_PROPOSAL),
        ((NOTARIZE, ONE), (NOTARIZE, OTHER), OffenceKind.CONFLICTING_NOTARIZE),
        ((FINALIZE, ONE), (FINALIZE, OTHER), OffenceKind.CONFLICTING_FINALIZE),
        ((NULLIFY, None), (FINALIZE, ONE), OffenceKind.NULLIFY_FINALIZE),
        ((FINALIZE, ONE), (NOTARIZE, OTHER), OffenceKind.FINALIZE_VERSUS_NOTARIZE),
    ],
)
def test_every_pair_of_votes_that_conflict_is_an_offence(first, second, kind):
    """Consensus says which kind it is, and each kind has its fraction."""
    chain, liars = opened()
    evidence = liars.pair(LIARS["bob"], statement(*first), statement(*second))
    events = chain.ok(REPORTER, report(evidence))
    assert events["Offences.Punished"].fields["kind"] is kind
    with chain.reading() as pallets:
        assert pallets.offences.punishments[BOB.account] == (Punishment(4, kind),)


def test_a_bad_share_is_an_offence():
    """The vote is signed with the ed25519 key, and its share is not the voter's."""
    chain, liars = opened()
    events = chain.ok(REPORTER, report(liars.bad_share(LIARS["bob"], 4)))
    assert events["Offences.Punished"].fields["kind"] is OffenceKind.BAD_SHARE


def test_a_fork_punishes_everybody_who_signed_both_sides():
    """All at once, each by its own stake; the set keeps those who did not."""
    chain, liars = opened()
    chain.ok(REPORTER, report(liars.fork([LIARS[name] for name in ("alice", "bob", "user")], 4)))
    appealed(chain)
    for culprit in (ALICE, BOB, USER):
        assert bonded(chain, culprit) == 0
    assert accounts(chain) == [development_keypair("validator").account]
    again = liars.double_vote(LIARS["alice"], 4, FINALIZE)
    chain.fails(REPORTER, report(again), "Offences.AlreadyPunished")


def test_the_innocent_stay_when_all_others_lie():
    """Also when nobody would be left: the set is kept, and all are jailed and slashed."""
    chain, liars = opened(("alice", "bob"))
    events = chain.ok(REPORTER, report(liars.fork([LIARS["alice"], LIARS["bob"]], 4)))
    assert events["Session.SetKept"].fields["first_height"] == chain.height + 1
    assert accounts(chain) == sorted([ALICE.account, BOB.account])
    with chain.reading() as pallets:
        assert pallets.session.candidates.get() == ()


def test_an_offence_is_punished_once():
    """For the validator, height and kind, whoever reports it and in whatever round."""
    chain, liars = opened()
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    other_round = liars.double_vote(LIARS["alice"], 3, round_=2)
    for evidence in (liars.double_vote(LIARS["alice"], 3), other_round):
        chain.fails(BOB, report(evidence), "Offences.AlreadyPunished")
    chain.ok(BOB, report(liars.double_vote(LIARS["alice"], 3, FINALIZE)))
    chain.ok(BOB, report(liars.double_vote(LIARS["alice"], 4)))
    appealed(chain)
    assert bonded(chain, ALICE) == 0
    assert chain.free(TREASURY) + 3 * REWARD > DEV_BOND - SLASHED // 10


def test_what_was_unbonded_is_slashed():
    """The fraction is of the stake behind the vote, wherever it is by now."""
    chain, liars = opened()
    withdraw = Staking.withdraw.Call(validator=ALICE.account)
    chain.ok(ALICE, Staking.unbond.Call(validator=ALICE.account, amount=DEV_BOND))
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    appealed(chain)
    chain.fails(ALICE, withdraw, "Staking.NothingToWithdraw", height=69)
    chain.ok(ALICE, withdraw, height=70)
    assert chain.free(ALICE.account) == FREE + DEV_BOND - SLASHED
    chain.fails(REPORTER, report(liars.double_vote(LIARS["alice"], 20)), "Offences.TooOld")


def test_nothing_escapes_while_a_slash_waits():
    """What could be withdrawn waits for the slash, and nobody joins what will be slashed."""
    chain, liars = opened(appeal_blocks=100)
    chain.ok(ALICE, Staking.unbond.Call(validator=ALICE.account, amount=DEV_BOND))
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)), height=50)
    chain.fails(ALICE, Staking.bond.Call(amount=DEV_BOND), "Staking.Frozen")
    withdraw = Staking.withdraw.Call(validator=ALICE.account)
    chain.fails(ALICE, withdraw, "Staking.NothingToWithdraw", height=100)
    chain.ok(ALICE, withdraw, height=151)
    assert chain.free(ALICE.account) == FREE + DEV_BOND - SLASHED


def test_what_was_bonded_later_is_not_counted():
    """A larger bond after the offence costs no more."""
    chain, liars = opened()
    chain.ok(ALICE, Staking.bond.Call(amount=5 * DEV_BOND))
    chain.execute(height=20)
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    appealed(chain)
    assert bonded(chain, ALICE) == 6 * DEV_BOND - SLASHED


def test_evidence_counts_as_long_as_stake_can_be_slashed():
    """To the block: what was unbonded in the block of the offence can be withdrawn then."""
    chain, liars = opened()
    chain.execute(height=52)
    chain.fails(REPORTER, report(liars.double_vote(LIARS["alice"], 3)), "Offences.TooOld")
    chain, liars = opened()
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)), height=52)


def test_evidence_of_the_future_waits():
    """A height that has no block has no set; the block's own height has."""
    chain, liars = opened()
    height = chain.height + 1
    chain.fails(REPORTER, report(liars.double_vote(LIARS["alice"], height + 1)), "Offences.NotYet")
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], height + 1)))


def test_a_set_that_did_not_decide_the_height_proves_nothing():
    """Votes under the set of another time neither punish nor shield."""
    chain, old = opened()
    chain.ok(BOB, Session.chill.Call())
    chain.execute(height=20)
    with chain.reading() as pallets:
        new = Liars(chain.genesis_hash, pallets.session.current.get())
    chain.advance(2)
    chain.fails(REPORTER, report(old.double_vote(LIARS["alice"], 21)), "Offences.WrongSet")
    chain.fails(REPORTER, report(new.double_vote(LIARS["alice"], 20)), "Offences.WrongSet")
    chain.ok(REPORTER, report(new.double_vote(LIARS["alice"], 21)))
    chain.ok(REPORTER, report(old.double_vote(LIARS["alice"], 20)))


def test_what_proves_nothing_costs_its_fee_only():
    """Garbage, votes that agree, foreign chains and unknown sets punish nobody."""
    chain, liars = opened()
    one = Statement(NOTARIZE, 3, 1, ONE)
    other_chain = Liars(b"\0" * 32, liars.validators)
    half = ValidatorSet(liars.validators.validators[:2])
    strangers = Liars(chain.genesis_hash, half)
    name = {development_keypair(each).account: each for each in NAMES}
    member = name[half.validators[0].account]
    for evidence in (
        b"",
        b"garbage",
        liars.pair(LIARS["alice"], one, one),
        liars.pair(LIARS["alice"], one, replace(one, height=4, block_id=OTHER)),
        liars.pair(LIARS["alice"], one, replace(one, round=2, block_id=OTHER)),
        other_chain.double_vote(LIARS["alice"], 3),
        strangers.double_vote(LIARS[member], 3),
    ):
        chain.fails(REPORTER, report(evidence), "Offences.ProvesNothing")
    assert len(accounts(chain)) == 4


def test_a_block_has_room_for_the_largest_evidence():
    """Its weight is that of the dearest form, and still that of one operational call."""
    largest = report(bytes(EVIDENCE_BYTES_MAX)).weight()
    assert NORMAL_UNITS_MAX < largest.units + EXTRINSIC_UNITS <= BLOCK_UNITS_MAX


def test_the_reporters_part_is_capped():
    """By an amount that is governed; the treasury gets the rest."""
    chain, liars = opened()
    item = chain.pallets.offences.definition.storage["reporter_reward_max"]
    chain.state[item.prefix] = item.codec.encode(7)
    chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], 3)))
    appealed(chain)
    assert chain.free(TREASURY) == SLASHED - 7


def test_nobody_loses_more_than_there_is():
    """Slashes add up to the stake, and a further offence takes nothing."""
    chain, liars = opened(unbonding_blocks=100)
    chain.execute(height=30)
    for height in range(1, 23):
        chain.ok(REPORTER, report(liars.double_vote(LIARS["alice"], height)))
    chain.advance(25)
    assert bonded(chain, ALICE) == 0
    chain.fails(ALICE, Staking.bond.Call(amount=DEV_BOND), "Staking.Worthless")


def test_only_so_many_punishments_are_remembered():
    """Who was punished as often as that has nothing left; old ones make room."""
    chain, liars = opened(unbonding_blocks=100)
    remembered = tuple(
        Punishment(height, OffenceKind.BAD_SHARE) for height in range(100, 100 + PUNISHMENTS_MAX)
    )
    codec = chain.pallets.offences.definition.storage["punishments"].codec
    key = chain.pallets.offences.definition.storage["punishments"].storage_key(ALICE.account)
    chain.state[key] = codec.encode(remembered)
    chain.fails(REPORTER, report(liars.double_vote(LIARS["alice"], 3)), "Offences.AlreadyPunished")
    evidence = liars.double_vote(LIARS["alice"], 101)
    chain.ok(REPORTER, report(evidence), height=200)
    with chain.reading() as pallets:
        assert len(pallets.offences.punishments[ALICE.account]) == PUNISHMENTS_MAX


def test_a_proposer_puts_evidence_first_into_its_block():
    """The first piece that counts, for no reward; importers come to the same state."""
    chain, liars = opened()
    good, later = liars.double_vote(LIARS["alice"], 3), liars.double_vote(LIARS["bob"], 3)
    before = dict(chain.state)
    outcome = build(chain, b"garbage", good, later)
    assert ALICE.account not in accounts(chain)
    assert BOB.account in accounts(chain)
    other, _ = opened()
    assert other.state == before
    imported = other.execute(*outcome.included)
    assert imported.changes == outcome.changes
    assert not build(chain, good).included
    appealed(chain)
    assert chain.free(TREASURY) == SLASHED


def test_a_proposer_without_evidence_adds_nothing():
    """Nothing offered, and nothing that counts: no inherent."""
    chain, liars = opened()
    assert not build(chain).included
    assert not build(chain, liars.double_vote(LIARS["alice"], 40)).included


def test_a_block_with_false_evidence_is_no_block():
    """A proposer cannot punish the innocent."""
    chain, liars = opened()
    one = Statement(NOTARIZE, 3, 1, ONE)
    call = Offences.submit.Call(evidence=liars.pair(LIARS["alice"], one, one))
    with pytest.raises(InvalidBlock, match="proves no offence"):
        chain.execute(encode_inherent(call, chain.runtime.spec_version))


class OffencesMachine(RuleBasedStateMachine):
    """Random lies, reports and returns: each is paid for once, and the jailed do not decide."""

    def __init__(self):
        super().__init__()
        self.chain, self.liars = opened(unbonding_blocks=30, jail_blocks=5, appeal_blocks=0)
        self.bonds = {each.keypair.account: DEV_BOND for each in LIARS.values()}
        self.jailed_until = {}
        self.punished = set()

    def members(self, height):
        """The set that decided a height, and the liars who sign under it."""
        with self.chain.reading() as pallets:
            validators = pallets.session.known_set(pallets.session.hash_at(height))
        return validators, Liars(self.chain.genesis_hash, validators)

    @rule(
        name=st.sampled_from(NAMES),
        age=st.integers(0, 35),
        kind=st.sampled_from([PROPOSE, NOTARIZE, FINALIZE]),
    )
    def report(self, name, age, kind):
        """The evidence counts if it is young, new, and of a member of that height's set."""
        now = self.chain.height + 1
        height, account = max(1, now - age), LIARS[name].keypair.account
        with self.chain.reading() as pallets:
            if pallets.session.hash_at(height) is None:
                return
        validators, liars = self.members(height)
        index = validators.index_of(account)
        if index is None:
            return
        stake = validators.validators[index].weight * WEIGHT_UNIT
        known = (account, height, kind) in self.punished
        counts = not known and height > now - 30
        evidence = liars.double_vote(LIARS[name], height, kind)
        result = self.chain.send(REPORTER, report(evidence))
        assert result.ok == counts, result.message
        if counts:
            self.punished.add((account, height, kind))
            whole = sum(each.weight for each in validators.validators) * WEIGHT_UNIT
            part = min(PPB, 3 * stake * PPB // whole)
            amount = apply_ppb(stake, max(50_000_000, apply_ppb(part, part)))
            self.bonds[account] -= min(self.bonds[account], amount)
            self.chain.advance(1)
            self.jailed_until[account] = now + 5
            deciding = accounts(self.chain)
            assert account not in deciding or deciding == [account]

    @rule(name=st.sampled_from(NAMES))
    def unjail(self, name):
        """Back among the candidates when the time is over and enough is left."""
        account, now = LIARS[name].keypair.account, self.chain.height + 1
        over = account in self.jailed_until and self.jailed_until[account] <= now
        allowed = over and self.bonds[account] >= Staking.bond_min.default
        result = self.chain.send(LIARS[name].keypair, Session.unjail.Call())
        assert result.ok == allowed, result.message
        if allowed:
            del self.jailed_until[account]

    @rule(blocks=st.integers(1, 12))
    def wait(self, blocks):
        """Sessions end."""
        self.chain.execute(height=self.chain.height + blocks)

    @invariant()
    def every_lie_is_paid_for(self):
        """Bonds are the model's, and no jailed account stands for election."""
        with self.chain.reading() as pallets:
            for account, bond in self.bonds.items():
                assert pallets.staking.stake_of(account) == bond
            standing = pallets.session.candidates.get()
        assert not set(standing) & set(self.jailed_until)


OffencesMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestOffencesMachine = OffencesMachine.TestCase
