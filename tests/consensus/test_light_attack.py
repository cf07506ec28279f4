"""Two final blocks of one height: found by comparing witnesses, and the guilty named, nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.cryptography import CRYPTOGRAPHY
from consensus.errors import InvalidCertificate, InvalidEvidence, InvalidLightBlock
from consensus.evidence import Evidence, Verdict, judge
from consensus.light import LightClientAttack, LightSync, Side, WitnessCheck, culprits
from consensus.votes import Statement, VoteKind
from runtime.wire.offences import OffenceKind
from tests.consensus.light_chain import Chain, certify, member, now_ms, set_of

ALL = (1, 2, 3, 4, 5, 6, 7)
ONE = Chain(lambda _height: ALL)
TARGET = 50
SETS = {set_of(numbers).hash(): set_of(numbers) for numbers in (ALL, (1, 2, 3, 8, 9))}


def _check(primary, witness, target=TARGET, silent_below=0):
    """Compare a primary with a witness, as a node would; the check, and whom it asked for what.

    The witness has no block below a height.
    """
    root = primary.state(0)
    running = LightSync(root, target, primary.policy)
    while running.wanted is not None:
        running.receive(primary.block(running.wanted), now_ms(target))
    check = WitnessCheck(root, running.trace[-1], primary.policy)
    asked = []
    while check.wanted is not None:
        side, height = check.wanted
        asked.append((side, height))
        if side is Side.WITNESS and height < silent_below:
            break
        chain = witness if side is Side.WITNESS else primary
        check.receive(chain.block(height), now_ms(target))
    return check, asked


def _accounts(*numbers):
    return tuple(sorted(member(number).account for number in numbers))


def _convict(attack, genesis_hash=ONE.genesis_hash):
    return culprits(attack, SETS.get, genesis_hash)


def test_honest_witnesses_agree():
    """One question, no evidence; at the trusted height there is none to ask."""
    check, asked = _check(ONE, ONE)
    assert check.attack is None
    assert asked == [(Side.WITNESS, TARGET)]
    assert WitnessCheck(ONE.state(5), ONE.block(5), ONE.policy).wanted is None


@pytest.mark.parametrize("height", [1, 2, 25, 37, 49, 50])
def test_a_fork_is_found_where_it_is(height):
    """At the first height that differs, after questions by halves; from both sides alike."""
    other = ONE.fork(height, b"f")
    for primary, witness in ((ONE, other), (other, ONE)):
        check, asked = _check(primary, witness)
        assert len(asked) <= 1 + 2 * TARGET.bit_length()
        expected = LightClientAttack.of(ONE.block(height), other.block(height))
        assert check.attack == expected
        assert _convict(check.attack) == _accounts(*ALL)


def test_a_witness_that_proves_nothing_is_faulty():
    """Its blocks have no commit of the set that is trusted: an error, and no evidence."""
    stranger = Chain(lambda _height: (8, 9))
    with pytest.raises((InvalidLightBlock, InvalidCertificate)):
        _check(ONE, stranger)
    check = WitnessCheck(ONE.state(0), ONE.block(9), ONE.policy)
    with pytest.raises(InvalidLightBlock, match="asked for"):
        check.receive(ONE.block(8), now_ms(9))
    check.receive(ONE.block(9), now_ms(9))
    with pytest.raises(InvalidLightBlock, match="none was asked"):
        check.receive(ONE.block(9), now_ms(9))


def test_a_made_up_header_is_evidence_of_the_last_height_it_was_shown_for():
    """The witness shows nothing below; what it showed convicts those who signed both."""
    made_up = ONE.fork(1, b"m")
    check, _ = _check(ONE, made_up, silent_below=TARGET)
    assert check.attack == LightClientAttack.of(ONE.block(TARGET), made_up.block(TARGET))


def test_in_one_round_the_voters_of_both_are_guilty():
    """The intersection of two quorums, more than a third of the weight, and nobody else."""
    one = ONE.block(9, signers=(1, 2, 3, 4, 6))
    other = ONE.fork(9, b"f").block(9, signers=(3, 4, 5, 6, 7))
    attack = LightClientAttack.of(one, other)
    assert attack == LightClientAttack.of(other, one)
    assert LightClientAttack.decode(attack.encode()) == attack
    guilty = _convict(attack)
    assert guilty == _accounts(3, 4, 6)
    weight = sum(
        each.weight for each in SETS[set_of(ALL).hash()].validators if each.account in guilty
    )
    assert 3 * weight > set_of(ALL).total_weight


def _certificate(kind, round_, block_id, signers, height=9):
    statement = Statement(kind, height, round_, block_id)
    return certify(ALL, signers, statement, ONE.genesis_hash)


def test_in_two_rounds_the_lower_rounds_certificate_convicts():
    """F(1, v) and F(3, v') convict nobody; X-cert(1), or an N-cert of round 1, those who signed both."""
    fork = ONE.fork(9, b"f")
    one = ONE.block(9, signers=(1, 2, 3, 4, 6))
    other = fork.block(9, signers=ALL, round_=3)
    attack = LightClientAttack.of(one, other)
    with pytest.raises(InvalidEvidence) as caught:
        _convict(attack)
    assert "certificate" in caught.value.remedy
    own, foreign = one.header.id(), other.header.id()
    useless = [
        _certificate(VoteKind.NULLIFY, 2, None, ALL),
        _certificate(VoteKind.NULLIFY, 1, None, ALL, height=8),
        _certificate(VoteKind.NOTARIZE, 1, own, ALL),
        _certificate(VoteKind.NOTARIZE, 2, foreign, ALL),
        _certificate(VoteKind.FINALIZE, 1, foreign, ALL),
        _certificate(VoteKind.FINALIZE, 1, own, ALL),
    ]
    assert attack.with_certificate(useless) == attack
    for certificate in useless:
        with pytest.raises(InvalidEvidence):
            _convict(replace(attack, certificate=certificate))
    for kind, block_id in ((VoteKind.NULLIFY, None), (VoteKind.NOTARIZE, foreign)):
        third = _certificate(kind, 1, block_id, (3, 4, 5, 6, 7))
        complete = attack.with_certificate([*useless, third])
        assert complete.certificate == third
        assert _convict(complete) == _accounts(3, 4, 6)
        forged = replace(third, signatures=(*third.signatures[1:], third.signatures[0]))
        with pytest.raises(InvalidEvidence):
            _convict(replace(attack, certificate=forged))


def test_under_two_sets_whoever_signed_under_both_is_guilty():
    """In any rounds; a validator of one side only may be an honest one on its side of a fork."""
    foreign = Chain(lambda _height: (1, 2, 3, 8, 9))
    foreign.headers[:1] = ONE.headers[:1]
    foreign.genesis_hash = ONE.genesis_hash
    one = ONE.block(9, signers=(1, 2, 4, 5, 6, 7))
    for round_ in (1, 4):
        other = foreign.block(9, signers=(2, 3, 8, 9), round_=round_)
        attack = LightClientAttack.of(one, other)
        assert attack.is_complete
        assert set(attack.validators_hashes) == set(SETS)
        assert _convict(attack) == _accounts(2)
        certificate = _certificate(VoteKind.NULLIFY, 1, None, ALL)
        assert attack.with_certificate([certificate]) == attack
        with pytest.raises(InvalidEvidence):
            _convict(replace(attack, certificate=certificate))


def test_a_set_of_strangers_needs_its_proofs_of_possession():
    """Without them a rogue key could frame an honest validator."""
    foreign = Chain(lambda _height: (1, 2, 3, 10))
    foreign.headers[:1] = ONE.headers[:1]
    foreign.genesis_hash = ONE.genesis_hash
    one, other = ONE.block(9), foreign.block(9)
    assert _convict(LightClientAttack.of(one, other)) == _accounts(1, 2, 3)
    bare = replace(other, possessions=())
    with pytest.raises(InvalidEvidence, match="possession"):
        _convict(LightClientAttack.of(one, bare))


def test_what_is_no_attack_convicts_nobody():
    """The same block twice, two heights, the wrong order, a wrong commit, another chain, strangers."""
    one, other = ONE.block(9), ONE.fork(9, b"f").block(9)
    attack = LightClientAttack.of(one, other)
    strangers = Chain(lambda _height: (11, 12))
    for bad in (
        LightClientAttack.of(one, one),
        LightClientAttack.of(one, ONE.fork(8, b"f").block(8)),
        replace(attack, one=attack.other, other=attack.one),
        replace(attack, one=replace(attack.one, commit=attack.other.commit)),
        LightClientAttack.of(strangers.block(9), strangers.fork(9, b"f").block(9)),
    ):
        with pytest.raises(InvalidEvidence) as caught:
            _convict(bad)
        assert caught.value.remedy
    with pytest.raises(InvalidEvidence):
        _convict(attack, genesis_hash=b"h" * 32)
    with pytest.raises(InvalidEvidence, match="No validator"):
        culprits(attack, lambda _hash: None, ONE.genesis_hash)


def test_sets_that_the_chain_knows_are_left_out():
    """The evidence stays small, whatever the number of validators; an unknown set is shown."""
    attack = LightClientAttack.of(ONE.block(9), ONE.fork(9, b"f").block(9))
    small = attack.without_known_sets(SETS.get)
    assert len(small.encode()) < 1_500 < len(attack.encode())
    assert _convict(small) == _convict(attack) == _accounts(*ALL)
    assert attack.without_known_sets(lambda _hash: None) == attack
    with pytest.raises(InvalidEvidence, match="neither known nor shown"):
        culprits(small, lambda _hash: None, ONE.genesis_hash)


def test_an_attack_is_evidence_like_any_other():
    """It is judged with the rest, and named for what it is."""
    attack = LightClientAttack.of(ONE.block(9), ONE.fork(9, b"f").block(9))
    evidence = Evidence(set_of(ALL).hash(), attack=attack.without_known_sets(SETS.get))
    verdict = judge(Evidence.decode(evidence.encode()), SETS.get, ONE.genesis_hash, CRYPTOGRAPHY)
    assert verdict == Verdict(OffenceKind.LIGHT_CLIENT_ATTACK, 9, 1, _accounts(*ALL))
