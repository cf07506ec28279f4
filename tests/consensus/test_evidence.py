"""Evidence: each offence is judged, and honest votes never convict."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import InvalidEvidence, SignerStateError
from consensus.evidence import CertificatePair, Evidence, VotePair, judge
from consensus.signer import SignerState
from consensus.sim.chain import GENESIS_HASH
from consensus.votes import Statement, VoteKind, signed_payload
from runtime.wire.offences import OffenceKind
from tests.consensus.hand_driven import FOUR, A, B, F, HandDriven, N, P, X, id_of

NODE = HandDriven(0)
SETS = {FOUR.hash(): FOUR}
OFFENCES = [
    (OffenceKind.DUPLICATE_PROPOSAL, (P, A), (P, B)),
    (OffenceKind.CONFLICTING_NOTARIZE, (N, A), (N, B)),
    (OffenceKind.CONFLICTING_FINALIZE, (F, A), (F, B)),
    (OffenceKind.NULLIFY_FINALIZE, (X, None), (F, B)),
    (OffenceKind.FINALIZE_VERSUS_NOTARIZE, (N, A), (F, B)),
]


def _judge(evidence):
    return judge(evidence, SETS.get, GENESIS_HASH, NODE.table)


def _pair(first, second):
    return Evidence(FOUR.hash(), votes=VotePair(first, second))


@pytest.mark.parametrize(("offence", "one", "other"), OFFENCES)
def test_two_votes_that_conflict_convict_their_voter(offence, one, other):
    """In either order; the evidence survives its encoding."""
    votes = [NODE.vote(1, kind, 4, block) for kind, block in (one, other)]
    for first, second in (votes, votes[::-1]):
        evidence = _pair(first, second)
        verdict = _judge(Evidence.decode(evidence.encode()))
        assert (verdict.offence, verdict.height, verdict.round) == (offence, 1, 4)
        assert verdict.culprits == (FOUR.validators[1].account,)
        assert evidence.statement == first.statement


def test_a_wrong_share_convicts_who_signed_it():
    """Not one that somebody else put into the vote, and not a right one."""
    vote = NODE.vote(1, F, 4, A)
    payload = signed_payload(NODE.scheme.payload(vote.statement), bytes(96))
    signature = NODE.table.sign(FOUR.validators[1].vote_key, payload)
    bad = replace(vote, share=bytes(96), signature=signature)
    verdict = _judge(Evidence(FOUR.hash(), bad_share=bad))
    assert (verdict.offence, verdict.culprits) == (OffenceKind.BAD_SHARE, (bad.validator,))
    for innocent in (vote, replace(vote, share=bytes(96))):
        with pytest.raises(InvalidEvidence):
            _judge(Evidence(FOUR.hash(), bad_share=innocent))


def test_two_certificates_convict_who_signed_both():
    """More than a third of the weight, as two quorums have that in common."""
    one = NODE.certificate(F, 4, A)
    statement = Statement(X, 1, 4, None)
    other = NODE.scheme.certify(statement, {n: NODE.vote_for(n, statement) for n in (0, 2, 3)})
    assert other is not None
    evidence = Evidence(FOUR.hash(), certificates=CertificatePair(one, other))
    verdict = _judge(evidence)
    assert verdict.offence is OffenceKind.NULLIFY_FINALIZE
    assert verdict.culprits == tuple(FOUR.validators[n].account for n in (2, 3))
    assert evidence.statement == one.statement


def test_what_shows_nothing_convicts_nobody():
    """Votes of two validators, of two rounds, unsigned, of an unknown set; none or two proofs."""
    vote = NODE.vote(1, N, 4, A)
    other = NODE.vote(1, N, 4, B)
    pair = VotePair(vote, other)
    certificates = CertificatePair(NODE.certificate(N, 4, A), NODE.certificate(X, 4))
    for evidence in (
        _pair(vote, NODE.vote(2, N, 4, B)),
        _pair(vote, NODE.vote(1, N, 5, B)),
        _pair(vote, NODE.vote(1, X, 4)),
        _pair(vote, vote),
        _pair(vote, replace(other, signature=bytes(64))),
        replace(_pair(vote, other), validators_hash=bytes(32)),
        Evidence(FOUR.hash()),
        Evidence(FOUR.hash(), votes=pair, bad_share=vote),
        Evidence(FOUR.hash(), certificates=certificates),
    ):
        with pytest.raises(InvalidEvidence):
            _judge(evidence)
    with pytest.raises(InvalidEvidence):
        _ = Evidence(FOUR.hash()).statement


REQUESTS = st.tuples(st.sampled_from(VoteKind), st.integers(1, 2), st.sampled_from([A, B]))


@settings(deadline=None, max_examples=200)
@given(st.lists(REQUESTS, max_size=12))
def test_whatever_an_honest_signer_signs_never_convicts_it(requests):
    """No pair of its votes is evidence, whatever it is asked for in whatever order."""
    state, votes = SignerState.new(), []
    for kind, round_, block in requests:
        named = None if kind is X else id_of(block)
        vote = NODE.vote_for(1, Statement(kind, 1, round_, named))
        with suppress(SignerStateError):
            state = state.with_vote(vote)
            votes.append(vote)
    for number, one in enumerate(votes):
        for other in votes[: number + 1]:
            with pytest.raises(InvalidEvidence):
                _judge(_pair(one, other))
        if one.share is not None:
            with pytest.raises(InvalidEvidence):
                _judge(Evidence(FOUR.hash(), bad_share=one))
