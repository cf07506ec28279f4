"""A new store from a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from runtime.block import Block
from runtime.codec import codec_of
from runtime.hashing import hash_extrinsic
from runtime.state.audit import put_index
from runtime.state.leveldb import Database, check_directory
from runtime.state.snapshot import Manifest, SnapshotTree
from runtime.state.tables import (
    BLOCK,
    COMMIT,
    EVENTS,
    EXTRINSIC,
    FORMAT,
    FORMAT_KEY,
    HEAD_KEY,
    HEADER,
    HEIGHT,
    POSITION_BYTES,
    VALUE,
    Head,
    HeadRecord,
    Kept,
    at_height,
    at_version,
)


def restore(directory: Path, manifest: Manifest, chunks: Iterable[bytes]) -> Head:
    """Write the store of a snapshot into a new directory; raises `InvalidProof`, `DecodeError`.

    Until this returns, the directory is no store: delete it after an error.
    """
    check_directory(directory, create=True)
    checked = SnapshotTree(manifest)
    block = codec_of(Block).decode(manifest.block)
    header = block.header
    head = Head(header.height, header.id(), header.state_root)
    with closing(Database(directory, create=True)) as database:
        for index, data in enumerate(chunks):
            with database.batch(sync=False) as batch:
                for key, value in checked.read(index, data):
                    batch.put(VALUE + key, value)
        put_index(database, checked.check())
        with database.batch() as batch:
            batch.put(FORMAT_KEY, FORMAT)
            batch.put(at_height(HEADER, 0), manifest.genesis_header)
            batch.put(HEIGHT + manifest.genesis_hash, at_height(b"", 0))
            batch.put(HEIGHT + head.block_id, at_height(b"", head.height))
            batch.put(at_height(BLOCK, head.height), manifest.block)
            batch.put(at_height(COMMIT, head.height), manifest.commit)
            batch.put(at_height(EVENTS, head.height), manifest.events)
            for index, extrinsic in enumerate(block.extrinsics):
                place = at_height(b"", head.height) + index.to_bytes(POSITION_BYTES, "big")
                batch.put(EXTRINSIC + hash_extrinsic(extrinsic), place)
            for version in manifest.metadata:
                batch.put(at_version(version.spec_version), version.encoded)
            kept = Kept(state=head.height, blocks=head.height, headers=head.height)
            batch.put(HEAD_KEY, HeadRecord(head, head.height, kept).encode())
    return head
