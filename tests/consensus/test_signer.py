"""The signer's memory: one order of votes, and bytes that come back as they were (W5, R7)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import SignerStateError
from consensus.signer import SIGNER_STATE_VERSION, VOTES_MAX, SignerState, place
from consensus.votes import Statement, Vote, VoteKind, conflict
from runtime.errors import DecodeError

BLOCKS = st.sampled_from([b"a" * 32, b"b" * 32])
REQUESTS = st.tuples(st.sampled_from(VoteKind), st.integers(1, 3), BLOCKS, st.integers(5, 6))


def _vote(kind, round_, block_id, height=5):
    statement = Statement(kind, height, round_, None if kind is VoteKind.NULLIFY else block_id)
    return Vote(statement, b"v" * 32, bytes(64), bytes(96) if kind is VoteKind.FINALIZE else None)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.one_of(REQUESTS, st.just(None)), max_size=40))
def test_no_order_of_requests_signs_a_contradiction(requests):
    """R7, whatever is asked, also after restarts (`None`): no two signed statements conflict."""
    state, signed = SignerState.new(), []
    for request in requests:
        if request is None:
            state = SignerState.decode(state.encode())
            continue
        vote = _vote(*request)
        if state.find(vote.statement) is None:
            with suppress(SignerStateError):
                state = state.with_vote(vote)
                signed.append(vote.statement)
    for number, one in enumerate(signed):
        assert not any(conflict(one, other) for other in signed[:number])
    assert [place(each) for each in signed] == sorted(place(each) for each in signed)
    assert len(state.votes) <= VOTES_MAX


def test_every_lawful_order_is_signed():
    """P, N, then F or X; and again in the next round, and at the next height."""
    propose, notarize = (
        _vote(kind, 1, b"a" * 32) for kind in (VoteKind.PROPOSE, VoteKind.NOTARIZE)
    )
    nullify, finalize = (
        _vote(kind, 1, b"a" * 32) for kind in (VoteKind.NULLIFY, VoteKind.FINALIZE)
    )
    lawful = ((propose, notarize, finalize), (notarize, nullify), (nullify,), (finalize,))
    for votes in lawful:
        state = SignerState.new()
        for vote in (
            *votes,
            _vote(VoteKind.NOTARIZE, 2, b"b" * 32),
            _vote(VoteKind.PROPOSE, 1, b"c" * 32, 6),
        ):
            state = state.with_vote(vote)
        assert state.votes[: len(votes)] == votes
        assert state.find(votes[0].statement) == votes[0]
        assert state.at_height(6) == state.votes[-1:]


def test_nothing_is_signed_out_of_order():
    """Not again, not earlier, not what excludes it; not even where the votes are forgotten."""
    state = SignerState.new().with_vote(_vote(VoteKind.NULLIFY, 2, None))
    for vote in (
        _vote(VoteKind.FINALIZE, 2, b"a" * 32),
        _vote(VoteKind.NOTARIZE, 2, b"a" * 32),
        _vote(VoteKind.NULLIFY, 1, None),
        _vote(VoteKind.NULLIFY, 2, None),
        _vote(VoteKind.PROPOSE, 9, b"a" * 32, 4),
    ):
        with pytest.raises(SignerStateError):
            state.with_vote(vote)


def test_finalizing_against_the_own_notarization_is_refused():
    """R7: the order alone would allow it."""
    state = SignerState.new().with_vote(_vote(VoteKind.NOTARIZE, 1, b"a" * 32))
    with pytest.raises(SignerStateError):
        state.with_vote(_vote(VoteKind.FINALIZE, 1, b"b" * 32))


def test_damaged_and_newer_files_are_refused():
    """A file cut short, with any bit changed, or of another version, is never read otherwise."""
    state = SignerState.new().with_vote(_vote(VoteKind.NOTARIZE, 1, b"a" * 32))
    data = state.encode()
    assert SignerState.decode(data) == state
    flipped = [
        (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
        for bit in range(8 * len(data))
    ]
    for bad in (b"", data[:-1], data + b"\x00", *flipped):
        with pytest.raises(DecodeError):
            SignerState.decode(bad)
    newer = SignerState(SIGNER_STATE_VERSION + 1, ())
    with pytest.raises(SignerStateError, match="version"):
        SignerState.decode(newer.encode())
