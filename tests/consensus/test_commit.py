"""Commits: a quorum's shares in one aggregate, in one encoding, for one statement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.commit import Commit, commit_of, verify_commit
from consensus.errors import InvalidCertificate
from consensus.votes import Statement, VoteKind, encode_bitmap
from runtime.errors import DecodeError
from runtime.hashing import hash_commit
from tests.consensus.light_chain import certify, ordered, raw_commit, scheme_of, set_of, share

GENESIS = b"g" * 32
NUMBERS = tuple(range(1, 8))
VALIDATORS = set_of(NUMBERS)
STATEMENT = Statement(VoteKind.FINALIZE, 9, 2, b"b" * 32)
COMMIT = commit_of(certify(NUMBERS, NUMBERS, STATEMENT, GENESIS))


def _refused(commit, validators=VALIDATORS, genesis_hash=GENESIS):
    with pytest.raises(InvalidCertificate) as caught:
        verify_commit(commit, validators, genesis_hash)
    return bool(caught.value.remedy)


@settings(deadline=None, max_examples=40)
@given(st.sets(st.sampled_from(NUMBERS), min_size=1))
def test_a_commit_takes_a_quorum_by_weight(signers):
    """Any signers at or above floor(2W/3) + 1, and none below."""
    commit = raw_commit(VALIDATORS, sorted(signers), STATEMENT, GENESIS)
    weight = sum(10 + number for number in signers)
    if weight < VALIDATORS.quorum:
        assert _refused(commit)
        return
    voters = verify_commit(commit, VALIDATORS, GENESIS)
    assert voters == tuple(n for n, each in enumerate(ordered(NUMBERS)) if each in signers)
    certificate = certify(NUMBERS, sorted(signers), STATEMENT, GENESIS)
    assert commit_of(certificate) == commit


def test_a_commit_has_one_encoding_and_one_hash():
    """It survives its bytes, which the next header names."""
    data = COMMIT.encode()
    assert Commit.decode(data) == COMMIT
    assert COMMIT.hash() == hash_commit(data)
    assert len(data) < 150
    assert COMMIT.statement == STATEMENT
    for bad in (b"", data[:-1], data + b"\0"):
        with pytest.raises(DecodeError):
            Commit.decode(bad)


def test_a_commit_is_of_one_statement_set_and_chain():
    """Nothing that it says can be exchanged."""
    assert verify_commit(COMMIT, VALIDATORS, GENESIS) == tuple(range(7))
    for changes in (
        {"version": 2},
        {"height": 10},
        {"round": 1},
        {"round": 0},
        {"block_id": b"c" * 32},
        {"signature": share(1, STATEMENT.payload(GENESIS, VALIDATORS.hash()))},
        {"signature": bytes(96)},
        {"signature": b"\xc0" + bytes(95)},
    ):
        assert _refused(replace(COMMIT, **changes))
    heavier = [replace(each, weight=each.weight + 1) for each in VALIDATORS.validators]
    assert _refused(COMMIT, replace(VALIDATORS, validators=tuple(heavier)))
    assert _refused(COMMIT, genesis_hash=b"h" * 32)


def test_a_notarization_is_no_commit():
    """Shares are of the payload of one kind of vote."""
    notarized = replace(STATEMENT, kind=VoteKind.NOTARIZE)
    assert _refused(raw_commit(VALIDATORS, NUMBERS, notarized, GENESIS))


def test_the_bitmap_is_strict():
    """Exactly the signers: no byte or bit too many, nobody more and nobody less."""
    bits = int.from_bytes(COMMIT.bitmap, "little")
    for bitmap in (b"", COMMIT.bitmap + b"\0", bytes([bits | 0x80]), bytes([bits & ~1])):
        assert _refused(replace(COMMIT, bitmap=bitmap))
    fewer = raw_commit(VALIDATORS, NUMBERS[1:], STATEMENT, GENESIS)
    everybody = encode_bitmap(tuple(range(7)), VALIDATORS)
    assert _refused(replace(fewer, bitmap=everybody))


def test_shares_that_do_not_add_up_are_refused():
    """A certificate that does not finalize has none, and cancelled ones add up to infinity."""
    notarized = certify(NUMBERS, NUMBERS, replace(STATEMENT, kind=VoteKind.NOTARIZE), GENESIS)
    final = certify(NUMBERS, NUMBERS, STATEMENT, GENESIS)
    first = final.shares[0]
    opposite = bytes([first[0] ^ 0x20]) + first[1:]
    for bad in (notarized, replace(final, shares=(first, opposite)), replace(final, shares=())):
        with pytest.raises(InvalidCertificate):
            commit_of(bad)


def test_bad_shares_are_found_one_by_one():
    """Whoever signed something else, or nothing, is named; good shares are found good together."""
    scheme = scheme_of(NUMBERS, GENESIS)
    final = certify(NUMBERS, NUMBERS, STATEMENT, GENESIS)
    assert scheme.bad_shares(final) == ()
    shares = list(final.shares)
    shares[1], shares[4], shares[6] = bytes(96), shares[3], b"\xc0" + bytes(95)
    named = scheme.bad_shares(replace(final, shares=tuple(shares)))
    members = VALIDATORS.validators
    assert [vote.validator for vote in named] == [members[at].account for at in (1, 4, 6)]


def test_shares_that_err_and_cancel_each_other_do_no_harm():
    """Two that exchanged their shares still add up to a valid commit."""
    final = certify(NUMBERS, NUMBERS, STATEMENT, GENESIS)
    one, other, *rest = final.shares
    exchanged = replace(final, shares=(other, one, *rest))
    assert scheme_of(NUMBERS, GENESIS).bad_shares(exchanged) == ()
    assert commit_of(exchanged) == COMMIT
