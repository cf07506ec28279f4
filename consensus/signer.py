"""What this validator signed at one height: durable before any of it leaves the node.

The node writes these bytes to a file of their own (write, fsync, rename, fsync the directory: rule
W5) when the effect `PersistSigner` says so, and gives them back in `Start`.  The block that was
proposed is part of them: after a crash the same block is proposed again, never another one in the
same round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from consensus.errors import SignerStateError
from consensus.votes import Vote, VoteKind
from runtime.block import BLOCK_BYTES_MAX
from runtime.codec import codec_of
from runtime.types import U8, U32, BlockNumber, Hash, Max

SIGNER_STATE_VERSION = 1
VOTES_MAX = 64
"""The most votes of one validator at one height."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The block this validator proposed in a round."""

    round: U32
    block_id: Hash
    block: Annotated[bytes, Max(BLOCK_BYTES_MAX)]


@dataclass(frozen=True, slots=True)
class SignerState:
    """The proposal and the votes of one height."""

    version: U8
    height: BlockNumber
    proposal: Proposal | None
    votes: Annotated[tuple[Vote, ...], Max(VOTES_MAX)]

    @classmethod
    def at(cls, height: int) -> SignerState:
        """Return the state of a height at which nothing is signed."""
        return cls(SIGNER_STATE_VERSION, height, None, ())

    @classmethod
    def decode(cls, data: bytes) -> SignerState:
        """Return the state of these bytes; raises `DecodeError` or `SignerStateError`."""
        state = codec_of(SignerState).decode(data)
        if state.version != SIGNER_STATE_VERSION:
            raise SignerStateError(
                f"The signer file has version {state.version}, and this node writes version "
                f"{SIGNER_STATE_VERSION}.",
                remedy="Start the version of the node that wrote it.",
            )
        return state

    def encode(self) -> bytes:
        """The canonical bytes of the signer's file."""
        return codec_of(SignerState).encode(self)

    def find(self, kind: VoteKind, round_: int) -> Vote | None:
        """Return this validator's vote of a kind in a round."""
        for vote in self.votes:
            if vote.statement.kind is kind and vote.statement.round == round_:
                return vote
        return None

    def with_vote(self, vote: Vote) -> SignerState:
        """Return the state with one vote more; raises `SignerStateError` where R7 forbids it."""
        statement = vote.statement
        notarize, nullify, finalize = (self.find(kind, statement.round) for kind in VoteKind)
        forbidden = {
            VoteKind.NOTARIZE: notarize or nullify or finalize,
            VoteKind.NULLIFY: nullify or finalize,
            VoteKind.FINALIZE: nullify or finalize or _other_block(notarize, vote),
        }[statement.kind]
        if forbidden or statement.height != self.height:
            raise SignerStateError(
                f"A vote {statement.kind.name} at height {statement.height}, round "
                f"{statement.round} contradicts what was signed before.",
                remedy="This is a bug, or two nodes use one key: stop one and report it.",
            )
        return replace(self, votes=(*self.votes, vote))


def _other_block(notarize: Vote | None, vote: Vote) -> Vote | None:
    if notarize is None or notarize.statement.block_id == vote.statement.block_id:
        return None
    return notarize
