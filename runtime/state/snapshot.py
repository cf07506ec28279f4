"""The format of a snapshot: a manifest and chunks, each canonical CBOR, each verifiable alone.

The manifest has the header of block 0, which names the chain, and the block that the state is of,
with the certificate that finalises it.  Chunks hold the values in the order of their keys; the
manifest has the hash of each.  That the values are the whole state follows from the state root in
the block's header: `SnapshotTree` computes it while the chunks are read.

The manifest also has the metadata of each spec version, which tell people what old blocks say.  No
header commits to them: whoever takes a snapshot is believed in this, and nodes agree on nothing
that depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from runtime.block import BLOCK_BYTES_MAX, Block, Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.hashing import hash_snapshot_chunk, hash_state_key, hash_state_value
from runtime.state.tables import SpecMetadata
from runtime.state.tree import Tree
from runtime.types import U8, U64, Hash, Max

SNAPSHOT_VERSION = 2
CHUNK_BYTES = 1024 * 1024
"""The size at which a chunk ends; with its last value it is at most 66 KiB larger."""
CHUNK_BYTES_MAX = CHUNK_BYTES + 128 * 1024
MANIFEST_BYTES_MAX = 512 * 1024 * 1024
SPEC_VERSIONS_MAX = 1_024
"""How many spec versions a chain may have had: a snapshot carries the metadata of all."""
_REMEDY = "Take the snapshot again, from another node if need be."


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage key and its value."""

    key: Annotated[bytes, Max(512)]
    value: Annotated[bytes, Max(65_536)]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive entries of the state."""

    entries: Annotated[tuple[Entry, ...], Max(CHUNK_BYTES)]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot is of, and the hashes of its chunks."""

    version: U8
    genesis_header: Annotated[bytes, Max(4_096)]
    block: Annotated[bytes, Max(2 * BLOCK_BYTES_MAX)]
    commit: Annotated[bytes, Max(65_536)]
    """Empty for block 0."""
    events: Annotated[bytes, Max(64 * 1024 * 1024)]
    metadata: Annotated[tuple[SpecMetadata, ...], Max(SPEC_VERSIONS_MAX)]
    keys_count: U64
    chunks: Annotated[tuple[Hash, ...], Max(4_000_000)]

    @property
    def header(self) -> Header:
        """The header whose state root the values lead to; raises `DecodeError`."""
        return codec_of(Block).decode(self.block).header

    @property
    def genesis_hash(self) -> bytes:
        """The chain's identity; raises `DecodeError`."""
        return codec_of(Header).decode(self.genesis_header).id()

    def encode(self) -> bytes:
        """The canonical bytes of the manifest file."""
        return codec_of(Manifest).encode(self)

    @staticmethod
    def decode(data: bytes) -> Manifest:
        """The manifest; raises `DecodeError`, or `InvalidProof` for another version."""
        manifest = codec_of(Manifest).decode(data)
        if manifest.version != SNAPSHOT_VERSION:
            message = f"The snapshot has version {manifest.version}, not {SNAPSHOT_VERSION}."
            raise InvalidProof(message, remedy="Read it with the version that wrote it.")
        return manifest


def encode_chunks(values: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes of each chunk with the number of its entries."""
    entries: list[Entry] = []
    size = 0
    for key, value in values:
        entries.append(Entry(key, value))
        size += len(key) + len(value) + 8
        if size >= CHUNK_BYTES:
            yield codec_of(Chunk).encode(Chunk(tuple(entries))), len(entries)
            entries, size = [], 0
    if entries:
        yield codec_of(Chunk).encode(Chunk(tuple(entries))), len(entries)


class SnapshotTree:
    """Checks the chunks of a manifest one after the other, and at the end what they add up to."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._pairs: list[bytes] = []
        self._last_key: bytes | None = None

    def read(self, index: int, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the values of chunk `index`; raises `InvalidProof` or `DecodeError`."""
        if hash_snapshot_chunk(data) != self._manifest.chunks[index]:
            raise InvalidProof(f"Chunk {index} is not the one of the manifest.", remedy=_REMEDY)
        values = [(entry.key, entry.value) for entry in codec_of(Chunk).decode(data).entries]
        for key, value in values:
            if not value or (self._last_key is not None and key <= self._last_key):
                message = f"The keys of chunk {index} are not sorted, or one has no value."
                raise InvalidProof(message, remedy=_REMEDY)
            self._last_key = key
            self._pairs.append(hash_state_key(key) + hash_state_value(value))
        return values

    def check(self) -> list[bytes]:
        """Return the sorted (key hash + value hash) pairs; raises `InvalidProof`."""
        self._pairs.sort()
        root = self._manifest.header.state_root
        if len(self._pairs) != self._manifest.keys_count or Tree.of_pairs(self._pairs).root != root:
            message = "The values of the snapshot do not lead to its state root."
            raise InvalidProof(message, remedy=_REMEDY)
        return self._pairs
