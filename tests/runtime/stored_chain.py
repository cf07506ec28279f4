"""A store with real blocks: what pruning, audits and snapshots need."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.block import Block, Header
from runtime.hashing import ZERO_HASH, hash_extrinsic
from runtime.state.store import BlockRecord, Store


def commit_block(store: Store, changes: Mapping[bytes, bytes | None]) -> Header:
    """Commit a block with one extrinsic on the head, and return its header."""
    head = store.head
    height = 0 if head is None else head.height + 1
    prepared = store.prepare(changes)
    extrinsics = (b"extrinsic %d" % height,)
    header = Header(
        height=height,
        parent_hash=ZERO_HASH if head is None else head.block_id,
        time_ms=height,
        proposer=ZERO_HASH,
        state_root=prepared.root,
        extrinsics_root=ZERO_HASH,
        events_root=ZERO_HASH,
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
        last_commit_hash=ZERO_HASH,
        evidence_root=ZERO_HASH,
        spec_version=1,
        beacon=ZERO_HASH,
        beacon_proof=b"",
    )
    record = BlockRecord(
        height=height,
        block_id=header.id(),
        block=Block(header, extrinsics, b"").encode(),
        commit=b"commit",
        events=b"events",
        extrinsic_hashes=tuple(hash_extrinsic(each) for each in extrinsics),
    )
    store.commit(prepared, record)
    return header


def grow(store: Store, blocks: int) -> list[Header]:
    """Commit blocks that put, replace and remove keys, and return their headers."""
    headers = []
    for _ in range(blocks):
        height = 0 if store.head is None else store.head.height + 1
        changes: dict[bytes, bytes | None] = {
            b"key %d" % (height * 7 % 30 + place): b"value %d" % height for place in range(10)
        }
        changes[b"key %d" % (height % 30)] = None
        headers.append(commit_block(store, changes))
    return headers
