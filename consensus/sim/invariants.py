"""What must hold in every run, by name; whatever breaks one raises `Violation` with its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from consensus.evidence import CertificatePair, Evidence, Verdict, judge
from consensus.facts import BLOCKS_MAX
from consensus.messages import ROUNDS_MAX
from consensus.rules import ROUNDS_AHEAD_MAX
from consensus.sim.chain import GENESIS_HASH
from consensus.sim.cryptography import TableCryptography
from consensus.simplex import BUFFERED_MAX, Simplex
from consensus.votes import (
    Certificate,
    Statement,
    VoteKind,
    conflict,
    decode_bitmap,
    signed_payload,
)
from runtime.wire.validators import ValidatorSet


class Invariant(Enum):
    """The invariants."""

    AGREEMENT = "no two honest nodes decide different blocks of one height"
    VALIDITY = "a decided block is valid, and a quorum of its validators finalized it"
    HONESTY = "nothing that an honest key signed conflicts"
    EVIDENCE = "evidence that an honest node reports holds, and names only the faulty"
    REFUSAL = "an honest signer is never asked for what it must refuse"
    LEADER = "an honest node notarizes only what the round's leader proposed"
    JUSTIFICATION = "an honest node notarizes only what certificates allow in the round (R1, R2)"
    LIVENESS = "once the network is calm, every honest node decides within bounded time"
    PROMPTNESS = "in a network without faults every height is decided in its first round"
    ROOTS = "nodes that decided the same blocks have the same state"
    ACCOUNTABILITY = "a fork is attributed to more than a third of the weight, all of it faulty"
    MEMORY = "what a node keeps of a height is bounded"
    ORDER = "nothing signed leaves, and nothing is signed, before what must be on disk (W1, W2, W7)"
    INTERFACE = "the engine raises nothing, and its effects are those of its interface"


class Violation(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, seed: int, what: str) -> None:
        super().__init__(f"{invariant.name} seed={seed}: {what}  [{invariant.value}]")
        self.invariant = invariant
        self.seed = seed


def faulty_weight_max(validators: ValidatorSet) -> int:
    """f: the most weight that may be faulty, so that the rest is a quorum."""
    return validators.total_weight - validators.quorum


def is_decided(
    certificate: Certificate,
    validators: ValidatorSet,
    validators_hash: bytes,
    cryptography: TableCryptography,
) -> bool:
    """Whether a certificate decides, and a commit can be made of it; nothing of `Scheme` in it."""
    voters = decode_bitmap(certificate.bitmap, validators)
    if voters is None or certificate.statement.kind is not VoteKind.FINALIZE:
        return False
    payload = certificate.statement.payload(GENESIS_HASH, validators_hash)
    weight = 0
    for index, signature, share in zip(
        voters, certificate.signatures, certificate.shares, strict=True
    ):
        voter = validators.validators[index]
        signed = signed_payload(payload, share)
        if not cryptography.verify(voter.vote_key, signed, signature):
            return False
        if cryptography.bad_shares([voter.bls_key], payload, [share]):
            return False
        weight += voter.weight
    return 3 * weight > 2 * validators.total_weight


def is_justified(
    statement: Statement,
    validators: ValidatorSet,
    validators_hash: bytes,
    cryptography: TableCryptography,
) -> bool:
    """Whether some entry allows to notarize a block in its round, by all that was ever signed."""

    def is_certified(kind: VoteKind, round_: int, block_id: bytes | None) -> bool:
        payload = Statement(kind, statement.height, round_, block_id).payload(
            GENESIS_HASH, validators_hash
        )
        weight = sum(
            each.weight
            for each in validators.validators
            if cryptography.has_signed(each.vote_key, payload)
        )
        return 3 * weight > 2 * validators.total_weight

    for round_ in range(statement.round - 1, 0, -1):
        if is_certified(VoteKind.NOTARIZE, round_, statement.block_id):
            return True
        if not is_certified(VoteKind.NULLIFY, round_, None):
            return False
    return True


def culprits_of(
    certificates: Sequence[Certificate],
    validators: ValidatorSet,
    cryptography: TableCryptography,
) -> Mapping[bytes, Verdict]:
    """Whoever is convicted by two conflicting certificates of one height, by account."""
    validators_hash = validators.hash()
    known = {validators_hash: validators}
    culprits: dict[bytes, Verdict] = {}
    for number, one in enumerate(certificates):
        for other in certificates[:number]:
            if conflict(one.statement, other.statement):
                pair = Evidence(validators_hash, certificates=CertificatePair(one, other))
                verdict = judge(pair, known.get, GENESIS_HASH, cryptography)
                culprits |= dict.fromkeys(verdict.culprits, verdict)
    return culprits


def held(engine: Simplex) -> int:
    """How many things an engine keeps in all its containers, whatever they are called."""
    count, waiting = 0, [vars(engine)]
    while waiting:
        for value in waiting.pop().values():
            if isinstance(value, dict | list | tuple):
                count += len(value)
                nested = value.values() if isinstance(value, dict) else value
                count += sum(len(each) for each in nested if isinstance(each, dict | list))
            elif type(value).__name__ in {"Rules", "Facts"}:
                waiting.append(vars(value))
    return count


def held_max(validators_count: int, round_: int) -> int:
    """The most things that an engine may keep in a round.

    Of every validator four votes of a round, each in a list and in a tally, in the rounds up to
    `ROUNDS_AHEAD_MAX` ahead; of every round a handful of certificates, proposals and own votes.
    """
    rounds = min(round_, ROUNDS_MAX) + ROUNDS_AHEAD_MAX + 1
    return rounds * (14 * validators_count + 16) + BLOCKS_MAX + 2 * BUFFERED_MAX + 64
