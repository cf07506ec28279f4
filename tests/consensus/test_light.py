"""The light client's steps: what follows from what is trusted, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from py_arkworks_bls12381 import G1Point

from consensus.errors import InvalidCertificate, InvalidLightBlock, TooManySteps, TrustExpired
from consensus.light import (
    LightBlock,
    LightPolicy,
    LightSync,
    TrustedState,
    check_commit,
    sync,
    verify_header,
    verify_step,
)
from consensus.light.verification import CLOCK_DRIFT_MS
from consensus.votes import Statement, VoteKind
from runtime.errors import DecodeError, InvalidProof, OpenLedgerError
from runtime.state.multiproof import prove_entries
from runtime.wire.validators import Validator, ValidatorSet
from tests.consensus.light_chain import (
    STATE,
    TREE,
    Chain,
    member,
    now_ms,
    possession,
    raw_commit,
    set_of,
    share,
)

STABLE = Chain(lambda _height: (1, 2, 3, 4))
MOVING = Chain(lambda height: tuple(range(1 + height // 4, 6 + height // 4)))
"""One of five validators is replaced every four heights."""
SUDDEN = Chain(lambda height: (1, 2, 3, 4) if height < 10 else (5, 6, 7, 8))
FAULTY = (InvalidLightBlock, InvalidCertificate)


def _step(chain, start, block, now=None):
    time_ms = now_ms(block.header.height) if now is None else now
    return verify_step(chain.state(start), block, chain.policy, time_ms)


@pytest.mark.parametrize("chain", [STABLE, MOVING, SUDDEN])
def test_a_child_follows_from_its_parent(chain):
    """Height by height from genesis on, whatever the sets; proofs of possession are not needed."""
    trusted = chain.state(0)
    for height in range(1, 14):
        block = replace(chain.block(height), possessions=())
        trusted = verify_step(trusted, block, chain.policy, now_ms(height))
        assert trusted == chain.state(height)


def test_a_child_has_to_be_its_parents():
    """Another parent's, another set than the parent names, another chain's."""
    orphan = STABLE.block(6, parent_hash=b"x" * 32)
    stranger = Chain(lambda _height: (1, 2, 3, 5))
    for block in (orphan, stranger.block(6), STABLE.fork(3, b"f").block(6)):
        with pytest.raises(FAULTY):
            _step(STABLE, 5, block)


def test_one_step_skips_any_number_of_heights_under_one_set():
    """With a quorum of it, and no proof of possession; the next set that is named will do, too."""
    block = replace(STABLE.block(500), possessions=())
    assert _step(STABLE, 0, block) == STABLE.state(500)
    named = replace(SUDDEN.block(12), possessions=())
    assert _step(SUDDEN, 9, named) == SUDDEN.state(12)
    with pytest.raises(InvalidCertificate, match="quorum"):
        _step(STABLE, 0, STABLE.block(500, signers=(1, 2)))


def test_more_than_a_third_of_the_trusted_weight_has_to_sign():
    """Set 5..9 has one member of set 1..5, which is too little; set 3..7 has three."""
    assert _step(MOVING, 0, MOVING.block(8)) == MOVING.state(8)
    with pytest.raises(InvalidLightBlock, match="third"):
        _step(MOVING, 0, MOVING.block(16))


def test_the_third_is_exact():
    """At a third of the weight a step is too far; one unit more, and it is not."""

    def members(first, *others):
        return ValidatorSet(
            tuple(
                sorted(
                    (
                        replace(set_of((number,)).validators[0], weight=weight)
                        for number, weight in ((1, first), *others)
                    ),
                    key=lambda each: each.account,
                )
            )
        )

    trusted_header = STABLE.header(1)
    for first, enough in ((100, False), (101, True)):
        old, new = members(first, (2, 200)), members(300, (3, 1))
        block = _block_of(new, (1,), height=9)
        trusted = TrustedState(trusted_header, old)
        if enough:
            assert verify_step(trusted, block, STABLE.policy, now_ms(9)).validators == new
        else:
            with pytest.raises(InvalidLightBlock, match="third"):
                verify_step(trusted, block, STABLE.policy, now_ms(9))


def _block_of(validators, signers, height, possessions=None):
    """A light block under any set at all, signed by some members."""
    header = replace(
        STABLE.header(height),
        validators_hash=validators.hash(),
        next_validators_hash=validators.hash(),
        proposer=validators.validators[0].account,
    )
    statement = Statement(VoteKind.FINALIZE, height, 1, header.id())
    commit = raw_commit(validators, signers, statement, STABLE.genesis_hash)
    proofs = tuple(
        next(possession(n) for n in range(10) if member(n).bls_key == each.bls_key)
        for each in validators.validators
    )
    return LightBlock(header, commit, validators, proofs if possessions is None else possessions)


def test_trusted_validators_are_known_by_their_keys():
    """A made-up set that gives its own keys to trusted accounts is signed by strangers."""
    pairs = ((1, 7), (2, 8), (3, 9), (4, 6))
    posed = sorted(
        (
            Validator(member(own).account, 10, member(own).account, member(other).bls_key)
            for own, other in pairs
        ),
        key=lambda each: each.account,
    )
    block = _block_of(ValidatorSet(tuple(posed)), (6, 7, 8, 9), height=50)
    with pytest.raises(InvalidLightBlock, match="third"):
        _step(STABLE, 0, block)


def test_a_rogue_key_does_not_sign_for_others():
    """Its aggregate verifies for the trusted validators it is made of: its possession does not."""
    rogue_point = G1Point.from_compressed_bytes(member(9).bls_key)
    for number in (1, 2, 3, 4):
        rogue_point -= G1Point.from_compressed_bytes(member(number).bls_key)
    rogue = Validator(member(9).account, 1, member(9).account, rogue_point.to_compressed_bytes())
    honest_set = set_of((1, 2, 3, 4)).validators
    made_up = ValidatorSet(tuple(sorted((*honest_set, rogue), key=lambda each: each.account)))
    header = replace(STABLE.header(50), validators_hash=made_up.hash(), proposer=rogue.account)
    statement = Statement(VoteKind.FINALIZE, 50, 1, header.id())
    payload = statement.payload(STABLE.genesis_hash, made_up.hash())
    commit = replace(
        raw_commit(made_up, (1, 2, 3, 4), statement, STABLE.genesis_hash),
        bitmap=b"\x1f",
        signature=share(9, payload),
    )
    verify_header(header, commit, made_up, STABLE.genesis_hash)
    numbers = {member(n).account: n for n in (1, 2, 3, 4, 9)}
    proofs = tuple(possession(numbers[each.account]) for each in made_up.validators)
    for possessions in ((), proofs, proofs[:-1]):
        block = LightBlock(header, commit, made_up, possessions)
        with pytest.raises(InvalidLightBlock, match="possession"):
            _step(STABLE, 0, block)


def test_new_keys_come_with_their_proofs():
    """Of those that the trusted set has, none is needed, and a wrong one is not looked at."""
    block = MOVING.block(8)
    known = {each.bls_key for each in MOVING.state(0).validators.validators}
    for position, validator in enumerate(block.validators.validators):
        proofs = list(block.possessions)
        proofs[position] = possession(9)
        changed = replace(block, possessions=tuple(proofs))
        if validator.bls_key in known:
            assert _step(MOVING, 0, changed) == MOVING.state(8)
        else:
            with pytest.raises(InvalidLightBlock, match="possession"):
                _step(MOVING, 0, changed)


def test_headers_go_forward_and_not_into_the_future():
    """Heights and times rise; a header may be ahead of the clock by the drift of clocks."""
    for block in (STABLE.block(5), STABLE.block(4), STABLE.block(9, time_ms=now_ms(5))):
        with pytest.raises(InvalidLightBlock, match="not after"):
            _step(STABLE, 5, block)
    early = STABLE.header(9).time_ms - CLOCK_DRIFT_MS
    assert _step(STABLE, 5, STABLE.block(9), now=early) == STABLE.state(9)
    with pytest.raises(InvalidLightBlock, match="ahead"):
        _step(STABLE, 5, STABLE.block(9), now=early - 1)


def test_trust_expires():
    """To the millisecond; the remedy is a recent header."""
    policy = LightPolicy(STABLE.genesis_hash, trusting_period_ms=10_000)
    trusted, block = STABLE.state(5), STABLE.block(14)
    end_ms = trusted.header.time_ms + 10_000
    assert verify_step(trusted, block, policy, end_ms - 1) == STABLE.state(14)
    with pytest.raises(TrustExpired) as caught:
        verify_step(trusted, block, policy, end_ms)
    assert "recent" in caught.value.remedy


def test_a_commit_finalises_its_header():
    """Objects and encodings verify alike; no other header, block, chain or set does."""
    block = STABLE.block(9)
    validators = block.validators
    verify_header(block.header, block.commit, validators, STABLE.genesis_hash)
    encoded = (block.commit.encode(), validators.encode(), STABLE.genesis_hash)
    check_commit(block.header, *encoded)
    with pytest.raises(DecodeError):
        check_commit(block.header, encoded[0][:-1], *encoded[1:])
    stranger = STABLE.block(9, proposer=b"z" * 32)
    for header, commit, members, genesis_hash in (
        (STABLE.header(8), block.commit, validators, STABLE.genesis_hash),
        (
            replace(block.header, state_root=b"t" * 32),
            block.commit,
            validators,
            STABLE.genesis_hash,
        ),
        (block.header, STABLE.block(8).commit, validators, STABLE.genesis_hash),
        (block.header, block.commit, set_of((1, 2, 3)), STABLE.genesis_hash),
        (block.header, block.commit, validators, b"h" * 32),
        (stranger.header, stranger.commit, validators, STABLE.genesis_hash),
    ):
        with pytest.raises(InvalidCertificate) as caught:
            verify_header(header, commit, members, genesis_hash)
        assert caught.value.remedy


def test_a_light_block_survives_its_encoding():
    """And nothing that is cut short or longer is one."""
    data = MOVING.block(8).encode()
    assert LightBlock.decode(data) == MOVING.block(8)
    for bad in (b"", data[:-1], data + b"\0"):
        with pytest.raises(OpenLedgerError):
            LightBlock.decode(bad)


def test_state_is_read_under_the_same_header():
    """Values and absences of exactly the keys that were asked for."""
    wanted = [b"key", b"no such key"]
    proof = prove_entries(TREE, {key: STATE.get(key) for key in wanted})
    trusted = STABLE.state(3)
    assert trusted.read(proof, wanted) == {b"key": b"value", b"no such key": None}
    for keys in ([b"key"], [*wanted, b"other"]):
        with pytest.raises(InvalidProof, match="other keys"):
            trusted.read(proof, keys)
    elsewhere = TrustedState(replace(trusted.header, state_root=b"r" * 32), trusted.validators)
    with pytest.raises(InvalidProof):
        elsewhere.read(proof, wanted)


def _follow(chain, start, target, blocks=None):
    """Drive a synchronisation as a node would; returns it, and the heights it asked for."""
    running = LightSync(chain.state(start), target, chain.policy)
    asked = []
    while (height := running.wanted) is not None:
        asked.append(height)
        block = chain.block(height) if blocks is None else blocks(height)
        running.receive(block, now_ms(target))
    return running, asked


def test_a_synchronisation_asks_for_what_it_needs():
    """The target alone where the set is the same; more, by halves, where it has changed."""
    running, asked = _follow(STABLE, 0, 1_000)
    assert (running.trusted, asked) == (STABLE.state(1_000), [1_000])
    running, asked = _follow(MOVING, 0, 64)
    assert running.trusted == MOVING.state(64)
    assert asked[:4] == [64, 32, 16, 8]
    assert len(asked) == len(set(asked)) <= 16
    trace = [block.header.height for block in running.trace]
    assert trace == sorted(asked)
    running, asked = _follow(SUDDEN, 0, 40)
    assert running.trusted == SUDDEN.state(40)
    assert {9, 10} <= {block.header.height for block in running.trace} | {0}
    assert _follow(STABLE, 5, 5)[1] == []


@pytest.mark.parametrize("start", [0, 3, 17])
def test_skipping_leads_where_single_steps_lead(start):
    """To the same trusted state, from anywhere to anywhere."""
    for target in range(start, 40, 3):
        assert _follow(MOVING, start, target)[0].trusted == MOVING.state(target)


def test_a_synchronisation_takes_what_it_asked_for_only():
    """Another height, a target behind, a chain of strangers."""
    running = LightSync(STABLE.state(0), 9, STABLE.policy)
    with pytest.raises(InvalidLightBlock, match="asked for"):
        running.receive(STABLE.block(8), now_ms(9))
    with pytest.raises(InvalidLightBlock, match="below"):
        LightSync(STABLE.state(5), 4, STABLE.policy)
    strangers = Chain(lambda _height: (5, 6, 7, 8))
    with pytest.raises(FAULTY):
        _follow(STABLE, 0, 9, strangers.block)


def test_a_synchronisation_ends(monkeypatch):
    """After so many light blocks it gives up, with a remedy."""
    monkeypatch.setattr(sync, "STEPS_MAX", 5)
    with pytest.raises(TooManySteps) as caught:
        _follow(MOVING, 0, 200)
    assert "later trusted header" in caught.value.remedy
