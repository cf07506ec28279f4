"""Votes and certificates: bound to chain, set, height, round, kind and block; strictly one encoding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import InvalidCertificate, InvalidVote
from consensus.votes import (
    Certificate,
    Statement,
    VoteKind,
    certificate_of,
    sign_vote,
    verify_certificate,
    verify_vote,
)
from runtime.errors import OpenLedgerError
from runtime.keys import Keypair

GENESIS = b"g" * 32
FINAL = Statement(VoteKind.FINALIZE, 3, 1, b"b" * 32)
OTHERS = [
    replace(FINAL, kind=VoteKind.NOTARIZE),
    replace(FINAL, height=4),
    replace(FINAL, round=2),
    replace(FINAL, block_id=b"c" * 32),
    Statement(VoteKind.NULLIFY, 3, 1, None),
]


def _vote(statement, key, validators, genesis=GENESIS):
    return sign_vote(statement, validators.hash(), genesis, key.account, key.sign)


def _certificate(statement, keys, validators, indices, genesis=GENESIS):
    signatures = {i: _vote(statement, keys[i], validators, genesis).signature for i in indices}
    return certificate_of(statement, signatures, validators)


def test_a_vote_verifies_only_for_what_it_says(keys, ten, one):
    """Another statement, chain, set or voter fails."""
    vote = _vote(FINAL, keys[2], ten)
    assert verify_vote(vote, ten, GENESIS) == 2
    forged = [replace(vote, statement=other) for other in OTHERS]
    forged += [
        replace(vote, validator=keys[3].account),
        replace(vote, signature=bytes(64)),
        _vote(FINAL, keys[2], one),
        _vote(FINAL, keys[2], ten, b"h" * 32),
        _vote(FINAL, Keypair.from_seed(b"z" * 32), ten),
    ]
    for bad in forged:
        with pytest.raises(InvalidVote):
            verify_vote(bad, ten, GENESIS)


def test_a_vote_names_a_block_unless_it_nullifies(keys, ten):
    """Malformed statements are refused although correctly signed."""
    for statement in (replace(FINAL, block_id=None), replace(OTHERS[-1], block_id=b"b" * 32)):
        with pytest.raises(InvalidVote):
            verify_vote(_vote(statement, keys[0], ten), ten, GENESIS)


def test_a_certificate_needs_the_quorum_by_weight(keys, ten):
    """Weights 1 to 10: the last four and the third just reach 37, the first eight do not."""
    assert _certificate(FINAL, keys, ten, [0, 1, 2, 3, 4, 5, 6, 7]) is None
    assert _certificate(FINAL, keys, ten, [6, 7, 8, 9]) is None
    certificate = _certificate(FINAL, keys, ten, [2, 6, 7, 8, 9])
    verify_certificate(certificate, ten, GENESIS)
    assert Certificate.decode(certificate.encode()) == certificate


def test_a_certificate_names_a_block_unless_it_nullifies(keys, ten):
    """A quorum's signatures do not make a malformed statement lawful; nullifying is lawful."""
    quorum = [2, 6, 7, 8, 9]
    for statement in (replace(FINAL, block_id=None), replace(OTHERS[-1], block_id=b"b" * 32)):
        with pytest.raises(InvalidCertificate, match="malformed"):
            verify_certificate(_certificate(statement, keys, ten, quorum), ten, GENESIS)
    verify_certificate(_certificate(OTHERS[-1], keys, ten, quorum), ten, GENESIS)


def test_a_certificate_of_one_validator(keys, one):
    """One validator is its own quorum."""
    verify_certificate(_certificate(FINAL, keys, one, [0]), one, GENESIS)


def test_a_changed_certificate_never_verifies(keys, ten, one):
    """Statement, chain, set, bitmap, signatures, version: each is checked."""
    good = _certificate(FINAL, keys, ten, [2, 6, 7, 8, 9])
    signatures = good.signatures
    below = sum(1 << index for index in (6, 7, 8, 9)).to_bytes(2, "little")
    forged = [replace(good, statement=other) for other in OTHERS]
    forged += [
        replace(good, version=2),
        replace(good, statement=replace(FINAL, block_id=None)),
        replace(good, bitmap=b""),
        replace(good, bitmap=good.bitmap + b"\x00"),
        replace(good, bitmap=bytes([good.bitmap[0], good.bitmap[1] | 4])),
        replace(
            good,
            bitmap=bytes([good.bitmap[0], good.bitmap[1] | 4]),
            signatures=(*signatures, bytes(64)),
        ),
        replace(good, bitmap=bytes([good.bitmap[0] ^ 6, good.bitmap[1]])),
        replace(good, bitmap=below, signatures=signatures[1:]),
        replace(good, signatures=signatures[1:]),
        replace(good, signatures=(*signatures, signatures[0])),
        replace(good, signatures=(signatures[1], signatures[0], *signatures[2:])),
        replace(good, signatures=(bytes(64), *signatures[1:])),
    ]
    for bad in forged:
        with pytest.raises(InvalidCertificate):
            verify_certificate(bad, ten, GENESIS)
    for validators, genesis in ((one, GENESIS), (ten, b"h" * 32)):
        with pytest.raises(InvalidCertificate):
            verify_certificate(good, validators, genesis)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_changed_byte_never_verifies(keys, ten, data):
    """Neither decoding nor verification accepts a second encoding of anything."""
    good = _certificate(FINAL, keys, ten, [2, 6, 7, 8, 9]).encode()
    position = data.draw(st.integers(0, len(good) - 1))
    change = data.draw(st.integers(1, 255))
    bad = good[:position] + bytes([good[position] ^ change]) + good[position + 1 :]
    with pytest.raises(OpenLedgerError):
        verify_certificate(Certificate.decode(bad), ten, GENESIS)
