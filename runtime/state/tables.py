"""What the store's LevelDB holds: tables of keys with one byte in front, and their records.

| table | key | record |
|---|---|---|
| v | storage key | the encoded value |
| i | H(key) | H(value), as of the height that the head record calls `indexed` |
| u | height | the undo log of a block: keys it changed, and what they held before |
| b | height | the encoded block |
| d | height | the encoded header, where the block is pruned or never was here |
| c, e | height | certificate; encoded events |
| h | block id | height |
| x | extrinsic hash | height and index in the block |
| s | spec version | the metadata of the runtime that made blocks of that version |
| m | `format`, `head` | the format mark; the head record |

Heights are 8 bytes, the highest first, so that LevelDB's order is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from runtime.cbor import encode_plain, parse
from runtime.codec import codec_of
from runtime.types import U32, BlockNumber, Hash, Max

VALUE, INDEX, UNDO, BLOCK, HEADER = b"v", b"i", b"u", b"b", b"d"
COMMIT, EVENTS, HEIGHT, EXTRINSIC, META = b"c", b"e", b"h", b"x", b"m"
METADATA = b"s"
FORMAT_KEY = META + b"format"
HEAD_KEY = META + b"head"
FORMAT = b"openledger store 2"
HEIGHT_BYTES = 8
POSITION_BYTES = 4
SPEC_VERSION_BYTES = 4
METADATA_BYTES_MAX = 4 * 1024 * 1024
"""The most metadata of one spec version: those of our own pallets take 50 kB."""

Replaced: TypeAlias = Mapping[bytes, bytes | None]
"""What the storage keys that a block changed held before it; `None`: nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last committed block."""

    height: BlockNumber
    block_id: Hash
    state_root: Hash


@dataclass(frozen=True, slots=True)
class Kept:
    """The first height of which each kind of data is still there; block 0's header always is."""

    state: BlockNumber
    """Whose values can be read and proved."""
    blocks: BlockNumber
    """Whose extrinsics and events are stored."""
    headers: BlockNumber
    """Whose header and certificate are stored: more than 0 after an import."""


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """What a store knows of itself; written with every block."""

    head: Head
    indexed: BlockNumber
    """The height that the index is as of: it is written for many blocks at once."""
    kept: Kept

    def encode(self) -> bytes:
        """The canonical bytes under `HEAD_KEY`."""
        return codec_of(HeadRecord).encode(self)

    @staticmethod
    def decode(data: bytes) -> HeadRecord:
        """The record; raises `DecodeError`."""
        return codec_of(HeadRecord).decode(data)


@dataclass(frozen=True, slots=True)
class SpecMetadata:
    """The metadata of a spec version, as JSON; the store does not look into them."""

    spec_version: U32
    encoded: Annotated[bytes, Max(METADATA_BYTES_MAX)]


def at_height(table: bytes, height: int) -> bytes:
    """The key of a height's record."""
    return table + height.to_bytes(HEIGHT_BYTES, "big")


def at_version(spec_version: int) -> bytes:
    """The key of a spec version's metadata."""
    return METADATA + spec_version.to_bytes(SPEC_VERSION_BYTES, "big")


def end_of(prefix: bytes) -> bytes:
    """The first key after all keys with `prefix`, whose first byte is a table and never 0xff."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])


def encode_undo(replaced: Replaced) -> bytes:
    """The undo log of a block."""
    return encode_plain([list(replaced), list(replaced.values())])


def decode_undo(data: bytes) -> Replaced:
    """What `encode_undo` was given; raises `DecodeError`.  The bytes are ours, checked by CRC."""
    keys, values = parse(data)
    return dict(zip(keys, values, strict=True))
