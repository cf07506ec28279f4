"""Proof that validators broke the rules, which anybody who knows their keys can check.

There is no lock and no amnesia in the protocol: every fork is provable from two signatures of one
round.  An honest validator never signs two statements that `conflict`, and never a share that is
not its own, so it cannot be framed.  Two certificates that conflict show the same of everybody who
signed both.

| offence | what is shown |
|---|---|
| `DUPLICATE_PROPOSAL` | two blocks proposed in one round |
| `CONFLICTING_NOTARIZE` | two blocks notarized in one round |
| `CONFLICTING_FINALIZE` | two blocks finalized in one round |
| `NULLIFY_FINALIZE` | one round both nullified and finalized |
| `FINALIZE_VERSUS_NOTARIZE` | another block finalized than was notarized in the round |
| `BAD_SHARE` | a vote that finalizes whose BLS share is not the voter's signature |
| `LIGHT_CLIENT_ATTACK` | two blocks of one height finalized, as a light client was shown them |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consensus.errors import InvalidEvidence, InvalidVote
from consensus.light.attack import LightClientAttack, culprits
from consensus.scheme import Cryptography, Scheme
from consensus.votes import Certificate, Statement, Vote, VoteKind, conflict
from runtime.codec import codec_of
from runtime.types import Hash
from runtime.wire.offences import OffenceKind
from runtime.wire.validators import ValidatorSet

_REMEDY = "Drop the evidence; whoever sends it is faulty or on another chain."


@dataclass(frozen=True, slots=True)
class VotePair:
    """Two votes of one validator that conflict."""

    first: Vote
    second: Vote


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Two certificates that conflict: their common voters are guilty."""

    first: Certificate
    second: Certificate


@dataclass(frozen=True, slots=True)
class Evidence:
    """Exactly one of four proofs, under the validator set it is about."""

    validators_hash: Hash
    votes: VotePair | None = None
    bad_share: Vote | None = None
    certificates: CertificatePair | None = None
    attack: LightClientAttack | None = None

    @classmethod
    def decode(cls, data: bytes) -> Evidence:
        """Return the evidence of these bytes, not verified; raises `DecodeError`."""
        return codec_of(Evidence).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(Evidence).encode(self)

    @property
    def statement(self) -> Statement:
        """One of the statements shown; once verified all are of one height, and mostly round."""
        for shown in (self.votes, self.certificates):
            if shown is not None:
                return shown.first.statement
        if self.attack is not None:
            return self.attack.one.commit.statement
        if self.bad_share is None:
            raise _invalid("shows nothing")
        return self.bad_share.statement


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verified evidence shows: the offence, where, and the accounts that committed it."""

    offence: OffenceKind
    height: int
    round: int
    culprits: tuple[bytes, ...]


def judge(
    evidence: Evidence,
    validators_of: Callable[[bytes], ValidatorSet | None],
    genesis_hash: bytes,
    cryptography: Cryptography,
) -> Verdict:
    """Return what the evidence shows; raises `InvalidEvidence`.

    `validators_of` finds a validator set by its hash, among those that can still be punished.
    """
    validators = validators_of(evidence.validators_hash)
    if validators is None:
        raise _invalid("is about a validator set that is unknown, or too old to be punished")
    scheme = Scheme(validators, genesis_hash, cryptography)
    shown = (evidence.votes, evidence.bad_share, evidence.certificates, evidence.attack)
    match [each for each in shown if each is not None]:
        case [VotePair() as pair]:
            return _judge_votes(pair, scheme)
        case [Vote() as vote]:
            return _judge_share(vote, scheme)
        case [CertificatePair() as pair]:
            return _judge_certificates(pair, scheme)
        case [LightClientAttack() as attack]:
            guilty = culprits(attack, validators_of, genesis_hash)
            return _verdict(OffenceKind.LIGHT_CLIENT_ATTACK, evidence.statement, guilty)
        case _:
            raise _invalid("does not show exactly one thing")


def offence_of(one: Statement, other: Statement) -> OffenceKind:
    """Name the offence of whoever signed two statements that conflict."""
    if one.kind is other.kind:
        return {
            VoteKind.PROPOSE: OffenceKind.DUPLICATE_PROPOSAL,
            VoteKind.NOTARIZE: OffenceKind.CONFLICTING_NOTARIZE,
            VoteKind.FINALIZE: OffenceKind.CONFLICTING_FINALIZE,
        }[one.kind]
    if VoteKind.NULLIFY in (one.kind, other.kind):
        return OffenceKind.NULLIFY_FINALIZE
    return OffenceKind.FINALIZE_VERSUS_NOTARIZE


def _judge_votes(pair: VotePair, scheme: Scheme) -> Verdict:
    first, second = pair.first, pair.second
    if first.validator != second.validator or not conflict(first.statement, second.statement):
        raise _invalid("shows two votes that do not conflict")
    _verify(first, scheme)
    _verify(second, scheme)
    offence = offence_of(first.statement, second.statement)
    return _verdict(offence, first.statement, (first.validator,))


def _judge_share(vote: Vote, scheme: Scheme) -> Verdict:
    index = _verify(vote, scheme)
    if vote.share is None or not scheme.is_bad_share(index, vote.statement, vote.share):
        raise _invalid("shows a share that is right")
    return _verdict(OffenceKind.BAD_SHARE, vote.statement, (vote.validator,))


def _judge_certificates(pair: CertificatePair, scheme: Scheme) -> Verdict:
    first, second = pair.first, pair.second
    if not conflict(first.statement, second.statement):
        raise _invalid("shows two certificates that do not conflict")
    voters = frozenset(scheme.verify_certificate(first))
    common = [index for index in scheme.verify_certificate(second) if index in voters]
    culprits = tuple(scheme.account_of(index) for index in common)
    offence = offence_of(first.statement, second.statement)
    return _verdict(offence, first.statement, culprits)


def _verify(vote: Vote, scheme: Scheme) -> int:
    try:
        return scheme.verify_vote(vote)
    except InvalidVote as error:
        raise _invalid(f"shows a vote that does not verify: {error.message}") from error


def _verdict(offence: OffenceKind, statement: Statement, culprits: tuple[bytes, ...]) -> Verdict:
    return Verdict(offence, statement.height, statement.round, culprits)


def _invalid(what: str) -> InvalidEvidence:
    return InvalidEvidence(f"The evidence {what}.", remedy=_REMEDY)
