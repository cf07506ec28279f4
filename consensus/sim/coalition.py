"""What all faulty nodes know together: every vote and certificate that any of them ever saw."""

from __future__ import annotations

from itertools import chain
from random import Random

from consensus.errors import InvalidCertificate, InvalidVote
from consensus.messages import (
    BlockReply,
    Decided,
    Entry,
    Message,
    Proposal,
    Status,
    height_of,
)
from consensus.scheme import Scheme
from consensus.sim.chain import identify
from consensus.votes import Certificate, Statement, Vote, VoteKind

OLD_MESSAGES_MAX = 64


class Coalition:
    """The common knowledge of the faulty, of one height."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.height = 0
        self.votes: dict[Statement, dict[int, Vote]] = {}
        self.certificates: dict[Statement, Certificate] = {}
        self.blocks: dict[bytes, bytes] = {}
        self.fresh: list[Certificate] = []
        """Certificates that were found since they were last taken."""
        self.old: list[Message] = []
        """Some messages of any height."""

    def learn(self, message: Message, scheme: Scheme, random: Random) -> None:
        """Take whatever holds out of a message of the height that `scheme` is of."""
        height = height_of(message)
        if height > self.height:
            self.height = height
            self.votes.clear()
            self.certificates.clear()
            self.blocks.clear()
        if random.random() < 0.1:
            self._keep(message, random)
        if height == self.height:
            self._learn(message, scheme)

    def _learn(self, message: Message, scheme: Scheme) -> None:
        match message:
            case Vote():
                self._learn_vote(message, scheme)
            case Certificate():
                self._learn_certificate(message, scheme)
            case Proposal():
                self._learn_entry(message.entry, scheme)
                if message.block is not None:
                    self._learn_block(message.block)
            case Status(entry=Entry() as entry):
                self._learn_entry(entry, scheme)
            case Decided():
                self._learn_block(message.block)
                self._learn_certificate(message.certificate, scheme)
            case BlockReply():
                self._learn_block(message.block)
            case _:
                pass

    def _learn_vote(self, vote: Vote, scheme: Scheme) -> None:
        statement = vote.statement
        tally = self.votes.setdefault(statement, {})
        try:
            tally[scheme.verify_vote(vote)] = vote
        except InvalidVote:
            return
        if statement.kind is not VoteKind.PROPOSE and statement not in self.certificates:
            certificate = scheme.certify(statement, tally)
            if certificate is not None:
                self._add(certificate)

    def _learn_certificate(self, certificate: Certificate, scheme: Scheme) -> None:
        if certificate.statement in self.certificates:
            return
        try:
            scheme.verify_certificate(certificate)
        except InvalidCertificate:
            return
        if certificate.statement.height == self.height:
            self._add(certificate)

    def _learn_entry(self, entry: Entry, scheme: Scheme) -> None:
        if entry.notarized is not None:
            self._learn_certificate(entry.notarized, scheme)
        for certificate in entry.nullified:
            self._learn_certificate(certificate, scheme)

    def _learn_block(self, block: bytes) -> None:
        block_id = identify(block)
        if block_id is not None:
            self.blocks[block_id] = block

    def _add(self, certificate: Certificate) -> None:
        self.certificates[certificate.statement] = certificate
        self.fresh.append(certificate)

    def _keep(self, message: Message, random: Random) -> None:
        if len(self.old) < OLD_MESSAGES_MAX:
            self.old.append(message)
        else:
            self.old[random.randrange(OLD_MESSAGES_MAX)] = message

    # What can be made of it

    def old_decision(self, height: int, random: Random) -> Decided | None:
        """A decision of another height, as if it were of this one."""
        old = [each for each in self.old if isinstance(each, Decided)]
        if not old:
            return None
        decided = random.choice(old)
        return Decided(height, decided.block, decided.certificate)

    def nullified(self, round_: int) -> Certificate | None:
        """The X-certificate of a round."""
        return self.certificates.get(Statement(VoteKind.NULLIFY, self.height, round_, None))

    def notarized(self) -> list[Certificate]:
        """All N-certificates, in order of rounds."""
        found = [
            each for each in self.certificates.values() if each.statement.kind is VoteKind.NOTARIZE
        ]
        return sorted(found, key=lambda each: each.statement.round)

    def lawful_entries(self, round_: int) -> list[Entry]:
        """Every entry that allows a proposal in a round, those that hide N-certificates first."""
        entries = []
        for notarized in chain((None,), self.notarized()):
            rp = 0 if notarized is None else notarized.statement.round
            between = [self.nullified(each) for each in range(rp + 1, round_)]
            complete = tuple(each for each in between if each is not None)
            if rp < round_ and len(complete) == len(between):
                entries.append(Entry(notarized, complete))
        return entries

    def forged_entry(self, round_: int, random: Random) -> Entry:
        """An entry that does not hold: it lacks certificates, or has wrong ones."""
        nullified = [self.nullified(each) for each in range(1, round_)]
        known = tuple(each for each in nullified if each is not None)
        notarized = self.notarized()
        match random.randrange(4):
            case 0:
                return Entry(None, known)
            case 1:
                return Entry(random.choice(notarized) if notarized else None, known)
            case 2:
                return Entry(None, ())
            case _:
                statements = [
                    Statement(VoteKind.NULLIFY, self.height, each, None)
                    for each in range(1, round_)
                ]
                forged = tuple(self.forge(statement) for statement in statements)
                return Entry(None, forged)

    def forge(self, statement: Statement) -> Certificate:
        """A certificate that does not hold: the votes there are, or those of something else."""
        for certificate in self.certificates.values():
            final = VoteKind.FINALIZE
            if (certificate.statement.kind is final) == (statement.kind is final):
                return Certificate(
                    certificate.version,
                    statement,
                    certificate.bitmap,
                    certificate.signatures,
                    certificate.shares,
                )
        votes = self.votes.get(statement, {})
        indices = sorted(votes)
        bits = sum(1 << index for index in indices)
        shares = [votes[index].share for index in indices]
        return Certificate(
            1,
            statement,
            bits.to_bytes(1 if not indices else indices[-1] // 8 + 1, "little"),
            tuple(votes[index].signature for index in indices),
            tuple(share for share in shares if share is not None),
        )
