"""Snapshots as directories: `manifest`, and `00000000.chunk` and so on.

An export is written beside its place and renamed when it is complete and on disk; so is an import.
Half of either is never taken for the whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from consensus.commit import commit_of
from consensus.cryptography import key_scheme
from consensus.decision import Decision
from consensus.light import verify_header
from genesis.chain_spec import is_genesis_of
from node.config import Checkpoint, DataDirectory
from node.errors import ConfigError
from node.files import sync_directory, write_atomically
from node.light_blocks import validators_of
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof, StoreError
from runtime.hashing import hash_snapshot_chunk
from runtime.state.restore import restore
from runtime.state.snapshot import (
    CHUNK_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    SNAPSHOT_VERSION,
    Manifest,
    SnapshotTree,
    encode_chunks,
)
from runtime.state.store import Frozen, Store
from runtime.state.tables import Head
from runtime.wire.validators import ValidatorSet

_MANIFEST = "manifest"
_log = structlog.get_logger("snapshots")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state after one block."""

    genesis_hash: bytes
    header: Header
    state: Mapping[bytes, bytes]
    """Encoded values by storage key."""


def export_snapshot(frozen: Frozen, directory: Path) -> Manifest:
    """Write a snapshot into a new directory; raises `ConfigError` when it cannot be written."""
    if directory.exists():
        message = f"{directory} is there already."
        raise ConfigError(message, remedy="Name a directory that does not exist.")
    partial = directory.with_name(f"{directory.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        manifest = _write(frozen, partial)
        partial.rename(directory)
        sync_directory(directory.parent)
    except OSError as error:
        message = f"The snapshot {directory} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose a directory with space left.") from error
    return manifest


async def write_snapshot(store: Store, height: int, snapshots: Path) -> Path:
    """Export the state at the head, of `height`, while the node goes on; returns the directory.

    Raises `ConfigError`, `StoreError`.
    """
    directory = snapshots / str(height)
    await trio.to_thread.run_sync(export_snapshot, store.freeze(), directory)
    _log.warning("snapshot written", directory=str(directory))
    return directory


def _write(frozen: Frozen, directory: Path) -> Manifest:
    hashes: list[bytes] = []
    count = 0
    for data, entries in encode_chunks(frozen.values()):
        write_atomically(_chunk_path(directory, len(hashes)), data, directory)
        hashes.append(hash_snapshot_chunk(data))
        count += entries
    manifest = Manifest(
        version=SNAPSHOT_VERSION,
        genesis_header=frozen.genesis_header,
        block=frozen.block,
        commit=frozen.commit,
        events=frozen.events,
        metadata=frozen.metadata,
        keys_count=count,
        chunks=tuple(hashes),
    )
    write_atomically(directory / _MANIFEST, manifest.encode(), directory)
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot; raises `ConfigError`, `DecodeError`, `InvalidProof`."""
    return Manifest.decode(_read(directory / _MANIFEST, MANIFEST_BYTES_MAX))


def read_chunk(directory: Path, index: int) -> bytes:
    """One chunk of a snapshot, unchecked; raises `ConfigError`."""
    return _read(_chunk_path(directory, index), CHUNK_BYTES_MAX)


def begin_download(directory: Path, manifest: Manifest) -> None:
    """Begin a snapshot that is fetched chunk by chunk; raises `OSError`."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    write_atomically(directory / _MANIFEST, manifest.encode(), directory)


def keep_chunk(directory: Path, manifest: Manifest, index: int, data: bytes) -> None:
    """Keep a fetched chunk; raises `InvalidProof` for another one than the manifest names."""
    if hash_snapshot_chunk(data) != manifest.chunks[index]:
        message = f"Chunk {index} of the snapshot is not what its manifest names."
        raise InvalidProof(message, remedy="Ask another node for it.")
    write_atomically(_chunk_path(directory, index), data, directory)


def read_chunks(directory: Path, manifest: Manifest) -> Iterator[bytes]:
    """The chunks of a snapshot in order, unchecked; raises `ConfigError`."""
    for index in range(len(manifest.chunks)):
        yield read_chunk(directory, index)


def read_snapshot(directory: Path) -> Snapshot:
    """The state of a snapshot, checked against the state root of its header.

    Raises `ConfigError`, `DecodeError` or `InvalidProof`.  Who finalised the header is not checked:
    for that, see `import_snapshot`.
    """
    manifest = read_manifest(directory)
    checked = SnapshotTree(manifest)
    state: dict[bytes, bytes] = {}
    for index, data in enumerate(read_chunks(directory, manifest)):
        state.update(checked.read(index, data))
    checked.check()
    return Snapshot(manifest.genesis_hash, manifest.header, state)


def import_snapshot(
    directory: Path, data: DataDirectory, genesis: Header, trusted: ValidatorSet | Checkpoint
) -> Head:
    """Make the state of a data directory that has none yet from a snapshot of its chain.

    `genesis` is what the chain spec gives under this runtime; see `is_genesis_of`.  `trusted` is
    the set that decided the snapshot's block, or that block itself: then its own state, which its
    header names, says who decided it.  Raises
    `ConfigError`, `DecodeError`, `InvalidCertificate`, `InvalidProof`, `StoreError`; then the data
    directory is as it was.
    """
    if data.state.exists() and any(data.state.iterdir()):
        message = f"{data.state} holds a state already."
        raise ConfigError(message, remedy="Move it away, or choose an empty --data directory.")
    manifest = read_manifest(directory)
    first, header = codec_of(Header).decode(manifest.genesis_header), manifest.header
    if not is_genesis_of(first, genesis):
        message = f"The snapshot {directory} is of another chain ({manifest.genesis_hash.hex()})."
        raise InvalidProof(message, remedy="Give a snapshot of this chain, or another --data.")
    if isinstance(trusted, Checkpoint):
        if (header.height, header.id()) != (trusted.height, trusted.block_id):
            message = f"The snapshot is of block {header.height} ({header.id().hex()})."
            raise InvalidProof(message, remedy="Compare height and id with people you trust.")
    else:
        _check_decided(manifest, genesis, trusted)
    partial = data.root / "state.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        head = restore(partial, manifest, read_chunks(directory, manifest))
        if isinstance(trusted, Checkpoint):
            _check_decided(manifest, genesis, _validators_in(partial, header))
        if data.state.exists():
            data.state.rmdir()
        partial.rename(data.state)
        sync_directory(data.root)
    except OSError as error:
        message = f"The state cannot be written to {data.root}: {error.strerror}."
        raise StoreError(message, remedy="Choose a --data directory with space left.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return head


def _check_decided(manifest: Manifest, genesis: Header, validators: ValidatorSet) -> None:
    """Raise `InvalidCertificate` unless `validators` decided the snapshot's block."""
    # Block 0 has no votes: it is what the chain spec leads to, or, under newer code, not provable.
    if manifest.header == genesis:
        return
    certificate = Decision.decode(manifest.commit).certificate
    verify_header(manifest.header, commit_of(certificate), validators, manifest.genesis_hash)
    key_scheme(validators, manifest.genesis_hash).verify_certificate(certificate)


def _validators_in(state: Path, header: Header) -> ValidatorSet:
    """Who decided a block, as its own state says; raises `InvalidProof`."""
    with closing(Store.open(state, create=False)) as store:
        validators = validators_of(store, header.validators_hash)
    if validators is None:
        message = f"The state of block {header.height} does not know who decided it."
        raise InvalidProof(message, remedy="Give another snapshot.")
    return validators


def _chunk_path(directory: Path, index: int) -> Path:
    return directory / f"{index:08}.chunk"


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(bytes_max)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise ConfigError(message, remedy="Name the directory of a complete snapshot.") from error
