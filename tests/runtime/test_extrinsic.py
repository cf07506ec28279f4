"""Extrinsics: what is signed is what is executed, on one chain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.calls import CallCodec
from runtime.codec import OutOfBounds, decode, encode
from runtime.errors import DecodeError, InvalidTransaction
from runtime.extrinsic import (
    CheckedExtrinsic,
    Era,
    NotSigned,
    check_extrinsic,
    check_inherent,
    sign_extrinsic,
    unsigned_extrinsic,
)
from runtime.hashing import hash_extrinsic
from runtime.keys import Keypair
from tests.runtime.token_pallet import Balances, System

GENESIS = bytes([7]) * 32
KEYPAIR = Keypair.from_seed(bytes([1]) * 32)
CALLS = {
    (call.pallet_index, call.index): call
    for pallet in (System, Balances)
    for call in pallet.definition.calls
}
CALL = Balances.transfer.Call(receiver=bytes(32), amount=5)


def signed(**changes: Any) -> bytes:
    """A valid extrinsic, but for the changes."""
    fields: dict[str, Any] = {"genesis_hash": GENESIS, "spec_version": 1, "nonce": 3}
    return sign_extrinsic(CALL, KEYPAIR, **(fields | changes))


def check(raw: bytes, spec_version: int = 1, genesis_hash: bytes = GENESIS) -> CheckedExtrinsic:
    """As a runtime of the two pallets does."""
    return check_extrinsic(raw, genesis_hash, CallCodec(CALLS, spec_version))


def resigned(body: Any, version: int = 1) -> bytes:
    """An extrinsic around any body, with a signature that holds."""
    data = body if isinstance(body, bytes) else encode(body)
    return encode([version, KEYPAIR.account, KEYPAIR.sign(GENESIS + data), data])


@settings(max_examples=60, deadline=None)
@given(
    nonce=st.integers(0, 2**64 - 1),
    tip=st.integers(0, 2**128 - 1),
    spec_version=st.integers(0, 2**32 - 1),
    era=st.none() | st.builds(Era, st.integers(0, 2**63 - 1), st.integers(1, 65_536)),
)
def test_an_extrinsic_survives_the_round_trip(
    nonce: int, tip: int, spec_version: int, era: Era | None
) -> None:
    """All fields come back; the hash is over all bytes."""
    raw = signed(nonce=nonce, tip=tip, spec_version=spec_version, era=era)
    checked = check(raw, spec_version)
    assert (checked.nonce, checked.tip, checked.era) == (nonce, tip, era)
    assert (checked.signer, checked.spec_version) == (KEYPAIR.account, spec_version)
    assert (checked.raw, checked.hash) == (raw, hash_extrinsic(raw))
    assert checked.definition is Balances.transfer.definition
    assert checked.arguments == (bytes(32), 5)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 8 * len(signed()) - 1))
def test_any_bit_flip_is_rejected(bit: int) -> None:
    """Neither the envelope nor the body has a bit that does not matter."""
    changed = bytearray(signed())
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((DecodeError, InvalidTransaction)):
        check(bytes(changed))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_rejected(data: bytes) -> None:
    """Bytes from anywhere raise a typed error."""
    for raw in (data, encode([1, KEYPAIR.account, KEYPAIR.sign(GENESIS + data), data])):
        with pytest.raises((DecodeError, InvalidTransaction)):
            check(raw)


def test_an_extrinsic_is_for_one_chain() -> None:
    """The same bytes do not hold under another genesis hash."""
    with pytest.raises(InvalidTransaction, match="on this chain"):
        check(signed(), genesis_hash=bytes(32))


def test_the_size_is_limited() -> None:
    """More than 64 KiB is not even decoded."""
    with pytest.raises(InvalidTransaction, match="65537 bytes"):
        check(bytes(EXTRINSIC_BYTES_MAX + 1))


CALL_PLAIN = [2, 0, [bytes(32), 5]]


@pytest.mark.parametrize(
    "body",
    [
        [1, None, 0, 0],
        [1, None, 0, 0, CALL_PLAIN, 0],
        [2**32, None, 0, 0, CALL_PLAIN],
        [True, None, 0, 0, CALL_PLAIN],
        [1, None, 0, 0, [2, 0, [bytes(32), True]]],
        [1, None, 0, 0, [2, 9, [bytes(32), 5]]],
        [1, None, -1, 0, CALL_PLAIN],
        [1, None, 2**64, 0, CALL_PLAIN],
        [1, None, 0, 2**128, CALL_PLAIN],
        [1, None, 0, False, CALL_PLAIN],
        [1, [5], 0, 0, CALL_PLAIN],
        [1, [5, 0], 0, 0, CALL_PLAIN],
        [1, [5, 65_537], 0, 0, CALL_PLAIN],
        [1, [-1, 5], 0, 0, CALL_PLAIN],
        [1, [None, 5], 0, 0, CALL_PLAIN],
        [1, 5, 0, 0, CALL_PLAIN],
        "text",
        encode([1, None, 0, 0, CALL_PLAIN]) + b"\0",
        bytes.fromhex("85") + bytes.fromhex("1801") + encode([1, None, 0, 0, CALL_PLAIN])[2:],
    ],
)
def test_a_malformed_body_is_rejected_though_it_is_signed(body: Any) -> None:
    """A signature does not excuse a second spelling or a missing bound."""
    with pytest.raises(DecodeError):
        check(resigned(body))


def test_the_helper_of_these_tests_signs_rightly() -> None:
    """What is rejected above is rejected for its body alone."""
    body = [1, None, 3, 0, CALL_PLAIN]
    assert resigned(body) == signed()


def test_other_versions_are_rejected() -> None:
    """Version 1 is all there is."""
    body = decode(signed())[3]
    with pytest.raises(InvalidTransaction, match="version is not 1"):
        check(resigned(body, version=2))


def test_out_of_bounds_is_not_signed() -> None:
    """The signer hears of it before the chain does."""
    with pytest.raises(OutOfBounds):
        signed(nonce=-1)
    with pytest.raises(OutOfBounds):
        signed(era=Era(0, 0))
    with pytest.raises(OutOfBounds, match="amount"):
        sign_extrinsic(
            Balances.transfer.Call(receiver=bytes(32), amount=0),
            KEYPAIR,
            genesis_hash=GENESIS,
            spec_version=1,
            nonce=0,
        )


def test_an_era_holds_for_its_period() -> None:
    """From the birth height, for so many blocks; then it is over."""
    era = Era(10, 3)
    assert [height for height in range(20) if era.holds(height)] == [10, 11, 12]
    assert [height for height in range(20) if not era.is_over(height)] == list(range(13))


@pytest.mark.parametrize("plain", [5, [1, 1], [1, 1, CALL_PLAIN, 0]])
def test_a_malformed_inherent_is_rejected(plain: Any) -> None:
    """Whatever has not the form of an inherent."""
    with pytest.raises(DecodeError, match="An inherent is malformed"):
        check_inherent(encode(plain), CallCodec({}, 1))


def test_an_unsigned_extrinsic_is_as_long_as_a_signed_one() -> None:
    """For asking what it would cost: its signature holds for nobody."""
    unsigned = unsigned_extrinsic(CALL, KEYPAIR.account, spec_version=1, nonce=3)
    assert len(unsigned) == len(signed())
    with pytest.raises(NotSigned):
        check(unsigned)
