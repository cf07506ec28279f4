"""From a header that is trusted to one that is not, in one step.

Sequential: the new header is the trusted one's child.  It names its parent, and the parent names
the set that decides it.

Skipping: any number of heights are left out.  The trusted set may have changed meanwhile, but more
than a third of its weight signed the new commit, so at least one honest validator did.  An honest
validator signs at a height only under the set that decides it, which the payload names.  So the new
set is the chain's, and a quorum of it finalised the header.  Two things are easily got wrong here:

- Validators are recognised by their BLS key.  Accounts are what the new set claims they are.
- The new set comes from a stranger, and so do its keys.  A key made of an honest one and the
  stranger's own (a rogue key) lets the stranger sign alone what verifies as signed by both.  So
  every key that the trusted set does not have comes with its proof of possession.  A set that the
  trusted header names needs none: the chain checked its keys when they were bonded.

Trust expires: a validator that has left, and has its stake back, may sign anything.  The trusting
period is shorter than the time that a stake remains bonded, so that whoever signs a second block
for a trusted set loses something.  Prior art: the light client of Tendermint (arXiv 2010.07031).
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.bls import BLS
from consensus.commit import Commit, verify_commit, voters_of
from consensus.errors import InvalidCertificate, InvalidLightBlock, TrustExpired
from consensus.light.block import LightBlock, TrustedState
from runtime.block import Header
from runtime.wire.validators import ValidatorSet

CLOCK_DRIFT_MS = 10_000
"""How far ahead of our clock a header may be, in milliseconds."""
_REMEDY = "Ask another node; one that sends this is faulty."


@dataclass(frozen=True, slots=True)
class LightPolicy:
    """Which chain is followed, and for how long a header is trusted."""

    genesis_hash: bytes
    trusting_period_ms: int
    """Shorter than the time that a stake remains bonded."""


def verify_header(
    header: Header, commit: Commit, validators: ValidatorSet, genesis_hash: bytes
) -> tuple[int, ...]:
    """Return the voters; raises `InvalidCertificate` unless the commit finalises the header.

    That these are the right validators, with proved keys, is the caller's to know.
    """
    if header.validators_hash != validators.hash():
        message = "The header names another validator set."
        raise InvalidCertificate(message, remedy=_REMEDY)
    if validators.index_of(header.proposer) is None:
        message = f"The proposer {header.proposer.hex()} is not a validator."
        raise InvalidCertificate(message, remedy=_REMEDY)
    if (commit.height, commit.block_id) != (header.height, header.id()):
        message = f"The commit does not finalise block {header.height} ({header.id().hex()})."
        raise InvalidCertificate(message, remedy=_REMEDY)
    return verify_commit(commit, validators, genesis_hash)


def check_commit(header: Header, commit: bytes, validators: bytes, genesis_hash: bytes) -> None:
    """The same for encoded arguments, as receipts carry them; also raises `DecodeError`."""
    members = ValidatorSet.decode(validators)
    verify_header(header, Commit.decode(commit), members, genesis_hash)


def is_within_reach(trusted: TrustedState, block: LightBlock) -> bool:
    """Whether one step may lead to the block: nothing of it is verified.

    Raises `InvalidCertificate` for a malformed commit.
    """
    if block.header.height == trusted.header.height + 1 or _is_named(trusted, block):
        return True
    members = block.validators.validators
    signed = {members[index].bls_key for index in voters_of(block.commit, block.validators)}
    known = trusted.validators.validators
    weight = sum(each.weight for each in known if each.bls_key in signed)
    return 3 * weight > trusted.validators.total_weight


def verify_step(
    trusted: TrustedState, block: LightBlock, policy: LightPolicy, now_ms: int
) -> TrustedState:
    """Return what is trusted after the step; raises what the functions it is made of raise.

    `InvalidLightBlock` or `InvalidCertificate` say that the node is faulty, or that a step over
    less is needed where `is_within_reach` says so; `TrustExpired` that the client is.
    """
    check_trust(trusted, policy, now_ms)
    _check_place(trusted.header, block.header, now_ms)
    if not is_within_reach(trusted, block):
        message = f"Less than a third of the trusted weight signed block {block.header.height}."
        raise InvalidLightBlock(message, remedy="Verify a block before it first.")
    if block.header.height == trusted.header.height + 1:
        _check_child(trusted.header, block.header)
    elif not _is_named(trusted, block):
        check_possessions(block, (trusted.validators,))
    verify_header(block.header, block.commit, block.validators, policy.genesis_hash)
    return TrustedState(block.header, block.validators)


def check_trust(trusted: TrustedState, policy: LightPolicy, now_ms: int) -> None:
    """Raise `TrustExpired` if the trusted header is older than the trusting period."""
    age_ms = now_ms - trusted.header.time_ms
    if age_ms >= policy.trusting_period_ms:
        raise TrustExpired(
            f"Block {trusted.header.height} is {age_ms} ms old, and is trusted for "
            f"{policy.trusting_period_ms} ms.",
            remedy="Take a recent block's height and hash from people you trust, and begin there.",
        )


def check_possessions(block: LightBlock, known: tuple[ValidatorSet, ...]) -> None:
    """Raise `InvalidLightBlock` unless all keys are in `known` sets or proved to be possessed."""
    trusted_keys = {each.bls_key for members in known for each in members.validators}
    members = block.validators.validators
    if block.possessions and len(block.possessions) != len(members):
        message = f"{len(block.possessions)} proofs of possession for {len(members)} validators."
        raise InvalidLightBlock(message, remedy=_REMEDY)
    proofs = block.possessions or (b"",) * len(members)
    for member, proof in zip(members, proofs, strict=True):
        if member.bls_key in trusted_keys:
            continue
        if not BLS.verify_possession(member.bls_key, proof):
            message = f"The possession of the BLS key of {member.account.hex()} is not proved."
            raise InvalidLightBlock(message, remedy=_REMEDY)


def _is_named(trusted: TrustedState, block: LightBlock) -> bool:
    """Whether the trusted header names the block's set, as its own or as the next."""
    named = (trusted.header.validators_hash, trusted.header.next_validators_hash)
    return block.validators.hash() in named


def _check_place(trusted: Header, header: Header, now_ms: int) -> None:
    if header.height <= trusted.height or header.time_ms <= trusted.time_ms:
        message = f"Block {header.height} is not after the trusted block {trusted.height}."
        raise InvalidLightBlock(message, remedy=_REMEDY)
    if header.time_ms > now_ms + CLOCK_DRIFT_MS:
        message = f"Block {header.height} is {header.time_ms - now_ms} ms ahead of this clock."
        raise InvalidLightBlock(message, remedy="Set the clock; if it is right, ask another node.")


def _check_child(parent: Header, header: Header) -> None:
    if header.parent_hash != parent.id() or header.validators_hash != parent.next_validators_hash:
        message = f"Block {header.height} does not follow from block {parent.height}."
        raise InvalidLightBlock(message, remedy=_REMEDY)
