"""The rules of one height (R0 to R7, W1 to W3, W7), applied to its facts.

After every event all rules that its facts enable are applied, until none is left, or until a
statement must be signed: then the answer of the signer comes first.  So there is at most one
signature on its way, and everything it rests on is in the log before it (W2).
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.engine import (
    Append,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Effect,
    Finalize,
    Flush,
    HeightBegan,
    ReportEvidence,
    Send,
    Sign,
    StartTimer,
)
from consensus.facts import Facts, Identify
from consensus.leader import leader_index
from consensus.log import KeptBlock, Record
from consensus.messages import (
    ROUNDS_MAX,
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Message,
    Proposal,
    Status,
)
from consensus.scheme import Scheme
from consensus.votes import Certificate, Statement, Vote, VoteKind
from runtime.errors import InvariantViolation

ROUNDS_AHEAD_MAX = 16
"""Votes further ahead of the own round are dropped: the certificates that lead there are sent."""
STEADY_ROUNDS = 64
"""So many rounds have time-outs of at most `TimeOuts.most_ms`, and end at once when invalid."""
DOUBLING_ROUNDS = 16
"""Every so many rounds after these the time-outs double: no height gets to its last round."""
RESENT_VOTES_MAX = 256
"""The most own votes that are sent again at once, the latest."""


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """How long a round may take, in milliseconds: `base + round * step`, at most `most` (R1).

    After the steady rounds this doubles and doubles, and a round still takes no longer than a
    sixteenth of what the height has taken before it.
    """

    base_ms: int
    step_ms: int
    most_ms: int
    retry_ms: int
    """Between two times that everything is sent again (R4)."""

    def of(self, round_: int) -> int:
        """The time of a round."""
        steady_ms = min(self.base_ms + round_ * self.step_ms, self.most_ms)
        return steady_ms << max(0, round_ - STEADY_ROUNDS) // DOUBLING_ROUNDS

    @property
    def patience_ms(self) -> int:
        """How long a block that is notarized may take to be decided before it is proposed again."""
        return self.base_ms // 2


class Rules:
    """One node at one height; what is to be done is appended to `effects`."""

    def __init__(
        self,
        began: HeightBegan,
        account: bytes | None,
        scheme: Scheme,
        identify: Identify,
        timeouts: TimeOuts,
    ) -> None:
        """Enter round 1, or go on after a crash with what the log and the signer remember."""
        self.height = began.height
        self.round = 0
        self.decided = False
        self.effects: list[Effect] = []
        self._parent_id = began.parent_id
        self._seed = began.seed
        self._scheme = scheme
        self._index = None if account is None else scheme.index_of(account)
        self._identify = identify
        self._timeouts = timeouts
        self._facts = Facts(began.height, scheme, identify)
        self._timed_out = False
        self._is_patient = False
        """Whether a block is notarized that will soon be decided, if nothing is wrong."""
        self._own: dict[tuple[VoteKind, int], Vote] = {}
        self._refused: dict[tuple[VoteKind, int], None] = {}
        self._pending: Statement | None = None
        """What the signer is asked for."""
        self._entry: Entry | None = None
        """Of the own proposal that is being signed, then of the last one."""
        self._built: bytes | None = None
        """The id of the own new block."""
        self._building = False
        self._checking: dict[bytes, None] = {}
        self._requested: dict[bytes, None] = {}
        self._unflushed = False
        self._leads = False
        """Whether this validator leads the current round."""
        self._settled_changes = -1
        """The facts' changes to which all rules were applied; -1 after an event of the node."""
        self._recover(began)
        # Forward only, also after a crash: never back into a round before the last signature.
        self._enter(max((round_ for _, round_ in self._own), default=1))
        if self._own:
            self._resend()

    def _recover(self, began: HeightBegan) -> None:
        """W3: take what the log and the signer remember; nothing in it is sent or logged twice."""
        for record in began.records:
            match record:
                case Vote():
                    self._remember(record)
                case Certificate():
                    self._facts.add_certificate(record)
                case KeptBlock():
                    self._facts.add_block(record.block, record.block_id)
                    if record.block_id in self._facts.blocks:
                        self._facts.blocks[record.block_id].logged = True
        # Not all of them: the own vote alone may be a quorum, whose certificate no log has yet.
        logged = [record for record in began.records if isinstance(record, Certificate)]
        self._facts.new[:] = [each for each in self._facts.new if each not in logged]
        for vote in began.signed:
            if (vote.statement.kind, vote.statement.round) not in self._own:
                self._remember(vote)
                self._append(vote)

    def _remember(self, vote: Vote) -> None:
        self._own[vote.statement.kind, vote.statement.round] = vote
        if vote.statement.kind is VoteKind.PROPOSE:
            self._facts.restore_proposal(vote)
        else:
            self._facts.add_vote(vote)

    # Events

    def take(self, peer: bytes, message: Message) -> None:
        """Take a message of this height; raises `InvalidVote`, `InvalidCertificate`."""
        facts = self._facts
        match message:
            case Vote():
                self._take_vote(message)
            case Certificate():
                facts.add_certificate(message)
            case Proposal():
                self._take_proposal(message)
            case Status(entry=Entry() as entry):
                facts.add_entry(entry)
            case Decided():
                # The certificate first: anybody can make blocks, and too many push out others.
                facts.add_certificate(message.certificate)
                facts.take_block(message.block, message.certificate.statement.block_id)
            case BlockRequest():
                known = facts.blocks.get(message.block_id)
                if known is not None:
                    self.effects.append(Send(peer, BlockReply(self.height, known.block)))
            case BlockReply():
                block_id = self._identify(message.block)
                if block_id is not None and block_id in self._requested:
                    facts.add_block(message.block, block_id)

    def _take_vote(self, vote: Vote) -> None:
        near = vote.statement.round <= self.round + ROUNDS_AHEAD_MAX
        if near and vote.statement.kind is not VoteKind.PROPOSE:
            self._facts.add_vote(vote)

    def _take_proposal(self, proposal: Proposal) -> None:
        """R2: the first valid proposal of a round's leader; one of a later round leads there."""
        round_ = proposal.vote.statement.round
        if max(self.round, 1) <= round_ <= ROUNDS_MAX:
            self._facts.add_proposal(proposal, self._leader(round_))
        elif proposal.block is not None and self._is_certified(proposal.vote.statement):
            self._facts.take_block(proposal.block, proposal.vote.statement.block_id)

    def _is_certified(self, proposed: Statement) -> bool:
        """Whether a block comes after the votes for it: its round, or the height, is certified."""
        certificates = (self._facts.notarized.get(proposed.round), self._facts.finalized)
        return any(
            each is not None and each.statement.block_id == proposed.block_id
            for each in certificates
        )

    def keep_built(self, block_id: bytes, block: bytes) -> None:
        """The own block is there: it is valid."""
        self._settled_changes = -1
        self._building = False
        self._facts.add_block(block, block_id)
        if block_id in self._facts.blocks:
            self._built = block_id
            self._facts.blocks[block_id].valid = True

    def keep_checked(self, block_id: bytes, valid: bool) -> None:
        """A block was executed."""
        self._settled_changes = -1
        self._checking.pop(block_id, None)
        if block_id in self._facts.blocks:
            self._facts.blocks[block_id].valid = valid

    def refused(self, statement: Statement) -> None:
        """The signer does not sign: go on without."""
        self._settled_changes = -1
        self._refused[statement.kind, statement.round] = None
        self._pending = None

    def signed(self, vote: Vote) -> None:
        """W1: what is signed is on disk before it leaves; then it counts here, too."""
        if vote.statement != self._pending:
            raise InvariantViolation(
                f"A vote {vote.statement.kind.name} of height {vote.statement.height} was not "
                "asked for.",
                remedy="This is a bug: report it.",
            )
        self._settled_changes = -1
        self._pending = None
        self._own[vote.statement.kind, vote.statement.round] = vote
        self._append(vote)
        self._flush()
        if vote.statement.kind is not VoteKind.PROPOSE:
            self.effects.append(Broadcast(vote))
            self._facts.add_vote(vote)
        elif self._entry is not None and vote.statement.block_id is not None:
            known = self._facts.blocks.get(vote.statement.block_id)
            proposal = Proposal(vote, self._entry, None if known is None else known.block)
            self.effects.append(Broadcast(proposal))
            self._facts.add_proposal(proposal, self._leader(vote.statement.round))

    def fired(self, round_: int) -> None:
        """R4: give the round up, and from then on send everything again and again."""
        if round_ != self.round:
            return
        self._settled_changes = -1
        if self._is_patient:
            self._is_patient = False
            self.effects.append(StartTimer(self.height, round_, self._timeouts.of(round_)))
            return
        self._timed_out = True
        self._requested.clear()
        self._resend()
        self.effects.append(StartTimer(self.height, round_, self._timeouts.retry_ms))

    def _resend(self) -> None:
        votes = [vote for (kind, _), vote in self._own.items() if kind is not VoteKind.PROPOSE]
        self.effects += [Broadcast(vote) for vote in votes[-RESENT_VOTES_MAX:]]
        entry = self._facts.entry(self.round)
        proposed = self._own.get((VoteKind.PROPOSE, self.round))
        if proposed is not None and entry is not None:
            self.effects.append(Broadcast(Proposal(proposed, entry, None)))
        self.effects.append(Broadcast(Status(self.height, self.round, entry)))

    # Rules

    def settle(self) -> None:
        """Apply every rule that is enabled, until none is or a signature is awaited."""
        if self._settled_changes == self._facts.changes:
            return
        self._tell()
        while self._pending is None and not self.decided and self._apply_one():
            self._tell()
        self._settled_changes = self._facts.changes

    def _tell(self) -> None:
        """R3, R5, R6: new certificates are logged (W2) and sent on; evidence is reported."""
        for certificate in self._facts.new:
            self._append(certificate)
            self.effects.append(Broadcast(certificate))
        self._facts.new.clear()
        self.effects += [ReportEvidence(evidence) for evidence in self._facts.evidence]
        self._facts.evidence.clear()

    def _apply_one(self) -> bool:
        """Apply one enabled rule; `False` if none is."""
        if self._facts.finalized is not None:
            return self._decide(self._facts.finalized)
        return self._advance() or self._give_up() or self._propose() or self._notarize()

    def _decide(self, certificate: Certificate) -> bool:
        """R6: an F-certificate of any round decides the height, once the block is here."""
        block_id = certificate.statement.block_id
        if block_id is None or not self._has_block(block_id):
            return False
        block = self._facts.blocks[block_id].block
        self.effects.append(
            Finalize(self.height, block_id, block, certificate, self._facts.justification())
        )
        self.decided = True
        return False

    def _advance(self) -> bool:
        """R3 and R5: a certificate of this round, or a later one, ends the round."""
        for round_ in range(self.round, self._facts.certified_max + 1):
            notarized = self._facts.notarized.get(round_)
            if notarized is not None and self._may_finalize(notarized.statement):
                return self._sign(VoteKind.FINALIZE, round_, notarized.statement.block_id)
            if notarized is not None or round_ in self._facts.nullified:
                return self._enter(round_ + 1)
        return False

    def _may_finalize(self, notarized: Statement) -> bool:
        """R3, R7: not after the own X, and not against the own N."""
        round_ = notarized.round
        own = self._own.get((VoteKind.NOTARIZE, round_))
        agreed = own is None or own.statement.block_id == notarized.block_id
        return agreed and self._may_sign(VoteKind.FINALIZE, round_)

    def _give_up(self) -> bool:
        """R4: nullify the round when its time is over, or at once if its block is invalid.

        Not at once for ever: where all find every block invalid, the rounds must last.
        """
        if not self._may_sign(VoteKind.NULLIFY, self.round):
            return False
        if not (self._timed_out or (self.round <= STEADY_ROUNDS and self._is_invalid())):
            return False
        return self._sign(VoteKind.NULLIFY, self.round, None)

    def _is_invalid(self) -> bool:
        """Whether the round's proposal was executed, and does not hold what it claims."""
        proposal = self._facts.proposals.get(self.round)
        if proposal is None or proposal.statement.block_id is None:
            return False
        known = self._facts.blocks.get(proposal.statement.block_id)
        return known is not None and known.valid is False

    def _propose(self) -> bool:
        """R1: the leader proposes the block that must be proposed again, or a new one."""
        if self._is_patient or not (self._leads and self._may_sign(VoteKind.PROPOSE, self.round)):
            return False
        entry = self._facts.entry(self.round)
        if entry is None:
            return False
        block_id = self._built if entry.notarized is None else entry.notarized.statement.block_id
        if block_id is None or (entry.notarized is None and block_id not in self._facts.blocks):
            if not self._building:
                self._building = True
                self.effects.append(BuildBlock(self.height, self._parent_id))
            return False
        self._entry = entry
        self._log_block(block_id)
        return self._sign(VoteKind.PROPOSE, self.round, block_id)

    def _notarize(self) -> bool:
        """R2: sign N once, for the round's first valid proposal."""
        proposal = self._facts.proposals.get(self.round)
        if proposal is None or not self._may_sign(VoteKind.NOTARIZE, self.round):
            return False
        block_id = proposal.statement.block_id
        if block_id is None or not self._has_block(block_id):
            return False
        known = self._facts.blocks[block_id]
        if known.valid is None and block_id not in self._checking:
            self._checking[block_id] = None
            self.effects.append(CheckBlock(self.height, block_id, known.block))
        if not known.valid:
            return False
        self._log_block(block_id)
        return self._sign(VoteKind.NOTARIZE, self.round, block_id)

    def _may_sign(self, kind: VoteKind, round_: int) -> bool:
        """R7: the one order of a round, and nothing twice; never for somebody not in the set."""
        if self._index is None or (kind, round_) in self._refused:
            return False
        own = self._own
        if (kind, round_) in own or (VoteKind.NULLIFY, round_) in own:
            return False
        return (VoteKind.FINALIZE, round_) not in own

    # What rules are made of

    def _enter(self, round_: int) -> bool:
        """R1: enter a round, forward only.

        After an N-certificate the votes to finalize are on their way: proposing its block again at
        once would cost every validator two signatures for nothing.
        """
        self.round = round_
        self._leads = self._leader(round_) == self._index
        self._timed_out = False
        self._is_patient = round_ - 1 in self._facts.notarized
        if round_ <= ROUNDS_MAX:
            patience_ms = self._timeouts.patience_ms
            after_ms = patience_ms if self._is_patient else self._timeouts.of(round_)
            self.effects.append(StartTimer(self.height, round_, after_ms))
        return True

    def _leader(self, round_: int) -> int:
        return leader_index(self._scheme.weights, self._seed, self.height, round_)

    def _has_block(self, block_id: bytes) -> bool:
        """Whether the block is here; it is asked for otherwise, once until the next time-out."""
        if block_id in self._facts.blocks:
            return True
        if block_id not in self._requested:
            self._requested[block_id] = None
            self.effects.append(Broadcast(BlockRequest(self.height, block_id)))
        return False

    def _log_block(self, block_id: bytes) -> None:
        """W7: a block is in the log before a vote for it leaves."""
        known = self._facts.blocks.get(block_id)
        if known is not None and not known.logged:
            known.logged = True
            self._append(KeptBlock(block_id, known.block))

    def _append(self, record: Record) -> None:
        self.effects.append(Append(record))
        self._unflushed = True

    def _flush(self) -> None:
        if self._unflushed:
            self.effects.append(Flush())
            self._unflushed = False

    def _sign(self, kind: VoteKind, round_: int, block_id: bytes | None) -> bool:
        """Have a statement signed, after everything it rests on is on disk (W2)."""
        self._flush()
        self._pending = Statement(kind, self.height, round_, block_id)
        self.effects.append(Sign(self._pending))
        return True
