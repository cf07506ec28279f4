"""A row of a Datanet, and the leaf by which a Datanet version commits to it.

A submission commits to the Merkle list of its rows' hashes; a version commits to the Merkle list of
`RowRecord`s of its accepted rows, in order of commitment.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_commitment, hash_row
from runtime.types import U32, AccountId, Hash, Max

ROW_BYTES_MAX = 65_536
"""The largest encoded row, in bytes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One contributed example: what is asked, and what should be answered."""

    prompt: Annotated[str, Max(ROW_BYTES_MAX)]
    completion: Annotated[str, Max(ROW_BYTES_MAX)]

    def encode(self) -> bytes:
        """The canonical bytes that the content store keeps and `hash` commits to."""
        return codec_of(Row).encode(self)

    def hash(self) -> bytes:
        """The row's 32-byte content address."""
        return hash_row(self.encode())


class Verdict(IntEnum):
    """What the published validator says of one submitted row."""

    ACCEPTED = 0
    DUPLICATE = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class RowRecord:
    """A leaf of a Datanet version: an accepted row, its owner and its place in the submissions."""

    row_hash: Hash
    owner: AccountId
    submission: U32
    index: U32

    def encode(self) -> bytes:
        """The canonical bytes of the Merkle leaf."""
        return codec_of(RowRecord).encode(self)


def submission_commitment(contributor: bytes, rows_root: bytes, salt: bytes) -> bytes:
    """The blinded 32-byte commitment of commit-reveal; all three inputs have 32 bytes."""
    return hash_commitment(contributor + rows_root + salt)
