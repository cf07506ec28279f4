"""BLS signatures on BLS12-381: public keys of 48 bytes in G1, signatures of 96 bytes in G2.

The ciphersuite is BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ of draft-irtf-cfrg-bls-signature-05
(hashing to the curve: RFC 9380; compressed points: appendix C of draft-irtf-cfrg-pairing-friendly-
curves, as Zcash and Ethereum write them).  `interface.py` says what a backend does; there are two:

    arkworks.py     py_arkworks_bls12381, compiled from Rust; 1.6 ms to verify
    reference.py    py_ecc, in Python; 290 ms.  The reference, and used where the wheel is not there

Both give the same bytes and the same answers to every input, or the chain would fork between them:
tests/consensus/test_bls_differential.py.  Stricter than the draft, the point at infinity is no
signature and no aggregate: no honest share is, and a verifier has one case less to get wrong.

Everybody signs the same message, so an aggregate is verified with two pairings whatever the number
of signers.  That is sound only for keys whose possession was proved (a "rogue" key made of other
keys would sign in their names), so a validator's key is checked by `verify_possession` before it
bonds.  Neither backend runs in constant time: a machine that signs must not be shared with
strangers.
"""

from __future__ import annotations

from consensus.bls.interface import PUBLIC_KEY_BYTES, SECRET_BYTES, SIGNATURE_BYTES, Bls, key_gen

__all__ = ["BLS", "PUBLIC_KEY_BYTES", "SECRET_BYTES", "SIGNATURE_BYTES", "Bls", "key_gen"]


def _best() -> Bls:
    """The fastest backend that this machine has."""
    try:
        from consensus.bls import arkworks
    except ImportError:
        from consensus.bls import reference

        return reference
    return arkworks


BLS: Bls = _best()
"""The backend of this process."""
