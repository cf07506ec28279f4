"""A row of a Datanet, and the leaf by which a Datanet version commits to it.

A submission commits to the Merkle list of its rows' hashes; a version commits to the Merkle list of
`RowRecord`s of its accepted rows, in order of commitment.  In a submission's blob a row that was
erased is a tombstone: a zero byte, with which no encoded row begins, and the row's hash.  So the
blob leads to the same root without it, and the other rows stay readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hash_commitment, hash_row
from runtime.types import U32, AccountId, Hash, Max

ROW_BYTES_MAX = 65_536
"""The largest encoded row, in bytes."""
_TOMBSTONE = b"\0"
_HASH_BYTES = 32


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


def tombstone_of(item: bytes) -> bytes:
    """What stands in a blob for an encoded row that is erased; a tombstone stays as it is."""
    return _TOMBSTONE + hash_of_item(item)


def hash_of_item(item: bytes) -> bytes:
    """The row's 32-byte hash, of an encoded row or of its tombstone."""
    return item[1:] if _is_tombstone(item) else hash_row(item)


def row_of_item(item: bytes) -> Row | None:
    """The row that an item of a blob is; None for a tombstone.  Raises `DecodeError`."""
    if _is_tombstone(item):
        return None
    return codec_of(Row).decode(item)


def _is_tombstone(item: bytes) -> bool:
    if not item.startswith(_TOMBSTONE):
        return False
    if len(item) != 1 + _HASH_BYTES:
        message = f"A tombstone has {len(item)} bytes instead of {1 + _HASH_BYTES}."
        raise DecodeError(message, remedy="Fetch the blob again, and check its content hash.")
    return True


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
