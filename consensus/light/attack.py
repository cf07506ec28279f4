"""Two final blocks of one height: how a light client finds them, and whom they convict.

A client verifies what one node, the primary, says, and asks others, the witnesses, for the same
height.  Another header from a witness is nothing until the witness has proved it, as the primary
did.  Then the two are followed down by halves to the lowest height where both sides still prove
different blocks.  Sides that really forked are found where they did: at the child of a block that
they share, so under one set.  A side that made up a header has no block to show there; the pair
above it is the evidence.

An honest validator builds on final blocks only, so it is on one side of any fork.  Therefore (rule
numbers: consensus/README.md) these convict, and only these, whoever else lies:

- F votes for two blocks of one round: R2 and R7, an honest validator has one N and F in a round.
- F votes for two blocks of one height under two sets: an honest validator votes at a height only
  under the set that its parent names.
- With F votes in two rounds of one set, the two commits convict nobody.  An honest validator votes
  F(r, v), and F(r', v') in a later round, if it is shown X-cert(r) or an N-cert of round r for v'.
  By the safety argument one of these exists, in the Entry of round r' or of one between; and to
  sign it and F(r, v) is against R7.  Validators keep certificates for as long as stakes remain
  bonded: whoever has that of round r adds it to the evidence with `with_certificate`.

Under one set, each of these is the intersection of two quorums, so more than a third of the weight.
Under two sets it may be less: others may have signed the made-up side only, and which side that is
cannot be seen from two blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

from consensus.commit import Commit
from consensus.cryptography import key_scheme
from consensus.errors import InvalidCertificate, InvalidEvidence, InvalidLightBlock
from consensus.light.block import LightBlock, Possessions, TrustedState
from consensus.light.sync import LightSync
from consensus.light.verification import LightPolicy, check_possessions, verify_header
from consensus.votes import Certificate, VoteKind, conflict
from runtime.block import Header
from runtime.codec import codec_of
from runtime.wire.validators import ValidatorSet

SetFinder: TypeAlias = Callable[[bytes], ValidatorSet | None]
"""Finds a set that the chain has had by its hash, among those that can still be punished."""
_REMEDY = "Drop it; nobody is punished for it."


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """A light block as evidence: a set that the chain has had can be left out."""

    header: Header
    commit: Commit
    validators: ValidatorSet | None
    possessions: Possessions

    @classmethod
    def of(cls, block: LightBlock) -> ShownBlock:
        """Return all of a light block."""
        return cls(block.header, block.commit, block.validators, block.possessions)

    def under(self, known: ValidatorSet | None) -> LightBlock:
        """Return the light block under a set of the chain, or else the set that is shown."""
        validators = known or self.validators
        if validators is None:
            message = f"The set of block {self.header.id().hex()} is neither known nor shown."
            raise InvalidEvidence(message, remedy="Show the set and its proofs of possession.")
        return LightBlock(self.header, self.commit, validators, self.possessions)


@dataclass(frozen=True, slots=True)
class LightClientAttack:
    """Two blocks of one height, both with a valid commit."""

    one: ShownBlock
    other: ShownBlock
    """Of the larger block id."""
    certificate: Certificate | None
    """Nullifies the lower of two rounds, or notarizes another block in it; else none."""

    @classmethod
    def of(cls, one: LightBlock, other: LightBlock) -> LightClientAttack:
        """Return the evidence that two blocks of one height are."""
        first, second = sorted((one, other), key=lambda block: block.header.id())
        return cls(ShownBlock.of(first), ShownBlock.of(second), None)

    @classmethod
    def decode(cls, data: bytes) -> LightClientAttack:
        """Return the evidence of these bytes, not verified.

        Raises `DecodeError`.
        """
        return codec_of(LightClientAttack).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(LightClientAttack).encode(self)

    @property
    def is_complete(self) -> bool:
        """Whether the two commits convict by themselves."""
        same_round = self.one.commit.round == self.other.commit.round
        return same_round or len(self.validators_hashes) > 1

    @property
    def validators_hashes(self) -> tuple[bytes, ...]:
        """The one set that both sides name, or the two: only one of them decided the height."""
        hashes = (self.one.header.validators_hash, self.other.header.validators_hash)
        return tuple(dict.fromkeys(hashes))

    def is_completed_by(self, certificate: Certificate) -> bool:
        """Whether an honest signer of the lower round's commit never signs the certificate (R7)."""
        lower = min((self.one.commit, self.other.commit), key=lambda commit: commit.round)
        final = certificate.statement.kind is VoteKind.FINALIZE
        return not final and conflict(certificate.statement, lower.statement)

    def with_certificate(self, certificates: Iterable[Certificate]) -> LightClientAttack:
        """Return the evidence with the one of these certificates that completes it, if any."""
        if not self.is_complete:
            for certificate in certificates:
                if self.is_completed_by(certificate):
                    return replace(self, certificate=certificate)
        return self

    def without_known_sets(self, validators_of: SetFinder) -> LightClientAttack:
        """Return the evidence for a chain that has had the sets which it finds."""
        one, other = (
            block
            if validators_of(block.header.validators_hash) is None
            else replace(block, validators=None, possessions=())
            for block in (self.one, self.other)
        )
        return replace(self, one=one, other=other)


class Side(IntEnum):
    """Whom to ask for a light block."""

    PRIMARY = 0
    WITNESS = 1


class WitnessCheck:
    """Compares what a client verified with what one witness says.

    Driven like `LightSync`: ask the side that `wanted` names for the block of that height.  An
    error from `receive` means that this side is faulty and ends the check; so does a side that does
    not answer.  Before or after, `attack` is the evidence found so far.
    """

    def __init__(self, root: TrustedState, target: LightBlock, policy: LightPolicy) -> None:
        """Compare `target`, to which a `LightSync` from `root` came."""
        self._policy = policy
        self._common = root
        self._side = Side.WITNESS
        self._own = target
        self._disputed: tuple[LightBlock, LightBlock] | None = None
        self._sync: LightSync | None = self._sync_to(target.header.height)

    @property
    def wanted(self) -> tuple[Side, int] | None:
        """Whose light block of which height to `receive` next; `None`: the check is over."""
        height = None if self._sync is None else self._sync.wanted
        return None if height is None else (self._side, height)

    @property
    def attack(self) -> LightClientAttack | None:
        """The evidence: two blocks that their sides have proved; `None` as long as they agree."""
        return None if self._disputed is None else LightClientAttack.of(*self._disputed)

    def receive(self, block: LightBlock, now_ms: int) -> None:
        """Take the light block that is `wanted`, at this time.

        Raises `InvalidLightBlock`, `InvalidCertificate`, `TrustExpired` or `TooManySteps`.
        """
        if self._sync is None:
            message = f"Block {block.header.height} came, and none was asked for."
            raise InvalidLightBlock(message, remedy="Ask for what is wanted only.")
        if self._side is Side.WITNESS and block.header.id() == self._own.header.id():
            self._common = TrustedState(self._own.header, self._own.validators)
            self._narrow()
            return
        self._sync.receive(block, now_ms)
        if self._sync.wanted is not None:
            return
        proved = self._sync.trace[-1]
        if self._side is Side.PRIMARY:
            self._own = proved
            self._ask(Side.WITNESS, proved.header.height)
        else:
            self._disputed = (self._own, proved)
            self._narrow()

    def _narrow(self) -> None:
        """Go on half-way between the last common and the first disputed block."""
        self._sync = None
        if self._disputed is None:
            return
        low, high = self._common.header.height, self._disputed[0].header.height
        if high - low > 1:
            self._ask(Side.PRIMARY, (low + high) // 2)

    def _ask(self, side: Side, height: int) -> None:
        self._side = side
        self._sync = self._sync_to(height)

    def _sync_to(self, height: int) -> LightSync:
        return LightSync(self._common, height, self._policy)


def culprits(
    attack: LightClientAttack, validators_of: SetFinder, genesis_hash: bytes
) -> tuple[bytes, ...]:
    """Verify an attack and return the sorted accounts of the validators that it convicts.

    Only validators of sets that `validators_of` finds can be convicted, and only their keys need no
    proof of possession.  Raises `InvalidEvidence`.
    """
    one, other = attack.one, attack.other
    if one.header.height != other.header.height or one.header.id() >= other.header.id():
        raise InvalidEvidence("These are not two blocks of one height.", remedy=_REMEDY)
    found = [validators_of(side.header.validators_hash) for side in (one, other)]
    known = tuple(validators for validators in found if validators is not None)
    sides = [side.under(validators) for side, validators in zip((one, other), found, strict=True)]
    try:
        signers = [_signers(side, known, genesis_hash) for side in sides]
        certified = _certified(attack, sides[0].validators, genesis_hash)
    except (InvalidCertificate, InvalidLightBlock) as error:
        raise InvalidEvidence(error.message, remedy=_REMEDY) from error
    if certified is not None:
        lower = 0 if one.commit.round < other.commit.round else 1
        signers[1 - lower] = certified
    guilty = signers[0] & signers[1]
    accounts = {
        each.account for members in known for each in members.validators if each.bls_key in guilty
    }
    if not accounts:
        raise InvalidEvidence("No validator of the chain signed both sides.", remedy=_REMEDY)
    return tuple(sorted(accounts))


def _signers(
    side: LightBlock, known: tuple[ValidatorSet, ...], genesis_hash: bytes
) -> frozenset[bytes]:
    """The BLS keys that finalised a side, verified."""
    check_possessions(side, known)
    indices = verify_header(side.header, side.commit, side.validators, genesis_hash)
    return frozenset(side.validators.validators[index].bls_key for index in indices)


def _certified(
    attack: LightClientAttack, validators: ValidatorSet, genesis_hash: bytes
) -> frozenset[bytes] | None:
    """The BLS keys of the voters of the third certificate, verified; `None` if it takes none."""
    certificate = attack.certificate
    if certificate is None and attack.is_complete:
        return None
    if certificate is None or attack.is_complete or not attack.is_completed_by(certificate):
        message = "Two rounds of one set convict with a certificate against the lower one only."
        remedy = "Add the lower round's certificate from a validator's archive."
        raise InvalidEvidence(message, remedy=remedy)
    voters = key_scheme(validators, genesis_hash).verify_certificate(certificate)
    return frozenset(validators.validators[index].bls_key for index in voters)
