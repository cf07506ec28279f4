"""Votes on a Datanet's terms: by held stake and earnings, for what comes after, by contributors."""

from __future__ import annotations

import pytest

from genesis.scenes import (
    ALICE,
    BOB,
    BUILDER,
    CURATOR,
    USER,
    commit,
    create,
    publish,
    reveal,
    terms,
)
from pallets.datanet_votes.pallet import DEPOSIT, VOTE, DatanetVotes
from pallets.pots import TREASURY
from runtime.hashing import hash_text
from runtime.types import OPEN, PPB
from runtime.wire.datanets import ALL_PURPOSES, Purpose
from tests.pallets.chain import Chain, spec
from tests.pallets.test_staking import inside

RESEARCH = (Purpose.RESEARCH,)
CLOSE = DatanetVotes.close.Call(datanet=0, proposal=0)
RELEASE = DatanetVotes.release.Call(datanet=0, proposal=0)


def opened(stake_ppb=PPB, **changed):
    """Alice and Bob have rows; Alice proposes other terms."""
    chain = Chain(spec(voting_blocks=30, stake_ppb=stake_ppb))
    chain.ok(CURATOR, create(**changed))
    for number, who in enumerate((ALICE, BOB)):
        chain.ok(who, commit(who, purposes=ALL_PURPOSES))
        chain.ok(who, reveal(number))
    chain.ok(CURATOR, publish((0, 5, 0, 0), (1, 5, 0, 0)))
    return chain


def propose(**changed):
    return DatanetVotes.propose.Call(datanet=0, terms=terms(**changed))


def vote(approve, stake):
    return DatanetVotes.vote.Call(datanet=0, proposal=0, approve=approve, stake=stake * OPEN)


def test_a_majority_with_quorum_sets_the_terms():
    """The terms hold at once, the deposit and the stakes come back."""
    chain = opened()
    chain.ok(ALICE, propose(licence="CC0-1.0"))
    chain.ok(ALICE, vote(True, 900))
    chain.ok(BOB, vote(False, 200))
    chain.fails(BOB, vote(True, 200), "DatanetVotes.AlreadyVoted")
    chain.fails(USER, CLOSE, "DatanetVotes.WrongState")
    chain.fails(ALICE, RELEASE, "DatanetVotes.WrongState")
    assert chain.held(ALICE.account, VOTE) == 900 * OPEN
    chain.ok(USER, CLOSE, height=chain.height + 30)
    with chain.reading() as pallets:
        assert pallets.datanets.terms_of(0).licence == "CC0-1.0"
    chain.ok(ALICE, RELEASE)
    chain.ok(BOB, RELEASE)
    chain.fails(BOB, RELEASE, "DatanetVotes.NothingHeld")
    assert chain.held(ALICE.account, VOTE) == chain.held(ALICE.account, DEPOSIT) == 0


@pytest.mark.parametrize("stake_ppb", [0, PPB // 10, PPB])
def test_what_rows_earned_votes_and_stake_as_much_as_is_governed(stake_ppb):
    """Earned influence weighs without any stake; whether stake outweighs it is a parameter."""
    chain = opened(stake_ppb)
    inside(chain, lambda _: chain.pallets.datanets.note_earned(0, BOB.account, 1_500 * OPEN))
    chain.ok(ALICE, propose(licence="CC0-1.0"))
    weight = chain.ok(ALICE, vote(True, 5_000))["DatanetVotes.Voted"].fields["weight"]
    assert weight == 5_000 * stake_ppb * OPEN // PPB
    assert chain.ok(BOB, vote(False, 0))["DatanetVotes.Voted"].fields["weight"] == 1_500 * OPEN
    chain.ok(USER, CLOSE, height=chain.height + 30)
    with chain.reading() as pallets:
        changed = pallets.datanets.terms_of(0).licence == "CC0-1.0"
    assert changed is (stake_ppb == PPB)


def test_a_rejected_proposal_loses_its_deposit():
    """Spam is paid for."""
    chain = opened()
    treasury = chain.free(TREASURY)
    chain.ok(ALICE, propose(licence="CC0-1.0"))
    chain.ok(BOB, vote(False, 2_000))
    chain.ok(USER, CLOSE, height=chain.height + 30)
    assert chain.free(TREASURY) == treasury + 100 * OPEN
    with chain.reading() as pallets:
        assert pallets.datanets.terms_of(0).licence == "CC-BY-4.0"


def test_without_quorum_nothing_changes_and_nobody_pays():
    """A few votes decide nothing."""
    chain = opened()
    chain.ok(ALICE, propose(licence="CC0-1.0"))
    chain.ok(ALICE, vote(True, 10))
    chain.ok(USER, CLOSE, height=chain.height + 30)
    assert chain.held(ALICE.account, DEPOSIT) == 0
    with chain.reading() as pallets:
        assert pallets.datanets.terms_of(0).licence == "CC-BY-4.0"


def test_only_contributors_have_a_say():
    """Stake alone is no voice; nor are terms that no Datanet can have."""
    chain = opened()
    chain.fails(BUILDER, propose(), "DatanetVotes.NotContributor")
    chain.fails(ALICE, propose(purposes=()), "Datanets.InvalidTerms")
    chain.ok(ALICE, propose())
    chain.fails(BUILDER, vote(True, 10_000), "DatanetVotes.NotContributor")
    missing = DatanetVotes.close.Call(datanet=0, proposal=9)
    chain.fails(ALICE, missing, "DatanetVotes.UnknownProposal")


def test_borrowed_stake_must_stay():
    """A stake votes once and cannot be moved, or held for another vote, until the end."""
    chain = opened()
    chain.ok(ALICE, propose())
    chain.ok(ALICE, propose(licence="CC0-1.0"))
    everything = chain.free(ALICE.account) // OPEN
    chain.ok(ALICE, vote(True, everything))
    second = DatanetVotes.vote.Call(datanet=0, proposal=1, approve=True, stake=OPEN)
    chain.fails(ALICE, second, "Balances.Insufficient")


def test_no_vote_widens_a_licence_for_rows_given_before():
    """Rows given for research are for research, whatever the terms say later."""
    chain = Chain(spec(voting_blocks=30))
    chain.ok(CURATOR, create(purposes=RESEARCH))
    chain.ok(ALICE, commit(ALICE, purposes=RESEARCH))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 5, 0, 0)))
    chain.ok(ALICE, propose())
    chain.ok(ALICE, vote(True, 2_000))
    chain.ok(USER, CLOSE, height=chain.height + 30)
    salt = hash_text(b"more")
    chain.fails(BOB, commit(BOB, purposes=RESEARCH, salt=salt), "Datanets.LicenceTooNarrow")
    chain.ok(BOB, commit(BOB, salt=salt))
    chain.ok(BOB, reveal(1, salt=salt))
    chain.ok(CURATOR, publish((1, 5, 0, 0), rows_before=5, reviewed_before=5))
    with chain.reading() as pallets:
        assert pallets.datanets.permits(0, 2, Purpose.RESEARCH, USER.account)
        assert not pallets.datanets.permits(0, 2, Purpose.COMMERCIAL, USER.account)
