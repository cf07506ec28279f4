"""Extrinsics: calls on the wire, signed by an account, or put first into a block by its proposer.

    extrinsic = [version, signer, signature, body]
    body      = [spec_version, era, nonce, tip, call]
    era       = null | [birth_height, period_blocks]
    inherent  = [version, spec_version, call]
    call      = [pallet index, call index, [arguments]]

All are canonical CBOR; the signature is over the genesis hash followed by the body's bytes.  The
genesis hash ties an extrinsic to one chain, the nonce to one inclusion, the spec version to one
meaning of its call, and the era, if there is one, to a range of heights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.calls import CallCodec, CallDefinition, RuntimeCall
from runtime.cbor import (
    Plain,
    bytes_head,
    check_length,
    encode_plain,
    head_bytes,
    integer_bytes,
    parse,
)
from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidTransaction
from runtime.hashing import hash_extrinsic
from runtime.keys import ACCOUNT_BYTES, SIGNATURE_BYTES, Keypair, verify
from runtime.types import U32, U64, Amount, Between, Marker

EXTRINSIC_VERSION = 1
PERIOD_BLOCKS_MAX = 65_536
"""The longest mortal era, in blocks."""


@dataclass(frozen=True, slots=True)
class Era:
    """The heights at which a mortal extrinsic may enter a block."""

    birth_height: Annotated[int, Between(0, 2**63 - 1)]
    period_blocks: Annotated[int, Between(1, PERIOD_BLOCKS_MAX)]

    @property
    def last_height(self) -> int:
        """The last height at which a block may include the extrinsic."""
        return self.birth_height + self.period_blocks - 1

    def holds(self, height: int) -> bool:
        """Whether a block of `height` may include the extrinsic."""
        return self.birth_height <= height <= self.last_height

    def is_over(self, height: int) -> bool:
        """Whether no block of `height`, nor any later one, may include the extrinsic."""
        return height > self.last_height


_SPEC_VERSION = codec_of(U32)
_ERA = codec_of(Era)
_FIELDS = codec_of(tuple[U32, Era | None, U64, Amount])
_INHERENT_HEAD = encode_plain([None] * 3)[:1]
_SIGNATURE_HEAD = bytes_head(SIGNATURE_BYTES)
# Where the parts of a canonical extrinsic are: [version, signer, signature, body].
_ENVELOPE_START = encode_plain([EXTRINSIC_VERSION, bytes(ACCOUNT_BYTES), b"", b""])[:4]
_SIGNER_AT = len(_ENVELOPE_START)
_SIGNER_END = _SIGNER_AT + ACCOUNT_BYTES
_SIGNATURE_AT = _SIGNER_END + len(_SIGNATURE_HEAD)
_BODY_AT = _SIGNATURE_AT + SIGNATURE_BYTES


class WrongOrigin(InvalidTransaction):
    """A call of the chain itself is signed by an account."""


class CheckedExtrinsic(NamedTuple):
    """An extrinsic whose signature holds, with its call as one runtime reads it."""

    raw: bytes
    hash: bytes
    signer: bytes
    spec_version: int
    era: Era | None
    nonce: int
    tip: int
    """Paid to the proposer, in units of 10**-18 OPEN."""
    definition: CallDefinition
    arguments: Sequence[Any]
    """The values of the call's arguments in order."""


SignatureClaim = tuple[bytes, bytes, bytes]
"""Account, payload and signature: what `runtime.keys.verify` takes."""
OpenedExtrinsic = tuple[CheckedExtrinsic, SignatureClaim]
"""A decoded extrinsic, and the signature that must hold before anybody uses it."""


class CheckedInherent(NamedTuple):
    """A call that the proposer of a block makes on behalf of the chain."""

    raw: bytes
    hash: bytes
    spec_version: int
    definition: CallDefinition
    arguments: Sequence[Any]


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
    body = _body(call, spec_version, nonce, tip, era)
    signature = keypair.sign(genesis_hash + body)
    return encode_plain([EXTRINSIC_VERSION, keypair.account, signature, body])


def unsigned_extrinsic(
    call: RuntimeCall,
    account: bytes,
    *,
    spec_version: int,
    nonce: int,
    tip: int = 0,
    era: Era | None = None,
) -> bytes:
    """Return the extrinsic of a call as `account` would sign it, with zeros for the signature.

    It is as long as a signed one, and no block takes it: for asking what it would cost or do.
    """
    body = _body(call, spec_version, nonce, tip, era)
    return encode_plain([EXTRINSIC_VERSION, account, bytes(SIGNATURE_BYTES), body])


def _body(call: RuntimeCall, spec_version: int, nonce: int, tip: int, era: Era | None) -> bytes:
    fields = _FIELDS.to_plain((spec_version, era, nonce, tip))
    return encode_plain([*fields, call.to_plain()])


def encode_inherent(call: RuntimeCall, spec_version: int) -> bytes:
    """Return the encoded inherent of a call; raises `OutOfBounds` for a bad argument."""
    return encode_plain([EXTRINSIC_VERSION, spec_version, call.to_plain()])


def open_extrinsic(raw: bytes, genesis_hash: bytes, calls: CallCodec) -> OpenedExtrinsic:
    """Decode an extrinsic and its call, and leave the signature to be verified.

    Raises `DecodeError` for bytes that are no extrinsic of the runtime of `calls`, and
    `InvalidTransaction` for one that is too large, of another version, or of a call that no account
    may sign.
    """
    signer, signature, body = _open(raw)
    plain = parse(body)
    if type(plain) is not list or len(plain) != 5:
        raise _malformed("An extrinsic's body")
    spec_version, era, nonce, tip, call = plain
    _check_spec_version(spec_version, calls)
    definition, arguments, call_bytes = calls.resolve(call)
    if definition.origin is not Marker.SIGNED:
        message = f"{definition} is a call of the chain itself."
        raise WrongOrigin(message, remedy="It cannot be signed by an account.")
    check_length(body, _FIELDS.measure(plain[:4]) + call_bytes)
    checked_era = None if era is None else _ERA.from_plain(era)
    claimed = CheckedExtrinsic(
        raw,
        hash_extrinsic(raw),
        signer,
        spec_version,
        checked_era,
        nonce,
        tip,
        definition,
        arguments,
    )
    return claimed, (signer, genesis_hash + body, signature)


def check_extrinsic(raw: bytes, genesis_hash: bytes, calls: CallCodec) -> CheckedExtrinsic:
    """Decode an extrinsic and its call, and verify its signature.

    Raises what `open_extrinsic` raises, and `InvalidTransaction` for one that is not signed for the
    chain of `genesis_hash`.
    """
    claimed, signed = open_extrinsic(raw, genesis_hash, calls)
    if not verify(*signed):
        raise not_signed()
    return claimed


class NotSigned(InvalidTransaction):
    """The signature does not hold, whatever state the chain is in."""


def not_signed() -> NotSigned:
    """The error of an extrinsic whose signature does not hold."""
    message = "The extrinsic's signature does not hold on this chain."
    remedy = "Sign it with the account's key for this genesis hash."
    return NotSigned(message, remedy=remedy)


def is_inherent(raw: bytes) -> bool:
    """Whether bytes of a block have the form of an inherent; they may still be malformed."""
    return raw[:1] == _INHERENT_HEAD


def check_inherent(raw: bytes, calls: CallCodec) -> CheckedInherent:
    """Decode an inherent; raises `DecodeError` or `InvalidTransaction`."""
    _check_size(raw)
    plain = parse(raw)
    if type(plain) is not list or len(plain) != 3:
        raise _malformed("An inherent")
    version, spec_version, call = plain
    _check_version(version)
    _check_spec_version(spec_version, calls)
    definition, arguments, call_bytes = calls.resolve(call)
    if definition.origin is not Marker.INHERENT:
        message = f"{definition} is not a call that a block's proposer makes."
        raise WrongOrigin(message, remedy="Sign it as an extrinsic.")
    check_length(raw, 2 + integer_bytes(spec_version) + call_bytes)
    return CheckedInherent(raw, hash_extrinsic(raw), spec_version, definition, arguments)


def _open(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Signer, signature and body of an extrinsic whose envelope is canonical."""
    _check_size(raw)
    if raw[:1] != _ENVELOPE_START[:1] or len(raw) <= _BODY_AT:
        raise _malformed("An extrinsic")
    _check_version(raw[1])
    # Only the canonical form is accepted, and it has every part in one place.
    left_bytes = len(raw) - _BODY_AT
    body_at = _BODY_AT + head_bytes(left_bytes - 2)
    body = raw[body_at:]
    if (
        raw[:_SIGNER_AT] != _ENVELOPE_START
        or raw[_SIGNER_END:_SIGNATURE_AT] != _SIGNATURE_HEAD
        or raw[_BODY_AT:body_at] != bytes_head(len(body))
    ):
        raise _malformed("An extrinsic")
    return raw[_SIGNER_AT:_SIGNER_END], raw[_SIGNATURE_AT:_BODY_AT], body


def _check_size(raw: bytes) -> None:
    if len(raw) > EXTRINSIC_BYTES_MAX:
        message = f"An extrinsic of {len(raw)} bytes is larger than {EXTRINSIC_BYTES_MAX}."
        raise InvalidTransaction(message, remedy="Put content into the content store.")


def _check_version(version: Plain) -> None:
    if type(version) is not int or version != EXTRINSIC_VERSION:
        message = f"The extrinsic's version is not {EXTRINSIC_VERSION}."
        raise InvalidTransaction(message, remedy="Sign it with the version of the node.")


def _check_spec_version(spec_version: Plain, calls: CallCodec) -> None:
    if spec_version != calls.spec_version:
        _SPEC_VERSION.check(spec_version)
        message = (
            f"The extrinsic is for spec version {spec_version}, "
            f"and the runtime's is {calls.spec_version}."
        )
        raise InvalidTransaction(message, remedy="Sign it again for this spec version.")
    _SPEC_VERSION.check(spec_version)


def _malformed(what: str) -> DecodeError:
    return DecodeError(f"{what} is malformed.", remedy="Encode it with runtime.extrinsic.")
