"""Keys: signatures hold exactly for what was signed, and bad lengths never reach libsodium."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.keys import InvalidSeed, Keypair, pallet_account, verify

KEYPAIR = Keypair.from_seed(bytes(range(32)))


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
    """Lengths are checked before libsodium reads them; no byte moves between the arguments."""
    account, payload = KEYPAIR.account, b"payload"
    signature = KEYPAIR.sign(payload)
    assert not verify(account + b"x", payload, signature)
    assert not verify(account, payload[1:], signature + payload[:1])
    assert not verify(account, signature[-1:] + payload, signature[:-1])
    assert not verify(account[:-1], payload, signature)
    assert not verify(b"", payload, b"")


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
