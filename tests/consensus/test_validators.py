"""Validator sets: one encoding, one hash, and a quorum that two thirds do not reach."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DecodeError, OpenLedgerError
from runtime.wire.validators import VALIDATORS_MAX, InvalidValidatorSet, Validator, ValidatorSet

_KEY, _BLS_KEY = b"\xaa" * 32, b"\xbb" * 48


def _set_of(*weights):
    return ValidatorSet(
        tuple(Validator(bytes([n]) * 32, w, _KEY, _BLS_KEY) for n, w in enumerate(weights))
    )


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=20))
def test_two_quorums_share_more_than_a_third(weights):
    """Quorum is the least weight above 2W/3."""
    whole, quorum = sum(weights), _set_of(*weights).quorum
    assert 3 * quorum > 2 * whole >= 3 * (quorum - 1)
    assert quorum <= whole


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=20))
def test_a_set_survives_its_encoding(weights):
    """Decoding gives the same set with the same hash."""
    validators = _set_of(*weights)
    again = ValidatorSet.decode(validators.encode())
    assert again == validators
    assert again.hash() == validators.hash()


def test_the_hash_binds_accounts_and_weights():
    """Another weight or member is another set."""
    assert len({_set_of(*weights).hash() for weights in ((1, 2), (2, 1), (1,), (1, 2, 1))}) == 4


def test_members_are_found_by_account():
    """An index for members only."""
    validators = _set_of(5, 6)
    assert validators.index_of(bytes([1]) * 32) == 1
    assert validators.index_of(bytes([2]) * 32) is None


def test_what_is_no_set_is_refused():
    """None, too many, unsorted, doubled."""
    one, two = _set_of(1, 1).validators
    too_many = tuple(
        Validator(n.to_bytes(32, "big"), 1, _KEY, _BLS_KEY) for n in range(VALIDATORS_MAX + 1)
    )
    for members in ((), (two, one), (one, one), too_many):
        with pytest.raises(InvalidValidatorSet) as caught:
            ValidatorSet(members)
        assert caught.value.remedy


def test_bytes_that_are_no_set_are_refused():
    """Decoding checks bounds and order."""
    data = _set_of(1, 2).encode()
    for bad in (b"", data[:-1], data + b"\x00"):
        with pytest.raises(DecodeError):
            ValidatorSet.decode(bad)
    swapped = data.replace(b"\x00" * 32, b"\x05" * 32)
    with pytest.raises(OpenLedgerError):
        ValidatorSet.decode(swapped)
    data = _set_of(1).encode()
    weightless = data.replace(b"\x01\x58\x20" + _KEY, b"\x00\x58\x20" + _KEY)
    assert weightless != data
    with pytest.raises(DecodeError):
        ValidatorSet.decode(weightless)
