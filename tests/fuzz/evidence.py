"""Evidence: changed votes and certificates never convict who kept to the rules.

Two validators of four are honest, and sign for one block each; the other two sign everything, also
shares that are not their own.  Evidence is made of any of these votes and certificates, fitting or
not, and then its bytes or parts are changed.  (Attacks on light clients: `certificates`.)  Found
would be, beside an error that has no type:

- a verdict on an honest validator, or on nobody known;
- another offence than the statements shown have.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from consensus.errors import InvalidCertificate, InvalidEvidence
from consensus.evidence import CertificatePair, Evidence, VotePair, judge, offence_of
from consensus.sim.chain import GENESIS_HASH
from consensus.votes import Certificate, Statement, Vote, conflict, signed_payload
from runtime.errors import DecodeError
from runtime.wire.offences import OffenceKind
from tests.consensus.hand_driven import FOUR, A, B, F, HandDriven, N, P, X, id_of
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import changed_one, pick

LIARS = (2, 3)
ROUNDS = (1, 2)
SPECIMENS = 400
REFUSALS = (DecodeError, InvalidEvidence, InvalidCertificate)


def make() -> Step:
    """Return the fuzzer's step."""
    return Accusations().step


class Accusations:
    """Evidence of all kinds, most of it of something."""

    def __init__(self) -> None:
        self._node = HandDriven()
        self._guilty = {FOUR.validators[number].account: None for number in LIARS}
        random = Random("evidence")
        votes, certificates = self._votes(), self._certificates()
        self._specimens = [self._evidence(random, votes, certificates) for _ in range(SPECIMENS)]
        self._encodings = [each.encode() for each in self._specimens]

    def step(self, random: Random) -> bool:
        """Judge evidence of which something is changed."""
        try:
            evidence = changed_one(random, self._specimens, self._encodings, Evidence)
            verdict = judge(evidence, {FOUR.hash(): FOUR}.get, GENESIS_HASH, self._node.table)
        except REFUSALS:
            return False
        if any(account not in self._guilty for account in verdict.culprits):
            raise Finding("an honest validator is convicted", evidence.encode())
        if verdict.offence is not _offence(evidence):
            raise Finding("another offence is named than is shown", evidence.encode())
        return True

    def _votes(self) -> list[Vote]:
        votes = []
        for round_ in ROUNDS:
            for number, block in ((0, A), (1, B)):
                votes += [self._node.vote(number, kind, round_, block) for kind in (P, N, F)]
            for number in LIARS:
                votes += [
                    self._node.vote(number, kind, round_, block)
                    for kind in (P, N, F)
                    for block in (A, B)
                ]
                votes.append(self._node.vote(number, X, round_))
                votes.append(self._with_bad_share(self._node.vote(number, F, round_, A), number))
        return votes

    def _with_bad_share(self, vote: Vote, number: int) -> Vote:
        """The vote with a share that is not its own, signed again."""
        payload = signed_payload(self._node.scheme.payload(vote.statement), bytes(96))
        signature = self._node.table.sign(FOUR.validators[number].vote_key, payload)
        return replace(vote, share=bytes(96), signature=signature)

    def _certificates(self) -> list[Certificate]:
        """What each honest validator and the liars agree on."""
        certificates = []
        for round_ in ROUNDS:
            for number, block in ((0, A), (1, B)):
                for kind in (N, F):
                    statement = Statement(kind, 1, round_, id_of(block))
                    certificates.append(self._certificate(statement, (number, *LIARS)))
        return certificates

    def _certificate(self, statement: Statement, signers: tuple[int, ...]) -> Certificate:
        votes = {number: self._node.vote_for(number, statement) for number in signers}
        certificate = self._node.scheme.certify(statement, votes)
        assert certificate is not None
        return certificate

    def _evidence(
        self, random: Random, votes: list[Vote], certificates: list[Certificate]
    ) -> Evidence:
        kind = int(random.random() * 3)
        if kind == 0:
            return Evidence(FOUR.hash(), bad_share=pick(random, votes))
        if kind == 1:
            pair = CertificatePair(pick(random, certificates), pick(random, certificates))
            return Evidence(FOUR.hash(), certificates=pair)
        first = pick(random, votes)
        same = [each for each in votes if each.validator == first.validator]
        second = pick(random, same if random.random() < 0.9 else votes)
        return Evidence(FOUR.hash(), votes=VotePair(first, second))


def _offence(evidence: Evidence) -> OffenceKind | None:
    """What evidence claims; None if that is nothing."""
    pair = evidence.votes or evidence.certificates
    if pair is None:
        return OffenceKind.BAD_SHARE
    one, other = pair.first.statement, pair.second.statement
    return offence_of(one, other) if conflict(one, other) else None


if __name__ == "__main__":
    main("evidence", make)
