"""Snapshots: complete, checked in every part, and never half."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidProof, StoreError
from runtime.hashing import hash_snapshot_chunk
from runtime.state.audit import audit
from runtime.state.restore import restore
from runtime.state.snapshot import (
    SNAPSHOT_VERSION,
    Chunk,
    Entry,
    Manifest,
    SnapshotTree,
    encode_chunks,
)
from runtime.state.store import Kept, Pruned, Store
from runtime.state.tables import METADATA_BYTES_MAX, SpecMetadata
from tests.runtime.stored_chain import grow


def _snapshot(frozen):
    chunks = list(encode_chunks(frozen.values()))
    manifest = Manifest(
        SNAPSHOT_VERSION,
        frozen.genesis_header,
        frozen.block,
        frozen.commit,
        frozen.events,
        frozen.metadata,
        sum(count for _, count in chunks),
        tuple(hash_snapshot_chunk(data) for data, _ in chunks),
    )
    return manifest, [data for data, _ in chunks]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """Several chunks of a small state."""
    monkeypatch.setattr("runtime.state.snapshot.CHUNK_BYTES", 100)


@pytest.fixture
def taken(tmp_path):
    """Manifest and chunks as of height 9, taken while the chain went on to height 19."""
    store = Store.open(tmp_path / "source", create=True)
    grow(store, 10)
    store.put_metadata(1, b"first")
    store.put_metadata(300, b"second")
    frozen = store.freeze()
    grow(store, 10)
    manifest, chunks = _snapshot(frozen)
    store.close()
    return manifest, chunks


def test_a_snapshot_is_the_state_of_one_block(tmp_path, taken):
    """A restored store has its values and head, goes on, and says what it does not have."""
    manifest, chunks = taken
    assert len(chunks) > 2
    assert Manifest.decode(manifest.encode()) == manifest
    assert manifest.header.height == 9
    head = restore(tmp_path / "new", manifest, chunks)
    store = Store.open(tmp_path / "new", create=False)
    assert store.head == head
    assert store.kept == Kept(9, 9, 9)
    assert store.block(9) == manifest.block
    assert store.height_of(manifest.genesis_hash) == 0
    genesis = store.header(0)
    assert genesis is not None
    assert genesis.id() == manifest.genesis_hash
    for read in (store.header, store.block, store.events):
        with pytest.raises(Pruned, match="from 9 on"):
            read(5)
    assert [store.metadata(version) for version in (1, 2, 300)] == [b"first", None, b"second"]
    grow(store, 3)
    frozen = store.freeze()
    assert frozen.genesis_header == manifest.genesis_header
    assert frozen.metadata == (SpecMetadata(1, b"first"), SpecMetadata(300, b"second"))
    store.close()
    found = audit(tmp_path / "new")
    assert (found.blocks, found.undo_logs, found.findings) == (4, 3, [])


def test_an_empty_state_is_a_snapshot_too(tmp_path):
    """No value, no chunk."""
    store = Store.open(tmp_path / "source", create=True)
    grow(store, 1)
    with_values = store.freeze()
    store.close()
    assert with_values.commit == b"commit"
    assert list(encode_chunks([])) == []


def test_every_changed_chunk_is_refused(tmp_path, taken):
    """By its own hash, before anything else is read."""
    manifest, chunks = taken
    for index in range(len(chunks)):
        damaged = list(chunks)
        damaged[index] = chunks[index][:-1] + bytes([chunks[index][-1] ^ 1])
        with pytest.raises(InvalidProof, match=f"Chunk {index} is not"):
            restore(tmp_path / f"new {index}", manifest, damaged)


def test_a_manifest_that_fits_other_values_is_refused(tmp_path, taken):
    """Missing, doubled, unsorted and empty values, whatever their hashes are."""
    manifest, chunks = taken
    fewer = replace(manifest, chunks=manifest.chunks[:-1])
    with pytest.raises(InvalidProof, match="do not lead"):
        restore(tmp_path / "fewer", fewer, chunks[:-1])
    with pytest.raises(InvalidProof, match="do not lead"):
        restore(tmp_path / "count", replace(manifest, keys_count=1), chunks)
    doubled = replace(manifest, chunks=manifest.chunks[:1] * 2)
    with pytest.raises(InvalidProof, match="not sorted"):
        restore(tmp_path / "doubled", doubled, chunks[:1] * 2)
    empty = codec_of(Chunk).encode(Chunk((Entry(b"key", b""),)))
    tree = SnapshotTree(replace(manifest, chunks=(hash_snapshot_chunk(empty),)))
    with pytest.raises(InvalidProof, match="no value"):
        tree.read(0, empty)
    with pytest.raises(InvalidProof, match="version 1"):
        Manifest.decode(replace(manifest, version=1).encode())
    with pytest.raises(DecodeError):
        Manifest.decode(manifest.encode()[:-1])


def test_metadata_have_a_limit(tmp_path):
    """One that snapshots have, too."""
    store = Store.open(tmp_path / "store", create=True)
    with pytest.raises(StoreError, match="metadata have"):
        store.put_metadata(1, bytes(METADATA_BYTES_MAX + 1))
    assert store.metadata(1) is None
    store.close()
