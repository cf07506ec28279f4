"""One validator: every height is proposed, notarized, finalized; no crash makes it contradict itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.engine import (
    BlockBuilt,
    BroadcastVote,
    BuildBlock,
    FinalizeBlock,
    PersistSigner,
    Start,
    VoteReceived,
)
from consensus.errors import InvalidVote, SignerStateError
from consensus.signer import SignerState
from consensus.solo import SoloEngine
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote, verify_certificate
from runtime.errors import InvariantViolation
from runtime.wire.validators import InvalidValidatorSet

GENESIS = b"g" * 32


class Crash(Exception):
    """The node dies before it carries out an effect."""


class World:
    """A node around the engine: a disk that survives crashes, and every vote that ever left."""

    def __init__(self, keys, one):
        self.key, self.validators = keys[0], one
        self.signer_file: bytes | None = None
        self.chain: list[tuple[int, bytes, Certificate | None]] = [(0, GENESIS, None)]
        self.sent: list[Vote] = []
        self.built = 0

    def start(self, crash_after=10**9):
        """Run until 3 more blocks are final, or crash before effect number `crash_after`."""
        self.engine = SoloEngine(GENESIS, self.validators, self.key.account, self.key.sign)
        goal = len(self.chain) + 3
        height, block_id, _ = self.chain[-1]
        events = [Start(height, block_id, self.signer_file)]
        while events and len(self.chain) < goal:
            for effect in self.engine.on(events.pop(0)):
                if crash_after == 0:
                    raise Crash
                crash_after -= 1
                events += self.carry_out(effect)

    def carry_out(self, effect):
        """Do what the engine asks; return the events it leads to."""
        match effect:
            case BuildBlock(height, round_, parent_id):
                assert parent_id == self.chain[-1][1]
                self.built += 1
                return [BlockBuilt(height, round_, self.built.to_bytes(32, "big"), b"block")]
            case PersistSigner(state):
                self.signer_file = state
            case BroadcastVote(vote):
                assert self.signer_file is not None
                assert vote in SignerState.decode(self.signer_file).votes, "W1: sent before fsync"
                self.sent.append(vote)
                return [VoteReceived(vote)]
            case FinalizeBlock(height, block_id, _, commit):
                assert commit.statement == Statement(VoteKind.FINALIZE, height, 1, block_id)
                verify_certificate(commit, self.validators, GENESIS)
                assert height == len(self.chain)
                self.chain.append((height, block_id, commit))
        return []


@pytest.fixture
def world(keys, one):
    """A fresh chain of one validator."""
    return World(keys, one)


def test_each_height_goes_through_both_votes(world):
    """Propose, notarize, finalize, next height; a block is built once."""
    world.start()
    assert [height for height, _, _ in world.chain] == [0, 1, 2, 3]
    assert [vote.statement.kind for vote in world.sent] == [
        VoteKind.NOTARIZE,
        VoteKind.FINALIZE,
    ] * 3
    assert world.built in (3, 4)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 14), max_size=6))
def test_no_crash_makes_it_sign_two_blocks_of_one_round(keys, one, crashes):
    """Killed before any effect, any number of times, it goes on and never votes for another block."""
    world = World(keys, one)
    for crash_after in crashes:
        try:
            world.start(crash_after)
        except Crash:
            continue
    world.start()
    assert len(world.chain) >= 4
    voted: dict[tuple[int, int, VoteKind], bytes | None] = {}
    for vote in world.sent:
        statement = vote.statement
        place = (statement.height, statement.round, statement.kind)
        assert voted.setdefault(place, statement.block_id) == statement.block_id
        assert statement.block_id == voted[(statement.height, 1, VoteKind.NOTARIZE)]


def test_only_the_one_validator_of_a_set_may_run_it(keys, one, ten):
    """Another key or a larger set is refused with a remedy."""
    for validators, key in ((one, keys[1]), (ten, keys[0])):
        with pytest.raises(InvalidValidatorSet) as caught:
            SoloEngine(GENESIS, validators, key.account, key.sign)
        assert "--key" in caught.value.remedy


def test_a_signer_file_that_does_not_fit_the_chain_is_refused(world):
    """Missing, rolled back, ahead, or of another block: it says what to restore (W6)."""
    world.start()
    height, block_id, _ = world.chain[-1]
    misfits = [
        Start(height, block_id, None),
        Start(height + 1, b"x" * 32, world.signer_file),
        Start(height - 2, world.chain[-3][1], world.signer_file),
        Start(height, b"x" * 32, world.signer_file),
    ]
    for misfit in misfits:
        with pytest.raises(SignerStateError) as caught:
            SoloEngine(GENESIS, world.validators, world.key.account, world.key.sign).on(misfit)
        assert "estore" in caught.value.remedy


def test_blocks_nobody_asked_for_are_bugs(world):
    """A second block for the same round, or one of another height, is never signed."""
    engine = SoloEngine(GENESIS, world.validators, world.key.account, world.key.sign)
    engine.on(Start(0, GENESIS, None))
    built = BlockBuilt(1, 1, b"a" * 32, b"block")
    for wrong in (replace(built, height=0), replace(built, round=2)):
        with pytest.raises(InvariantViolation):
            engine.on(wrong)
    engine.on(built)
    for wrong in (built, replace(built, block_id=b"b" * 32), replace(built, height=2)):
        with pytest.raises(InvariantViolation):
            engine.on(wrong)


def test_a_second_node_with_the_same_key_is_noticed(world):
    """A vote of our key that we did not sign is an error; old votes are ignored."""
    engine = SoloEngine(GENESIS, world.validators, world.key.account, world.key.sign)
    engine.on(Start(4, b"p" * 32, SignerState.at(4).encode()))
    engine.on(BlockBuilt(5, 1, b"a" * 32, b"block"))

    def vote(height, block_id):
        statement = Statement(VoteKind.NOTARIZE, height, 1, block_id)
        key = world.key
        return sign_vote(statement, world.validators.hash(), GENESIS, key.account, key.sign)

    assert engine.on(VoteReceived(vote(4, b"z" * 32))) == ()
    with pytest.raises(InvalidVote, match="same key") as caught:
        engine.on(VoteReceived(vote(5, b"b" * 32)))
    assert "stop" in caught.value.remedy
    with pytest.raises(InvalidVote):
        engine.on(VoteReceived(replace(vote(5, b"a" * 32), signature=bytes(64))))
