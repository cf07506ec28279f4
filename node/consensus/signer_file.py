"""The validator's signer: keys, and a file that says what they have signed (W5)."""

from __future__ import annotations

from pathlib import Path

import structlog

from consensus.errors import SignerStateError
from consensus.signer import SignerState
from consensus.votes import Statement, Vote
from node.consensus.keys import ValidatorKeys
from node.files import write_atomically
from runtime.errors import StoreError

_log = structlog.get_logger("signer")


class FileSigner:
    """Signs what neither it nor, as far as its file knows, anybody with its keys contradicted."""

    def __init__(
        self, keys: ValidatorKeys, path: Path, temporary_directory: Path, state: SignerState
    ) -> None:
        """Go on from `state`, which is what `path` holds."""
        self._keys = keys
        self._path = path
        self._temporary_directory = temporary_directory
        self._state = state

    @property
    def account(self) -> bytes:
        """The validator's."""
        return self._keys.account

    @property
    def vote_key(self) -> bytes:
        """The public key of its votes."""
        return self._keys.vote_key

    def remembered(self) -> tuple[Vote, ...]:
        """The last votes, in the order in which they were signed."""
        return self._state.votes

    def sign(
        self, statement: Statement, genesis_hash: bytes, validators_hash: bytes
    ) -> Vote | None:
        """Return the vote for a statement, durably noted; `None` if it must not be signed.

        Raises `StoreError` if the file cannot be written.
        """
        remembered = self._state.find(statement)
        if remembered is not None:
            return remembered
        try:
            self._state.check(statement)
        except SignerStateError as error:
            _log.warning("not signed", reason=error.message)
            return None
        vote = self._keys.sign_vote(statement, statement.payload(genesis_hash, validators_hash))
        state = self._state.with_vote(vote)
        self._write(state)
        self._state = state
        return vote

    def _write(self, state: SignerState) -> None:
        try:
            write_atomically(self._path, state.encode(), self._temporary_directory)
        except OSError as error:
            message = f"The signer file cannot be written: {error.strerror}."
            remedy = "Make room on the disk of the data directory, and start the node again."
            raise StoreError(message, remedy=remedy) from error
