"""Extrinsics: signed calls on the wire.

    extrinsic = [version, signer, signature, body]
    body      = [spec_version, era, nonce, tip, [pallet index, call index, [arguments]]]
    era       = null | [birth_height, period_blocks]

Both are canonical CBOR; the signature is over the genesis hash followed by the body's bytes.  The
genesis hash ties an extrinsic to one chain, the nonce to one inclusion, the spec version to one
meaning of its call, and the era, if there is one, to a range of heights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.calls import RuntimeCall
from runtime.cbor import Plain, decode, encode_plain
from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidTransaction
from runtime.hashing import hash_extrinsic
from runtime.keys import Keypair, verify
from runtime.types import U8, U32, U64, AccountId, Amount, Between, Signature

EXTRINSIC_VERSION = 1
PERIOD_BLOCKS_MAX = 65_536
"""The longest mortal era, in blocks."""

_VERSION = codec_of(U8)
_SIGNER = codec_of(AccountId)
_SIGNATURE = codec_of(Signature)


@dataclass(frozen=True, slots=True)
class Era:
    """The heights at which a mortal extrinsic may enter a block."""

    birth_height: Annotated[int, Between(0, 2**63 - 1)]
    period_blocks: Annotated[int, Between(1, PERIOD_BLOCKS_MAX)]

    def holds(self, height: int) -> bool:
        """Whether a block of `height` may include the extrinsic."""
        return self.birth_height <= height < self.birth_height + self.period_blocks


_FIELDS = codec_of(tuple[U32, Era | None, U64, Amount])


@dataclass(frozen=True, slots=True)
class CheckedExtrinsic:
    """A decoded extrinsic whose signature holds; its call is not decoded yet."""

    raw: bytes
    hash: bytes
    signer: bytes
    spec_version: int
    era: Era | None
    nonce: int
    tip: int
    """Paid to the proposer, in units of 10**-18 OPEN."""
    call: Plain
    """[pallet index, call index, [arguments]]."""


def sign_extrinsic(
    call: RuntimeCall,
    keypair: Keypair,
    *,
    genesis_hash: bytes,
    spec_version: int,
    nonce: int,
    tip: int = 0,
    era: Era | None = None,
) -> bytes:
    """Return the encoded extrinsic of a call; raises `OutOfBounds` for a bad argument."""
    fields = _FIELDS.to_plain((spec_version, era, nonce, tip))
    body = encode_plain([*fields, call.to_plain()])
    signature = keypair.sign(genesis_hash + body)
    return encode_plain([EXTRINSIC_VERSION, keypair.account, signature, body])


def check_extrinsic(raw: bytes, genesis_hash: bytes) -> CheckedExtrinsic:
    """Decode an extrinsic and verify its signature.

    Raises `DecodeError` for bytes that are no extrinsic, and `InvalidTransaction` for one that is
    too large, of another version, or not signed for the chain of `genesis_hash`.
    """
    if len(raw) > EXTRINSIC_BYTES_MAX:
        message = f"An extrinsic of {len(raw)} bytes is larger than {EXTRINSIC_BYTES_MAX}."
        raise InvalidTransaction(message, remedy="Put content into the content store.")
    version, signer, signature, body = _array(decode(raw), 4, "An extrinsic")
    if _VERSION.from_plain(version) != EXTRINSIC_VERSION:
        message = f"The extrinsic's version is {version}, not {EXTRINSIC_VERSION}."
        raise InvalidTransaction(message, remedy="Sign it with the version of the node.")
    _SIGNER.from_plain(signer)
    _SIGNATURE.from_plain(signature)
    if type(body) is not bytes:
        raise _malformed("An extrinsic's body")
    *fields, call = _array(decode(body), 5, "An extrinsic's body")
    spec_version, era, nonce, tip = _FIELDS.from_plain(fields)
    if not verify(signer, genesis_hash + body, signature):
        message = "The extrinsic's signature does not hold on this chain."
        remedy = "Sign it with the account's key for this genesis hash."
        raise InvalidTransaction(message, remedy=remedy)
    return CheckedExtrinsic(raw, hash_extrinsic(raw), signer, spec_version, era, nonce, tip, call)


def _array(plain: Plain, count: int, what: str) -> list[Plain]:
    if type(plain) is not list or len(plain) != count:
        raise _malformed(what)
    return plain


def _malformed(what: str) -> DecodeError:
    return DecodeError(f"{what} is malformed.", remedy="Encode it with runtime.extrinsic.")
