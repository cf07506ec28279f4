"""Light verification: a commit finalises exactly one header, by the set the header names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.errors import InvalidCertificate
from consensus.light import check_commit, verify_commit
from consensus.votes import Statement, VoteKind, certificate_of, sign_vote
from runtime.block import Header
from runtime.errors import DecodeError

GENESIS = b"g" * 32


@pytest.fixture(scope="module")
def header(keys, ten):
    """A header of the ten validators."""
    return Header(
        height=9,
        parent_hash=b"p" * 32,
        time_ms=1,
        proposer=keys[3].account,
        state_root=b"s" * 32,
        extrinsics_root=bytes(32),
        events_root=bytes(32),
        validators_hash=ten.hash(),
        next_validators_hash=ten.hash(),
        last_commit_hash=bytes(32),
        evidence_root=bytes(32),
        spec_version=1,
        beacon=bytes(32),
        beacon_proof=b"",
    )


def _commit(keys, ten, header, **changes):
    statement = Statement(VoteKind.FINALIZE, header.height, 1, header.id())
    statement = replace(statement, **changes)
    signatures = {
        index: sign_vote(statement, ten.hash(), GENESIS, key.account, key.sign).signature
        for index, key in enumerate(keys)
    }
    return certificate_of(statement, signatures, ten)


def test_a_commit_finalises_its_header(keys, ten, header):
    """Objects and encodings verify alike."""
    commit = _commit(keys, ten, header)
    verify_commit(header, commit, ten, GENESIS)
    check_commit(header, commit.encode(), ten.encode(), GENESIS)
    with pytest.raises(DecodeError):
        check_commit(header, commit.encode()[:-1], ten.encode(), GENESIS)


def test_other_headers_sets_and_statements_are_refused(keys, ten, one, header):
    """A notarization is no commit; neither is a commit of another height, block, chain or set."""
    good = _commit(keys, ten, header)
    cases = [
        (header, _commit(keys, ten, header, kind=VoteKind.NOTARIZE), ten, GENESIS),
        (header, _commit(keys, ten, header, height=8), ten, GENESIS),
        (header, _commit(keys, ten, header, block_id=b"x" * 32), ten, GENESIS),
        (replace(header, state_root=b"t" * 32), good, ten, GENESIS),
        (header, good, one, GENESIS),
        (header, good, ten, b"h" * 32),
    ]
    stranger = replace(header, proposer=b"z" * 32)
    cases.append((stranger, _commit(keys, ten, stranger), ten, GENESIS))
    foreign = replace(header, validators_hash=one.hash())
    cases.append((foreign, _commit(keys, ten, foreign), ten, GENESIS))
    for some_header, commit, validators, genesis in cases:
        with pytest.raises(InvalidCertificate) as caught:
            verify_commit(some_header, commit, validators, genesis)
        assert caught.value.remedy
