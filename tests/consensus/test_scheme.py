"""Votes and certificates: bound to chain, set, height, round, kind and block; strictly one encoding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.cryptography import CRYPTOGRAPHY, key_scheme
from consensus.errors import InvalidCertificate, InvalidVote
from consensus.scheme import PAYLOADS_MAX, Scheme
from consensus.votes import (
    Certificate,
    Statement,
    VoteKind,
    decode_bitmap,
    encode_bitmap,
    sign_vote,
    signed_payload,
)
from runtime.errors import OpenLedgerError
from runtime.wire.validators import Validator, ValidatorSet
from tests.consensus.light_chain import member, share

GENESIS = b"g" * 32
MEMBERS = sorted((member(number) for number in range(10)), key=lambda each: each.account)
NUMBERS = {member(number).account: number for number in range(10)}
TEN = ValidatorSet(
    tuple(Validator(m.account, n + 1, m.account, m.bls_key) for n, m in enumerate(MEMBERS))
)
"""Weights 1 to 10: W = 55, quorum 37."""
ONE = ValidatorSet(TEN.validators[:1])
SCHEME = key_scheme(TEN, GENESIS)
QUORUM = [2, 6, 7, 8, 9]
FINAL = Statement(VoteKind.FINALIZE, 3, 1, b"b" * 32)
OTHERS = [
    replace(FINAL, kind=VoteKind.NOTARIZE),
    replace(FINAL, kind=VoteKind.PROPOSE),
    replace(FINAL, height=4),
    replace(FINAL, round=2),
    replace(FINAL, block_id=b"c" * 32),
    Statement(VoteKind.NULLIFY, 3, 1, None),
]


def _vote(statement, index, scheme=SCHEME):
    account = MEMBERS[index].account
    return sign_vote(
        statement,
        scheme.payload(statement),
        account,
        MEMBERS[index].keypair.sign,
        lambda payload: share(NUMBERS[account], payload),
    )


def _certificate(statement, indices, scheme=SCHEME):
    return scheme.certify(statement, {index: _vote(statement, index, scheme) for index in indices})


def test_a_vote_verifies_only_for_what_it_says():
    """Another statement, chain, set, voter or share fails."""
    vote = _vote(FINAL, 2)
    assert SCHEME.verify_vote(vote) == 2
    forged = [replace(vote, statement=other) for other in OTHERS]
    forged += [
        replace(vote, validator=MEMBERS[3].account),
        replace(vote, validator=b"x" * 32),
        replace(vote, signature=bytes(64)),
        replace(vote, share=None),
        replace(vote, share=bytes(96)),
        _vote(FINAL, 2, key_scheme(ONE, GENESIS)),
        _vote(FINAL, 2, key_scheme(TEN, b"h" * 32)),
    ]
    for bad in forged:
        with pytest.raises(InvalidVote):
            SCHEME.verify_vote(bad)


@pytest.mark.parametrize(
    "statement",
    [
        replace(FINAL, block_id=None),
        replace(OTHERS[-1], block_id=b"b" * 32),
        replace(FINAL, round=0),
    ],
)
def test_a_malformed_statement_is_refused_although_signed(statement):
    """A vote names a block unless it nullifies, and a round."""
    with pytest.raises(InvalidVote):
        SCHEME.verify_vote(_vote(statement, 0))
    with pytest.raises(InvalidCertificate, match="malformed"):
        SCHEME.verify_certificate(_certificate(statement, QUORUM))


def test_a_certificate_needs_the_quorum_by_weight():
    """The last four and the third just reach 37, the first eight do not."""
    assert _certificate(FINAL, range(8)) is None
    assert _certificate(FINAL, [6, 7, 8, 9]) is None
    certificate = _certificate(FINAL, QUORUM)
    assert SCHEME.verify_certificate(certificate) == tuple(QUORUM)
    assert SCHEME.bad_shares(certificate) == ()
    assert SCHEME.all_votes_of(certificate) == tuple(_vote(FINAL, index) for index in QUORUM)
    assert Certificate.decode(certificate.encode()) == certificate


def test_a_certificate_of_one_validator():
    """One validator is its own quorum."""
    alone = key_scheme(ONE, GENESIS)
    assert alone.verify_certificate(_certificate(FINAL, [0], alone)) == (0,)


def test_a_certificate_that_nullifies_has_no_shares():
    """Shares belong to votes that finalize alone; proposals are not certified."""
    nullified = _certificate(OTHERS[-1], QUORUM)
    SCHEME.verify_certificate(nullified)
    assert nullified.shares == ()
    with pytest.raises(InvalidCertificate):
        SCHEME.verify_certificate(_certificate(OTHERS[1], QUORUM))


def test_a_changed_certificate_never_verifies():
    """Statement, chain, set, bitmap, signatures, shares, version: each is checked."""
    good = _certificate(FINAL, QUORUM)
    signatures = good.signatures
    more = bytes([good.bitmap[0], good.bitmap[1] | 4])
    forged = [replace(good, statement=other) for other in OTHERS]
    forged += [
        replace(good, version=2),
        replace(good, bitmap=b""),
        replace(good, bitmap=good.bitmap + b"\x00"),
        replace(good, bitmap=more),
        replace(good, bitmap=more, signatures=(*signatures, bytes(64))),
        replace(good, bitmap=bytes([good.bitmap[0] ^ 6, good.bitmap[1]])),
        replace(good, bitmap=encode_bitmap((6, 7, 8, 9), TEN), signatures=signatures[1:]),
        replace(good, signatures=signatures[1:]),
        replace(good, signatures=(*signatures, signatures[0])),
        replace(good, signatures=(signatures[1], signatures[0], *signatures[2:])),
        replace(good, signatures=(bytes(64), *signatures[1:])),
        replace(good, shares=()),
        replace(good, shares=(bytes(96), *good.shares[1:])),
    ]
    for bad in forged:
        with pytest.raises(InvalidCertificate):
            SCHEME.verify_certificate(bad)
    for scheme in (key_scheme(ONE, GENESIS), key_scheme(TEN, b"h" * 32)):
        with pytest.raises(InvalidCertificate):
            scheme.verify_certificate(good)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_changed_byte_never_verifies(data):
    """Neither decoding nor verification accepts a second encoding of anything."""
    good = _certificate(FINAL, QUORUM).encode()
    position = data.draw(st.integers(0, len(good) - 1))
    change = data.draw(st.integers(1, 255))
    bad = good[:position] + bytes([good[position] ^ change]) + good[position + 1 :]
    with pytest.raises(OpenLedgerError):
        SCHEME.verify_certificate(Certificate.decode(bad))


def test_a_wrong_share_is_found_although_it_is_signed():
    """Whoever signed it is named, and nobody else."""
    votes = {index: _vote(FINAL, index) for index in QUORUM}
    payload, wrong = SCHEME.payload(FINAL), share(NUMBERS[MEMBERS[0].account], b"other" * 8)
    signature = MEMBERS[7].keypair.sign(signed_payload(payload, wrong))
    votes[7] = replace(votes[7], share=wrong, signature=signature)
    certificate = SCHEME.certify(FINAL, votes)
    assert certificate is not None
    SCHEME.verify_certificate(certificate)
    assert SCHEME.bad_shares(certificate) == (votes[7],)
    assert SCHEME.is_bad_share(7, FINAL, wrong)
    assert not SCHEME.is_bad_share(8, FINAL, votes[8].share)


def test_payloads_that_are_kept_are_bounded():
    """However many statements there are, the payload is right and memory is bounded."""
    scheme = Scheme(ONE, GENESIS, CRYPTOGRAPHY)
    for round_ in range(1, PAYLOADS_MAX + 3):
        statement = replace(FINAL, round=round_)
        expected = statement.payload(GENESIS, scheme.validators_hash)
        assert scheme.payload(statement) == expected == scheme.payload(statement)
    assert len(scheme._payloads) <= PAYLOADS_MAX


@given(st.sets(st.integers(0, 9)))
def test_a_bitmap_survives_its_encoding(indices):
    """One bit for every validator, and none behind the last."""
    ordered = tuple(sorted(indices))
    bitmap = encode_bitmap(ordered, TEN)
    assert decode_bitmap(bitmap, TEN) == ordered
    assert decode_bitmap(bitmap[:1] + bytes([bitmap[1] | 4]), TEN) is None
