"""Snapshots for nodes that join: what they ask for, and what a node with snapshots answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import structlog
import trio

from node.chain import Chain
from node.errors import ConfigError
from node.light_blocks import light_block
from node.p2p.errors import RequestRefused
from node.snapshots import read_chunk, read_manifest, write_snapshot
from runtime.codec import codec_of
from runtime.errors import DecodeError, StoreError
from runtime.state.store import Store
from runtime.types import U32, BlockNumber

SNAPSHOTS_KEPT = 2
"""Older ones are deleted: who is in the middle of the one before can still finish it."""
_REMEDY = "Ask another node."
_log = structlog.get_logger("snapshots")


class Part(IntEnum):
    """What of the chain is asked for."""

    MANIFEST = 0
    """Of the snapshot of a height, or of the latest for height 0."""
    CHUNK = 1
    """By its index, of the snapshot of a height."""
    LIGHT_BLOCK = 2
    """Of a height."""


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """One part; the answer is its encoding."""

    part: Part
    height: BlockNumber
    index: U32


@dataclass(frozen=True, slots=True)
class SnapshotServer:
    """Answers from a node's store and its folder of snapshots."""

    store: Store
    directory: Path

    def answer(self, payload: bytes) -> bytes:
        """One part of a snapshot; raises `RequestRefused`, `DecodeError`.  It blocks."""
        wanted = codec_of(SnapshotRequest).decode(payload)
        try:
            return self._answer(wanted)
        except (ConfigError, DecodeError) as error:
            raise RequestRefused(error.message, remedy=_REMEDY) from error

    def _answer(self, wanted: SnapshotRequest) -> bytes:
        if wanted.part is Part.LIGHT_BLOCK:
            block = light_block(self.store, wanted.height)
            if block is None:
                raise RequestRefused(f"There is no block {wanted.height}.", remedy=_REMEDY)
            return block.encode()
        heights = snapshot_heights(self.directory)
        height = wanted.height or max(heights, default=0)
        if height not in heights:
            raise RequestRefused(f"There is no snapshot of {height}.", remedy=_REMEDY)
        directory = self.directory / str(height)
        if wanted.part is Part.MANIFEST:
            return read_manifest(directory).encode()
        return read_chunk(directory, wanted.index)


def snapshot_heights(directory: Path) -> list[int]:
    """The heights of the complete snapshots in a folder."""
    names = [entry.name for entry in directory.iterdir()] if directory.exists() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


async def keep_snapshots(chain: Chain, directory: Path, blocks: int) -> None:
    """Export the state every `blocks` blocks until cancelled, and delete old exports."""
    while True:
        await chain.advanced.wait()
        height = chain.head.height
        if height % blocks:
            continue
        try:
            await write_snapshot(chain.store, height, directory)
        except (ConfigError, StoreError) as error:
            _log.error("snapshot failed", reason=error.message, remedy=error.remedy)
        for old in snapshot_heights(directory)[:-SNAPSHOTS_KEPT]:
            await trio.to_thread.run_sync(shutil.rmtree, directory / str(old))
