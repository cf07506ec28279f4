"""What a node knows of one height: verified votes, certificates, proposals and blocks.

Facts only accumulate; which statement follows from them is for the rules in `rules.py`.  Memory is
bounded: of every validator at most one vote of each kind in each round is kept, in rounds that are
certified or near, and `BLOCKS_MAX` blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consensus.errors import InvalidCertificate
from consensus.evidence import CertificatePair, Evidence, VotePair
from consensus.messages import ROUNDS_MAX, Entry, Proposal
from consensus.scheme import Scheme
from consensus.votes import Certificate, Statement, Vote, VoteKind, conflict

BLOCKS_MAX = 8
"""Blocks kept of one height; with 4 MiB each, 32 MiB."""

Identify = Callable[[bytes], bytes | None]
"""The id of an encoded block that holds what its header commits to; `None` for anything else."""


@dataclass(slots=True)
class KnownBlock:
    """A block that has arrived."""

    block: bytes
    valid: bool | None = None
    """Whether it leads to what its header claims; `None` until it was executed."""
    logged: bool = False
    """Whether it is in the log."""


class Facts:
    """The facts of one height under one validator set."""

    def __init__(self, height: int, scheme: Scheme, identify: Identify) -> None:
        """Know nothing yet."""
        self.height = height
        self.scheme = scheme
        self.notarized: dict[int, Certificate] = {}
        self.nullified: dict[int, Certificate] = {}
        self.finalized: Certificate | None = None
        self.proposals: dict[int, Vote] = {}
        """The first justified proposal of each round."""
        self.blocks: dict[bytes, KnownBlock] = {}
        self.evidence: list[Evidence] = []
        """Found since it was last taken."""
        self.new: list[Certificate] = []
        """Certificates accepted since they were last taken."""
        self.changes = 0
        """Counts what rules may follow from: everything but votes that certify nothing."""
        self.certified_max = 0
        """The last round with a certificate that ends it."""
        self._identify = identify
        self._votes: dict[tuple[int, int], list[Vote]] = {}
        """By voter's index and round, one of each kind."""
        self._tallies: dict[tuple[VoteKind, int, bytes | None], dict[int, Vote]] = {}
        self._weights: dict[tuple[VoteKind, int, bytes | None], int] = {}
        self._convicted: dict[tuple[int, int], None] = {}
        """Who was caught in which round: nothing more of it is looked at."""
        self._shown: dict[tuple[Statement, Statement], None] = {}
        """Pairs of certificates that are evidence already."""

    # Votes

    def add_vote(self, vote: Vote) -> None:
        """Take a vote of this height; raises `InvalidVote`."""
        index = self.scheme.index_of(vote.validator)
        if index is not None and self._is_settled(index, vote.statement):
            return
        index = self.scheme.verify_vote(vote)
        if self._register(index, vote):
            self._count(index, vote)

    def _is_settled(self, index: int, statement: Statement) -> bool:
        """Whether a vote is known already, or its voter was caught in this round."""
        place = (index, statement.round)
        if place in self._convicted:
            return True
        return any(known.statement == statement for known in self._votes.get(place, ()))

    def _register(self, index: int, vote: Vote) -> bool:
        """Keep a verified vote; `False`, with evidence, if it conflicts with one before."""
        statement = vote.statement
        place = (index, statement.round)
        known = self._votes.setdefault(place, [])
        for earlier in known:
            if conflict(earlier.statement, statement):
                self._convicted[place] = None
                self._accuse(votes=VotePair(earlier, vote))
                return False
        known.append(vote)
        return True

    def _count(self, index: int, vote: Vote) -> None:
        statement = vote.statement
        key = (statement.kind, statement.round, statement.block_id)
        tally = self._tallies.setdefault(key, {})
        tally[index] = vote
        weight = self._weights.get(key, 0) + self.scheme.weights[index]
        self._weights[key] = weight
        if weight >= self.scheme.quorum and not self._knows(statement):
            certificate = self.scheme.certify(statement, tally)
            if certificate is not None:
                self._accept(certificate)

    # Certificates

    def add_certificate(self, certificate: Certificate) -> None:
        """Take a certificate of this height; raises `InvalidCertificate`."""
        statement = certificate.statement
        if self._knows(statement):
            return
        self.scheme.verify_certificate(certificate)
        if statement.height != self.height or statement.round > ROUNDS_MAX:
            message = f"A certificate of height {statement.height}, round {statement.round}."
            raise InvalidCertificate(message, remedy="Drop it; it has no place here.")
        self._accept(certificate)

    def _knows(self, statement: Statement) -> bool:
        """Whether there is a certificate of exactly this statement."""
        known = self._certificate(statement)
        return known is not None and known.statement == statement

    def _certificate(self, statement: Statement) -> Certificate | None:
        """The certificate that fills the place of a statement's."""
        match statement.kind:
            case VoteKind.NOTARIZE:
                return self.notarized.get(statement.round)
            case VoteKind.NULLIFY:
                return self.nullified.get(statement.round)
            case _:
                return self.finalized

    def _accept(self, certificate: Certificate) -> None:
        """Keep a verified certificate, if its place is free; two that conflict are evidence."""
        statement = certificate.statement
        if statement.kind is VoteKind.FINALIZE and not self._shares_hold(certificate):
            return
        for other in self._rivals(statement):
            pair = (other.statement, statement)
            if conflict(*pair) and pair not in self._shown:
                self._shown[pair] = None
                self._accuse(certificates=CertificatePair(other, certificate))
        if self._certificate(statement) is not None:
            return
        match statement.kind:
            case VoteKind.NOTARIZE:
                self.notarized[statement.round] = certificate
            case VoteKind.NULLIFY:
                self.nullified[statement.round] = certificate
            case _:
                self.finalized = certificate
        if statement.kind is not VoteKind.FINALIZE:
            self.certified_max = max(self.certified_max, statement.round)
        self.new.append(certificate)
        self.changes += 1

    def _rivals(self, statement: Statement) -> Iterator[Certificate]:
        """Every certificate of the statement's round."""
        for place in (self.notarized, self.nullified):
            if statement.round in place:
                yield place[statement.round]
        if self.finalized is not None:
            yield self.finalized

    def _shares_hold(self, certificate: Certificate) -> bool:
        """Whether a commit can be made of a certificate; if not, its good votes are counted.

        A vote whose share is wrong is not a vote: otherwise a block could be decided of which
        light clients never learn.
        """
        bad = self.scheme.bad_shares(certificate)
        if not bad:
            return True
        statement = certificate.statement
        key = (statement.kind, statement.round, statement.block_id)
        tally = self._tallies.setdefault(key, {})
        for vote in bad:
            index = self.scheme.verify_vote(vote)
            if not self._is_convicted(index, statement.round):
                self._convicted[index, statement.round] = None
                self._accuse(bad_share=vote)
            if tally.pop(index, None) is not None:
                self._weights[key] -= self.scheme.weights[index]
        guilty = frozenset(vote.validator for vote in bad)
        for vote in self.scheme.all_votes_of(certificate):
            if vote.validator not in guilty:
                self.add_vote(vote)
        return False

    # Proposals and blocks

    def add_proposal(self, proposal: Proposal, leader: int) -> bool:
        """Take a proposal of the leader with this index; whether it is the round's, and justified.

        Raises `InvalidVote` or `InvalidCertificate`.
        """
        vote = proposal.vote
        round_ = vote.statement.round
        first = self.proposals.get(round_)
        if first is None or first.statement != vote.statement:
            if self._is_convicted(leader, round_):
                return False
            index = self.scheme.verify_vote(vote)
            if index != leader or vote.statement.kind is not VoteKind.PROPOSE:
                return False
            known = self._votes.get((index, round_), ())
            if not any(each.statement == vote.statement for each in known) and not self._register(
                index, vote
            ):
                return False
            if not self._is_justified(vote.statement, proposal.entry):
                return False
            self.proposals[round_] = vote
            self.changes += 1
        if proposal.block is not None:
            self.take_block(proposal.block, vote.statement.block_id)
        return True

    def restore_proposal(self, vote: Vote) -> None:
        """Take the own proposal out of the log: it was justified when it was signed."""
        index = self.scheme.verify_vote(vote)
        if self._register(index, vote):
            self.proposals[vote.statement.round] = vote

    def _is_convicted(self, index: int, round_: int) -> bool:
        return (index, round_) in self._convicted

    def _is_justified(self, statement: Statement, entry: Entry) -> bool:
        """Whether an entry allows this block in this round (R2); its certificates are taken."""
        notarized = entry.notarized
        rp = 0
        if notarized is not None:
            rp = notarized.statement.round
            claimed = (notarized.statement.kind, notarized.statement.block_id)
            if claimed != (VoteKind.NOTARIZE, statement.block_id):
                return False
        rounds = [
            each.statement.round if each.statement.kind is VoteKind.NULLIFY else 0
            for each in entry.nullified
        ]
        if rounds != list(range(rp + 1, statement.round)):
            return False
        self.add_entry(entry)
        return True

    def add_entry(self, entry: Entry) -> None:
        """Take the certificates of an entry; raises `InvalidCertificate`."""
        if entry.notarized is not None:
            self.add_certificate(entry.notarized)
        for certificate in entry.nullified:
            self.add_certificate(certificate)

    def entry(self, round_: int) -> Entry | None:
        """Why a round may start (R1), from the own certificates; `None` if some are missing."""
        nullified: list[Certificate] = []
        for earlier in range(round_ - 1, 0, -1):
            notarized = self.notarized.get(earlier)
            if notarized is not None:
                return Entry(notarized, tuple(reversed(nullified)))
            certificate = self.nullified.get(earlier)
            if certificate is None:
                return None
            nullified.append(certificate)
        return Entry(None, tuple(reversed(nullified)))

    def take_block(self, block: bytes, block_id: bytes | None) -> None:
        """Keep a block that has arrived, if it is the one of this id and new."""
        if block_id is None or block_id in self.blocks:
            return
        if self._identify(block) == block_id:
            self.add_block(block, block_id)

    def add_block(self, block: bytes, block_id: bytes) -> None:
        """Keep a block of this id, unless there are too many."""
        if block_id in self.blocks or (len(self.blocks) >= BLOCKS_MAX and not self._make_room()):
            return
        self.blocks[block_id] = KnownBlock(block)
        self.changes += 1

    def _make_room(self) -> bool:
        """Forget a block that no certificate names."""
        certified = {each.statement.block_id for each in self.notarized.values()}
        if self.finalized is not None:
            certified.add(self.finalized.statement.block_id)
        for block_id in self.blocks:
            if block_id not in certified:
                del self.blocks[block_id]
                return True
        return False

    # What was found

    def justification(self) -> tuple[Certificate, ...]:
        """Every certificate of the height but the deciding one, in order of rounds."""
        return (*self.notarized.values(), *self.nullified.values())

    def _accuse(
        self,
        votes: VotePair | None = None,
        bad_share: Vote | None = None,
        certificates: CertificatePair | None = None,
    ) -> None:
        found = Evidence(self.scheme.validators_hash, votes, bad_share, certificates)
        self.evidence.append(found)
        self.changes += 1
