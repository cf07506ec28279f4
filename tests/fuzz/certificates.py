"""Certificates, commits, light blocks and evidence: what was not signed is never accepted.

Five validators are honest, three of them on a chain and two on a fork of it; four liars, who weigh
more than a third, sign both.  Changed are bytes, or parts of objects that are encoded again, or a liar makes
up a set, with rogue keys if it likes, and signs for it alone.  Found would be, beside an error that
has no type:

- a certificate or commit of votes that were not cast, or in a second encoding;
- a step of the light client to a block that is not the chain's;
- evidence that convicts an honest validator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from py_arkworks_bls12381 import G1Point

from consensus.bls import BLS, SIGNATURE_BYTES
from consensus.commit import COMMIT_VERSION, Commit, verify_commit
from consensus.errors import (
    InvalidCertificate,
    InvalidEvidence,
    InvalidLightBlock,
    TooManySteps,
    TrustExpired,
)
from consensus.light import LightBlock, LightClientAttack, culprits, verify_step
from consensus.votes import Certificate, Statement, VoteKind, encode_bitmap
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.wire.validators import InvalidValidatorSet, Validator, ValidatorSet
from tests.consensus.light_chain import (
    Chain,
    certify,
    member,
    now_ms,
    possession,
    raw_commit,
    scheme_of,
    set_of,
)
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import changed_one, pick

HONEST, LIARS = (1, 2, 3, 4, 5), (6, 7, 8, 9)
FEW_LIARS = (8, 9)
"""Less than a third: with more a light client can be deceived, and has evidence for it."""
ALL = (*HONEST, *LIARS)
HEIGHTS = 12
FORK_HEIGHT = 5
REFUSALS = (
    DecodeError,
    InvalidCertificate,
    InvalidEvidence,
    InvalidLightBlock,
    InvalidValidatorSet,
    TooManySteps,
    TrustExpired,
)


class _Family(Protocol):
    """Inputs of one kind."""

    def step(self, random: Random) -> bool:
        """Try one input; raises a refusal, or `Finding`."""


def make() -> Step:
    """Return the fuzzer's step; making it signs the chain and its fork."""
    families: tuple[_Family, ...] = (_Certificates(), _Commits(), _Steps(), _Attacks())

    def step(random: Random) -> bool:
        family = pick(random, families)
        try:
            return family.step(random)
        except REFUSALS:
            return False

    return step


_CHAIN = Chain(lambda _height: ALL)
_FORK = _CHAIN.fork(FORK_HEIGHT, b"f")
_GENESIS = _CHAIN.genesis_hash
_CHAIN_SIGNERS, _FORK_SIGNERS = (3, 4, 5, *LIARS), (1, 2, *LIARS)


class _Certificates:
    """Certificates of every kind; of some statements there are too few votes for one."""

    def __init__(self) -> None:
        self._scheme = scheme_of(ALL, _GENESIS)
        statements = [Statement(VoteKind.NULLIFY, 3, 1, None)]
        for kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE):
            statements += [Statement(kind, 3, round_, b"b" * 32) for round_ in (1, 2)]
        groups = (ALL, (*HONEST, 8, 9), (2, 3, 4, 5, 6, 7, 8))
        self._specimens = [
            certify(ALL, signers, statement, _GENESIS)
            for statement in statements
            for signers in groups
        ]
        self._encodings = [each.encode() for each in self._specimens]
        self._cast = {
            vote: None for each in self._specimens for vote in self._scheme.all_votes_of(each)
        }

    def step(self, random: Random) -> bool:
        """A certificate has votes that were cast only, enough of them, and one encoding."""
        certificate = changed_one(random, self._specimens, self._encodings, Certificate)
        voters = self._scheme.verify_certificate(certificate)
        if certificate.shares:
            self._scheme.bad_shares(certificate)
        weight = sum(self._scheme.weights[index] for index in voters)
        votes = self._scheme.all_votes_of(certificate)
        if weight < self._scheme.quorum or any(vote not in self._cast for vote in votes):
            raise Finding("a certificate of votes that were not cast", certificate.encode())
        if (
            self._scheme.certify(certificate.statement, dict(zip(voters, votes, strict=True)))
            != certificate
        ):
            raise Finding("a second encoding of a certificate", certificate.encode())
        return True


class _Commits:
    """Commits of several quorums, and sums of too few shares."""

    def __init__(self) -> None:
        self._validators = set_of(ALL)
        statements = [Statement(VoteKind.FINALIZE, 3, round_, b"b" * 32) for round_ in (1, 2)]
        groups = (ALL, (*HONEST, 8, 9), (2, 3, 4, 5, 6, 7, 8), LIARS, (1,))
        self._specimens = [
            raw_commit(self._validators, signers, statement, _GENESIS)
            for statement in statements
            for signers in groups
        ]
        self._encodings = [each.encode() for each in self._specimens]

    def step(self, random: Random) -> bool:
        """A commit is the sum of exactly its voters' shares, and they are a quorum."""
        commit = changed_one(random, self._specimens, self._encodings, Commit)
        verify_commit(commit, self._validators, _GENESIS)
        if commit not in self._specimens:
            raise Finding("a commit that nobody made", commit.encode())
        return True


class _Steps:
    """Light blocks of the chain, some of them changed, some made up by the liars."""

    def __init__(self) -> None:
        self._blocks = [_CHAIN.block(height) for height in range(1, HEIGHTS)]
        self._blocks += [_CHAIN.block(height, signers=LIARS) for height in range(1, HEIGHTS)]
        self._encodings = [each.encode() for each in self._blocks]

    def step(self, random: Random) -> bool:
        """What is trusted after a step is the chain's."""
        trusted = _CHAIN.state(int(random.random() * HEIGHTS))
        if random.random() < 0.3:
            block = _made_up(random, FEW_LIARS)
        else:
            block = changed_one(random, self._blocks, self._encodings, LightBlock)
        reached = verify_step(trusted, block, _CHAIN.policy, now_ms(HEIGHTS))
        height = reached.header.height
        if height >= HEIGHTS or reached != _CHAIN.state(height):
            raise Finding("a light client trusts what the chain does not say", block.encode())
        return True


class _Attacks:
    """Evidence from the chain and its fork, with and without the certificates that complete it."""

    def __init__(self) -> None:
        self._guilty = {member(number).account: None for number in LIARS}
        self._validators = set_of(ALL)
        later = FORK_HEIGHT + 1
        nullify = Statement(VoteKind.NULLIFY, later, 1, None)
        third = certify(ALL, _FORK_SIGNERS, nullify, _GENESIS)
        sides = [_CHAIN.block(height, signers=_CHAIN_SIGNERS) for height in (FORK_HEIGHT, later)]
        sides.append(_FORK.block(FORK_HEIGHT, signers=_FORK_SIGNERS))
        sides.append(_FORK.block(later, signers=_FORK_SIGNERS, round_=2))
        pairs = [LightClientAttack.of(one, other) for one in sides for other in sides]
        self._specimens = pairs + [replace(each, certificate=third) for each in pairs]
        self._encodings = [each.encode() for each in self._specimens]

    def step(self, random: Random) -> bool:
        """Whoever is convicted signed both sides."""
        attack = changed_one(random, self._specimens, self._encodings, LightClientAttack)
        if random.random() < 0.2:
            own = _CHAIN.block(FORK_HEIGHT, signers=_CHAIN_SIGNERS)
            attack = LightClientAttack.of(own, _made_up(random, LIARS))
        known = {self._validators.hash(): self._validators}
        if random.random() < 0.5:
            attack = attack.without_known_sets(known.get)
        for account in culprits(attack, known.get, _GENESIS):
            if account not in self._guilty:
                raise Finding("an honest validator is convicted", attack.encode())
        return True


def _made_up(random: Random, liars: Sequence[int]) -> LightBlock:
    """A block under a set that liars made up, and signed by them alone.

    Its commit names them, or also honest validators whose keys a rogue key cancels.
    """
    honest = [set_of((number,)).validators[0] for number in HONEST if random.random() < 0.7]
    own = [set_of((number,)).validators[0] for number in liars]
    if random.random() < 0.3:
        own = [replace(each, account=member(pick(random, HONEST)).account) for each in own]
    heavy = Validator(b"\xfe" * 32, 10**6, own[0].vote_key, own[0].bls_key)
    if random.random() < 0.7:
        heavy = replace(heavy, bls_key=_cancelling(honest))
    members = {each.account: each for each in [*honest, *own, heavy]}
    validators = ValidatorSet(tuple(members[account] for account in sorted(members)))
    height = int(random.random() * HEIGHTS)
    header = replace(
        _CHAIN.header(height),
        proposer=validators.validators[0].account,
        validators_hash=validators.hash(),
        state_root=b"r" * 32,
    )
    if height and random.random() < 0.5:
        header = replace(header, parent_hash=_CHAIN.header(height - 1).id())
    commit = _signed_alone(random, Statement(VoteKind.FINALIZE, height, 1, header.id()), validators)
    proofs = tuple(_claimed_proof(each) for each in validators.validators)
    return LightBlock(header, commit, validators, proofs if random.random() < 0.8 else ())


def _cancelling(honest: Sequence[Validator]) -> bytes:
    """A rogue key that takes the honest ones out of the sum of all keys."""
    points = [G1Point.from_compressed_bytes(each.bls_key) for each in honest]
    return (-sum(points, G1Point.identity())).to_compressed_bytes()


def _signed_alone(random: Random, statement: Statement, validators: ValidatorSet) -> Commit:
    """The commit of everybody, or of the liars only, with the shares of the liars only."""
    payload = statement.payload(_GENESIS, validators.hash())
    secrets = {member(number).bls_key: member(number).secret for number in LIARS}
    members = validators.validators
    voters = tuple(range(len(members)))
    if random.random() < 0.5:
        voters = tuple(index for index in voters if members[index].bls_key in secrets)
    keys = [members[index].bls_key for index in voters]
    shares = [BLS.sign(secrets[key], payload) for key in keys if key in secrets]
    return Commit(
        version=COMMIT_VERSION,
        height=statement.height,
        round=statement.round,
        block_id=statement.block_id or ZERO_HASH,
        bitmap=encode_bitmap(voters, validators),
        signature=BLS.aggregate(shares) or bytes(SIGNATURE_BYTES),
    )


def _claimed_proof(validator: Validator) -> bytes:
    """The proof of possession of a key, or for a rogue key a liar's own."""
    for number in ALL:
        if member(number).bls_key == validator.bls_key:
            return possession(number)
    return possession(9)


if __name__ == "__main__":
    main("certificates", make)
