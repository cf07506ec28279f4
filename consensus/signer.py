"""What a key has signed, and what it may sign next: the rules of a validator's signer (W5, W6).

The signer's file is independent of the log and of the state: whatever happens to these, no second
statement is signed where there was one.  Statements are signed in the order of (height, round,
step); within a round a proposal comes before N, and N before X or F (R7).  The last few votes are
kept with their signatures, so that a vote which was signed and did not reach the log before a crash
is not lost.  A checksum ends the file: a changed bit in a height would else be an earlier place,
and what was signed since could be signed otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from consensus.errors import SignerStateError
from consensus.votes import Statement, Vote, VoteKind, conflict
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hasher
from runtime.types import U8, Max

SIGNER_STATE_VERSION = 3
CHECKSUM_BYTES = 8
VOTES_MAX = 8
"""The votes a signer remembers: more than are signed between two flushes of the log."""
STEPS = {VoteKind.PROPOSE: 0, VoteKind.NOTARIZE: 1, VoteKind.NULLIFY: 2, VoteKind.FINALIZE: 2}
"""The place of each kind in the one order of a round (R7)."""

_checksum = hasher(b"signer state")


@dataclass(frozen=True, slots=True)
class SignerState:
    """The last votes of a key, in the order in which they were signed."""

    version: U8
    votes: Annotated[tuple[Vote, ...], Max(VOTES_MAX)]

    @classmethod
    def new(cls) -> SignerState:
        """The state of a key that has signed nothing."""
        return cls(SIGNER_STATE_VERSION, ())

    @classmethod
    def decode(cls, data: bytes) -> SignerState:
        """Return the state of a file's bytes; raises `DecodeError` or `SignerStateError`."""
        body, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
        if _checksum(body)[:CHECKSUM_BYTES] != checksum:
            remedy = "Move it away: the validator observes until it is safe to sign again."
            raise DecodeError("The signer file is damaged.", remedy=remedy)
        state = codec_of(SignerState).decode(body)
        if state.version != SIGNER_STATE_VERSION:
            raise SignerStateError(
                f"The signer file has version {state.version}, and this node writes version "
                f"{SIGNER_STATE_VERSION}.",
                remedy="Start the version of the node that wrote it.",
            )
        return state

    def encode(self) -> bytes:
        """The canonical bytes of the signer's file."""
        body = codec_of(SignerState).encode(self)
        return body + _checksum(body)[:CHECKSUM_BYTES]

    def at_height(self, height: int) -> tuple[Vote, ...]:
        """The remembered votes of a height."""
        return tuple(vote for vote in self.votes if vote.statement.height == height)

    def find(self, statement: Statement) -> Vote | None:
        """The vote for exactly this statement, if it is remembered."""
        for vote in self.votes:
            if vote.statement == statement:
                return vote
        return None

    def check(self, statement: Statement) -> None:
        """Raise `SignerStateError` unless a statement that is not remembered may be signed."""
        last = self.votes[-1].statement if self.votes else None
        if last is not None and place(statement) <= place(last):
            raise _refusal(statement, last)
        for vote in self.votes:
            if conflict(vote.statement, statement):
                raise _refusal(statement, vote.statement)

    def with_vote(self, vote: Vote) -> SignerState:
        """Return the state with one vote more; raises `SignerStateError` as `check` does."""
        self.check(vote.statement)
        return SignerState(SIGNER_STATE_VERSION, (*self.votes, vote)[-VOTES_MAX:])


def place(statement: Statement) -> tuple[int, int, int]:
    """The place of a statement in the one order in which a key signs."""
    return statement.height, statement.round, STEPS[statement.kind]


def _refusal(statement: Statement, earlier: Statement) -> SignerStateError:
    return SignerStateError(
        f"{statement.kind.name} at height {statement.height}, round {statement.round} is not "
        f"signed after {earlier.kind.name} at height {earlier.height}, round {earlier.round}.",
        remedy="Nothing is wrong after a crash; otherwise two nodes use one key: stop one.",
    )
