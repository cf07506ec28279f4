"""Consensus of a set of one validator: propose, notarize, finalize by the rules of README.md.

One validator is its own quorum and always the leader, and a block it built itself is valid.  So
every height ends in round 1: there is nothing to nullify, and nobody to wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.engine import (
    BlockBuilt,
    BroadcastVote,
    BuildBlock,
    Effect,
    Event,
    FinalizeBlock,
    PersistSigner,
    Start,
    VoteReceived,
)
from consensus.errors import InvalidVote, SignerStateError
from consensus.signer import Proposal, SignerState
from consensus.votes import Statement, Vote, VoteKind, certificate_of, sign_vote, verify_vote
from runtime.errors import InvariantViolation
from runtime.wire.validators import InvalidValidatorSet, ValidatorSet

ROUND = 1
"""The one round of every height."""


class SoloEngine:
    """The engine of the only validator of a chain; `sign` is its ed25519 key."""

    def __init__(
        self,
        genesis_hash: bytes,
        validators: ValidatorSet,
        account: bytes,
        sign: Callable[[bytes], bytes],
    ) -> None:
        """Raises `InvalidValidatorSet` unless `account` is the one validator of the set."""
        if [validator.account for validator in validators.validators] != [account]:
            raise InvalidValidatorSet(
                f"{account.hex()} is not the one validator of this chain.",
                remedy="Start the node with the --key of the validator in the chain spec.",
            )
        self._genesis_hash = genesis_hash
        self._validators = validators
        self._account = account
        self._sign = sign
        self._signer = SignerState.at(0)

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
        match event:
            case Start():
                return self._start(event)
            case BlockBuilt():
                return self._propose(event)
            case VoteReceived():
                return self._receive(event.vote)

    def _start(self, start: Start) -> tuple[Effect, ...]:
        """Go on at the height after the head, with what was signed there before (R4, W3)."""
        height = start.head_height + 1
        signed = _load_signer(start)
        if signed is None or signed.height < height:
            return self._enter(height, start.head_id)
        self._signer = signed
        return tuple(BroadcastVote(vote) for vote in signed.votes)

    def _enter(self, height: int, parent_id: bytes) -> tuple[Effect, ...]:
        """R1: enter the only round of a height, as its leader."""
        self._signer = SignerState.at(height)
        return (BuildBlock(height, ROUND, parent_id),)

    def _propose(self, built: BlockBuilt) -> tuple[Effect, ...]:
        """R2: sign N for the own, valid, first proposal."""
        if (built.height, built.round) != (self._signer.height, ROUND) or self._signer.proposal:
            raise InvariantViolation(
                f"A block of height {built.height}, round {built.round} was built unasked.",
                remedy="This is a bug: report it.",
            )
        proposal = Proposal(built.round, built.block_id, built.block)
        self._signer = replace(self._signer, proposal=proposal)
        return self._vote(VoteKind.NOTARIZE, built.block_id)

    def _receive(self, vote: Vote) -> tuple[Effect, ...]:
        """Count a vote: R3 on an N-certificate, R6 on an F-certificate."""
        statement = vote.statement
        proposal = self._signer.proposal
        if statement.height < self._signer.height:
            return ()
        index = verify_vote(vote, self._validators, self._genesis_hash)
        if proposal is None or self._signer.find(statement.kind, statement.round) != vote:
            raise InvalidVote(
                f"Our key signed a vote at height {statement.height} that this node did not.",
                remedy="Another node runs with the same key: stop it at once.",
            )
        certificate = certificate_of(statement, {index: vote.signature}, self._validators)
        if certificate is None:
            return ()
        if statement.kind is VoteKind.FINALIZE:
            final = FinalizeBlock(statement.height, proposal.block_id, proposal.block, certificate)
            return (final, *self._enter(statement.height + 1, proposal.block_id))
        if self._signer.find(VoteKind.FINALIZE, ROUND) is not None:
            return ()
        return self._vote(VoteKind.FINALIZE, proposal.block_id)

    def _vote(self, kind: VoteKind, block_id: bytes) -> tuple[Effect, ...]:
        """Sign, persist, then send (W1)."""
        statement = Statement(kind, self._signer.height, ROUND, block_id)
        validators_hash = self._validators.hash()
        vote = sign_vote(statement, validators_hash, self._genesis_hash, self._account, self._sign)
        self._signer = self._signer.with_vote(vote)
        return PersistSigner(self._signer.encode()), BroadcastVote(vote)


def _load_signer(start: Start) -> SignerState | None:
    """What was signed last, if it fits the chain (W6); `None` if the chain has just begun."""
    if start.signer_state is None:
        if start.head_height == 0:
            return None
        raise SignerStateError(
            "The signer file is missing: this node cannot know what its key has signed.",
            remedy="Restore the file beside the state, or begin a new chain in an empty directory.",
        )
    signed = SignerState.decode(start.signer_state)
    if not start.head_height <= signed.height <= start.head_height + 1:
        raise SignerStateError(
            f"The signer file is of height {signed.height}, and the chain's head of "
            f"{start.head_height}: one of them was rolled back.",
            remedy="Restore state and signer file together, from the same moment.",
        )
    final = signed.find(VoteKind.FINALIZE, ROUND)
    at_head = signed.height == start.head_height
    if at_head and final is not None and final.statement.block_id != start.head_id:
        raise SignerStateError(
            f"The signer file finalised another block {signed.height} than the chain has.",
            remedy="Restore state and signer file together, from the same moment.",
        )
    return signed
