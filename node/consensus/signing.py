"""Who signs for a validator, and when it must only observe (W6)."""

from __future__ import annotations

from typing import Protocol

import structlog

from consensus.log import Record
from consensus.signer import place
from consensus.votes import Statement, Vote
from runtime.wire.validators import ValidatorSet

OBSERVED_HEIGHTS = 2
"""A key that may have signed at the network's head signs again this many heights later (W6)."""
_log = structlog.get_logger("signer")


class BlockKeys(Protocol):
    """What a block's proposer needs keys for; what it says cannot be taken for a vote."""

    @property
    def account(self) -> bytes:
        """The validator's."""

    def sign_beacon(self, genesis_hash: bytes, height: int, parent: bytes) -> bytes:
        """Return the proof of the beacon of a height after the `parent` beacon, 96 bytes."""


class Signer(Protocol):
    """Signs what neither it nor, as far as it knows, anybody with its keys contradicted."""

    @property
    def account(self) -> bytes:
        """The validator's."""

    @property
    def vote_key(self) -> bytes:
        """The public key of its votes."""

    def remembered(self) -> tuple[Vote, ...]:
        """The last votes, in the order in which they were signed."""

    def sign(
        self, statement: Statement, genesis_hash: bytes, validators_hash: bytes
    ) -> Vote | None:
        """Return the vote for a statement, durably noted; `None` if it must not be signed."""


class CautiousSigner:
    """A signer that observes for a while where what was signed is not known (W6)."""

    def __init__(self, signer: Signer, genesis_hash: bytes) -> None:
        """Sign on the chain of this genesis hash."""
        self._signer = signer
        self._genesis_hash = genesis_hash
        self._observes_to: int | None = None
        self._is_observing = False

    def has_seat(self, validators: ValidatorSet) -> bool:
        """Whether these keys are the ones that a set has for the validator.

        New keys count from an election on, and until then nothing is signed with them.
        """
        index = validators.index_of(self._signer.account)
        return index is not None and validators.validators[index].vote_key == self._signer.vote_key

    def signed_at(self, height: int) -> tuple[Vote, ...]:
        """The remembered votes of a height."""
        votes = self._signer.remembered()
        return tuple(vote for vote in votes if vote.statement.height == height)

    def knows(self, records: tuple[Record, ...]) -> bool:
        """Whether no own vote of the log is later than what is remembered: that is old then."""
        votes = self._signer.remembered()
        own = [
            place(record.statement)
            for record in records
            if isinstance(record, Vote) and record.validator == self._signer.account
        ]
        return not own or (bool(votes) and max(own) <= place(votes[-1].statement))

    def observe(self) -> None:
        """Sign nothing until the network is past whatever these keys may have signed."""
        self._is_observing = True

    def synchronised_at(self, height: int) -> None:
        """Note that the network's head is at `height`: a little later it is safe to sign."""
        if self._is_observing and self._observes_to is None:
            self._observes_to = height + OBSERVED_HEIGHTS
            _log.warning("observing", until_height=self._observes_to)

    def sign(self, statement: Statement, validators_hash: bytes) -> Vote | None:
        """Return the vote for a statement; `None` if it must not be signed."""
        if self._is_observing:
            if self._observes_to is None or statement.height <= self._observes_to:
                return None
            self._is_observing = False
            _log.warning("signing again", height=statement.height)
        return self._signer.sign(statement, self._genesis_hash, validators_hash)
