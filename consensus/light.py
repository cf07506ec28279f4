"""What a verifier without a node checks of a block: that its validators finalised it."""

from __future__ import annotations

from consensus.cryptography import key_scheme
from consensus.errors import InvalidCertificate
from consensus.votes import Certificate, VoteKind
from runtime.block import Header
from runtime.wire.validators import ValidatorSet

_REMEDY = "Ask another node for header and commit; one that sends these is faulty."


def verify_commit(
    header: Header, commit: Certificate, validators: ValidatorSet, genesis_hash: bytes
) -> None:
    """Raise `InvalidCertificate` unless `commit` finalises `header` by a quorum of `validators`.

    That these are the right validators is the caller's to know: the header before says so in
    `next_validators_hash`, and in the end the genesis header does.
    """
    if header.validators_hash != validators.hash():
        message = "The header names another validator set."
        raise InvalidCertificate(message, remedy=_REMEDY)
    if validators.index_of(header.proposer) is None:
        message = f"The proposer {header.proposer.hex()} is not a validator."
        raise InvalidCertificate(message, remedy=_REMEDY)
    claimed = (VoteKind.FINALIZE, header.height, header.id())
    statement = commit.statement
    if (statement.kind, statement.height, statement.block_id) != claimed:
        message = f"The certificate does not finalise block {header.height} ({claimed[2].hex()})."
        raise InvalidCertificate(message, remedy=_REMEDY)
    key_scheme(validators, genesis_hash).verify_certificate(commit)


def check_commit(header: Header, commit: bytes, validators: bytes, genesis_hash: bytes) -> None:
    """The same for encoded arguments, as receipts carry them; also raises `DecodeError`."""
    certificate = Certificate.decode(commit)
    verify_commit(header, certificate, ValidatorSet.decode(validators), genesis_hash)
