"""What of a height is on a node's disk, and whether that is enough for what it signs and sends."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.log import KeptBlock, Record
from consensus.votes import Certificate, Statement, Vote, VoteKind

Kept = tuple[VoteKind, int] | tuple[str, VoteKind, int] | bytes
"""A vote by kind and round, a certificate by the same, a block by its id."""


class Order:
    """The records of the height, on disk and on their way there (W1, W2, W7)."""

    def __init__(self, records: Iterable[Record], signed: Iterable[Vote]) -> None:
        """Begin with what a start found; the signer's file is on disk, too (W5)."""
        self._durable: dict[Kept, None] = {}
        self._pending: list[Kept] = []
        for record in (*records, *signed):
            self._durable[_key(record)] = None

    def append(self, record: Record) -> None:
        """A record is on its way."""
        self._pending.append(_key(record))

    def flush(self) -> None:
        """Everything is on disk."""
        self._durable.update(dict.fromkeys(self._pending))
        self._pending.clear()

    def objection_to_sign(self, statement: Statement) -> str | None:
        """Why it is too early to sign a statement; `None` if it is not."""
        if self._pending:
            return "records that a signature may rest on are not flushed (W2)"
        kind, round_ = statement.kind, statement.round
        if kind is VoteKind.FINALIZE:
            return None if self._is_certified(round_) else f"no N-certificate of {round_} (W2)"
        if round_ > 1 and not self._is_certified(round_ - 1) and not self._is_over(round_ - 1):
            return f"no certificate that ends round {round_ - 1} is on disk (W2)"
        block_id = statement.block_id
        if kind is VoteKind.NOTARIZE and block_id is not None and block_id not in self._durable:
            return "the block is not on disk (W7)"
        return None

    def objection_to_send(self, vote: Vote) -> str | None:
        """Why it is too early for an own vote to leave; `None` if it is not."""
        statement = vote.statement
        if (statement.kind, statement.round) not in self._durable:
            return "the vote is not on disk (W1)"
        return None

    def _is_certified(self, round_: int) -> bool:
        return ("certificate", VoteKind.NOTARIZE, round_) in self._durable

    def _is_over(self, round_: int) -> bool:
        return ("certificate", VoteKind.NULLIFY, round_) in self._durable


def _key(record: Record) -> Kept:
    match record:
        case Vote():
            return record.statement.kind, record.statement.round
        case Certificate():
            return "certificate", record.statement.kind, record.statement.round
        case KeptBlock():
            return record.block_id
