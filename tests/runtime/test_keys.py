"""Keys: signatures hold exactly for what was signed, and odd ones as ZIP 215 says."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.keys import InvalidSeed, Keypair, is_weak, pallet_account, verify

KEYPAIR = Keypair.from_seed(bytes(range(32)))
SPECCHECK = json.loads((Path(__file__).parent / "vectors/ed25519_speccheck.json").read_text())
# The 8 points of small order, and the 6 encodings of some of them that are not canonical.
SMALL_ORDER = [
    bytes.fromhex(encoding)
    for encoding in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
]
ORDER = 2**252 + 27742317777372353535851937790883648493


def test_the_first_vector_of_rfc_8032_holds() -> None:
    """Key and signature of section 7.1, test 1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    keypair = Keypair.from_seed(seed)
    account = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert keypair.account.hex() == account
    assert keypair.sign(b"").hex() == signature


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 32 * 8 + 64 * 8 - 1))
def test_one_changed_bit_of_key_or_signature_does_not_verify(payload: bytes, bit: int) -> None:
    """A signature holds for its key and payload only."""
    signature = KEYPAIR.sign(payload)
    assert verify(KEYPAIR.account, payload, signature)
    changed = bytearray(KEYPAIR.account + signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify(bytes(changed[:32]), payload, bytes(changed[32:]))
    assert not verify(KEYPAIR.account, payload + b"x", signature)


def test_wrong_lengths_do_not_verify() -> None:
    """A signature has 64 bytes and a key 32; no byte moves between the arguments."""
    account, payload = KEYPAIR.account, b"payload"
    signature = KEYPAIR.sign(payload)
    assert not verify(account + b"x", payload, signature)
    assert not verify(account, payload[1:], signature + payload[:1])
    assert not verify(account, signature[-1:] + payload, signature[:-1])
    assert not verify(account[:-1], payload, signature)
    assert not verify(b"", payload, b"")


@pytest.mark.parametrize("case", SPECCHECK, ids=map(str, range(len(SPECCHECK))))
def test_the_published_edge_cases_hold_as_zip_215_says(case: dict[str, Any]) -> None:
    """The 12 cases of "Taming the many EdDSAs", on which libraries disagree."""
    key, message, signature = (
        bytes.fromhex(case[part]) for part in ("key", "message", "signature")
    )
    assert verify(key, message, signature) is case["holds"]


@pytest.mark.parametrize("message", [b"Zcash", b"OpenLedger"])
def test_all_196_signatures_of_small_order_hold(message: bytes) -> None:
    """Key and R of small order in any encoding, with S = 0, hold for every message."""
    for key, commitment in product(SMALL_ORDER, SMALL_ORDER):
        assert verify(key, message, commitment + bytes(32))


def test_weak_keys_are_those_of_small_order() -> None:
    """All their encodings are known; other keys, and bytes that are no key, are not weak."""
    assert all(map(is_weak, SMALL_ORDER))
    assert not is_weak(KEYPAIR.account)
    assert not is_weak(bytes([2] + [0] * 31))
    assert not is_weak(b"")


def test_a_signature_has_one_scalar() -> None:
    """S + L would be a second signature for everybody to make: it does not hold."""
    signature = KEYPAIR.sign(b"payload")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify(KEYPAIR.account, b"payload", signature[:32] + scalar.to_bytes(32, "little"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=70), st.binary(max_size=100), st.binary(max_size=70))
def test_no_bytes_make_it_raise(account: bytes, payload: bytes, signature: bytes) -> None:
    """Whatever is sent is valid or not; bytes of any length and with S >= L are not."""
    assert verify(account, payload, signature) is False
    assert verify((account + bytes(32))[:32], payload, (signature + b"\xff" * 64)[:64]) is False


def test_a_seed_has_32_bytes() -> None:
    """Any other length is a typed error."""
    with pytest.raises(InvalidSeed, match="not 31"):
        Keypair.from_seed(bytes(31))


def test_the_secret_is_not_shown() -> None:
    """Neither `repr` nor comparison touch the secret."""
    assert "secret" not in repr(KEYPAIR)
    assert Keypair(KEYPAIR.account, b"") == KEYPAIR


def test_pallet_accounts_are_pinned() -> None:
    """Money lies there: the derivation never changes."""
    assert (
        pallet_account("Attribution").hex()
        == "f5a9986d26a50dc22506e9fb5281b2b469815ec21aa058fd8bb2ba1f00d11a9c"
    )
    assert pallet_account("Attribution") != pallet_account("Inference")
