"""The signer's memory: one order of votes per round, and bytes that come back as they were."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import SignerStateError
from consensus.signer import Proposal, SignerState
from consensus.votes import Statement, Vote, VoteKind
from runtime.errors import DecodeError

BLOCKS = st.sampled_from([b"a" * 32, b"b" * 32])
VOTES = st.tuples(st.sampled_from(VoteKind), st.integers(1, 2), BLOCKS)


def _vote(kind, round_, block_id, height=5):
    statement = Statement(kind, height, round_, None if kind is VoteKind.NULLIFY else block_id)
    return Vote(statement, b"v" * 32, bytes(64))


@settings(deadline=None, max_examples=300)
@given(st.lists(VOTES, max_size=12))
def test_no_order_of_requests_signs_a_contradiction(requests):
    """R7, whatever is asked: no kind twice, X and F exclude each other, F for the own N, no N after X."""
    state = SignerState.at(5)
    for request in requests:
        with suppress(SignerStateError):
            state = state.with_vote(_vote(*request))
    for round_ in (1, 2):
        signed = [vote.statement for vote in state.votes if vote.statement.round == round_]
        kinds = [statement.kind for statement in signed]
        assert len(set(kinds)) == len(kinds)
        assert not {VoteKind.NULLIFY, VoteKind.FINALIZE} <= set(kinds)
        assert len({statement.block_id for statement in signed} - {None}) <= 1
        if VoteKind.NOTARIZE in kinds:
            assert kinds[0] is VoteKind.NOTARIZE
    assert SignerState.decode(state.encode()) == state


def test_every_lawful_order_is_signed():
    """N then F, N then X, X alone, F alone; and again in the next round."""
    notarize, nullify, finalize = (_vote(kind, 1, b"a" * 32) for kind in VoteKind)
    for votes in ((notarize, finalize), (notarize, nullify), (nullify,), (finalize,)):
        state = SignerState.at(5)
        for vote in votes:
            state = state.with_vote(vote)
        assert state.votes == votes
    again = tuple(_vote(kind, 2, b"b" * 32) for kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE))
    for vote in again:
        state = state.with_vote(vote)
    assert state.votes == (finalize, *again)


def test_a_vote_of_another_height_is_refused():
    """A state is of one height."""
    for height in (4, 6):
        with pytest.raises(SignerStateError):
            SignerState.at(5).with_vote(_vote(VoteKind.NOTARIZE, 1, b"a" * 32, height))


def test_damaged_and_newer_files_are_refused():
    """A file cut short, or of a later version, is never read as something else."""
    data = SignerState(1, 5, Proposal(1, b"a" * 32, b"block"), ()).encode()
    assert SignerState.decode(data).encode() == data
    for bad in (b"", data[:-1], data + b"\x00"):
        with pytest.raises(DecodeError):
            SignerState.decode(bad)
    with pytest.raises(SignerStateError, match="version 2"):
        SignerState.decode(SignerState(2, 5, None, ()).encode())
