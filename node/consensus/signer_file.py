"""The validator's signer: keys, and a file that says what they have signed (W5, W6)."""

from __future__ import annotations

from pathlib import Path

import structlog

from consensus.errors import SignerStateError
from consensus.log import Record
from consensus.signer import SignerState, place
from consensus.votes import Statement, Vote
from node.consensus.keys import ValidatorKeys
from node.files import write_atomically
from runtime.errors import StoreError

OBSERVED_HEIGHTS = 2
"""A key that may have signed at the network's head signs again this many heights later (W6)."""
_log = structlog.get_logger("signer")


class FileSigner:
    """Signs what neither it nor, as far as its file knows, anybody with its keys contradicted."""

    def __init__(
        self, keys: ValidatorKeys, path: Path, temporary_directory: Path, state: SignerState
    ) -> None:
        """Go on from `state`, which is what `path` holds."""
        self.keys = keys
        self._path = path
        self._temporary_directory = temporary_directory
        self._state = state
        self._observes_to: int | None = None
        self._is_observing = False

    @property
    def is_observing(self) -> bool:
        """Whether nothing is signed, because what was signed is not known."""
        return self._is_observing

    def signed_at(self, height: int) -> tuple[Vote, ...]:
        """The remembered votes of a height."""
        return self._state.at_height(height)

    def knows(self, records: tuple[Record, ...]) -> bool:
        """Whether no own vote of the log is later than the file: otherwise the file is old."""
        last = self._state.votes[-1].statement if self._state.votes else None
        own = [
            record.statement
            for record in records
            if isinstance(record, Vote) and record.validator == self.keys.account
        ]
        return not own or (
            last is not None and max(place(statement) for statement in own) <= place(last)
        )

    def observe(self) -> None:
        """W6: sign nothing until the network is past whatever these keys may have signed."""
        self._is_observing = True

    def synchronised_at(self, height: int) -> None:
        """Note that the network's head is at `height`: a little later it is safe to sign."""
        if self._is_observing and self._observes_to is None:
            self._observes_to = height + OBSERVED_HEIGHTS
            _log.warning("observing", until_height=self._observes_to)

    def sign(self, statement: Statement, payload: bytes) -> Vote | None:
        """Return the vote for a statement, durably noted; `None` if it must not be signed.

        `payload` is the statement's, on the chain and under the set it is meant for.

        Raises `StoreError` if the file cannot be written.
        """
        remembered = self._state.find(statement)
        if remembered is not None:
            return remembered
        if not self._may_sign_at(statement.height):
            return None
        try:
            self._state.check(statement)
        except SignerStateError as error:
            _log.warning("not signed", reason=error.message)
            return None
        vote = self.keys.sign_vote(statement, payload)
        state = self._state.with_vote(vote)
        self._write(state)
        self._state = state
        return vote

    def _may_sign_at(self, height: int) -> bool:
        if self._is_observing and self._observes_to is not None and height > self._observes_to:
            self._is_observing = False
            _log.warning("signing again", height=height)
        return not self._is_observing

    def _write(self, state: SignerState) -> None:
        try:
            write_atomically(self._path, state.encode(), self._temporary_directory)
        except OSError as error:
            message = f"The signer file cannot be written: {error.strerror}."
            remedy = "Make room on the disk of the data directory, and start the node again."
            raise StoreError(message, remedy=remedy) from error
