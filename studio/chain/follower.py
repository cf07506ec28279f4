"""`Follower`: reads every finalised block into the index, once, and tells of each new head."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from node.errors import NodeUnreachable, RpcFailed
from studio.chain.index import BLOCKS_MAX, Index
from studio.chain.socket import NodeSocket
from studio.chain.tables import BlockRow, EventRow, ExtrinsicRow, IndexedBlock

BATCH_BLOCKS = 100
PAUSE_S = 0.5
DROP_EVERY_BLOCKS = 1_000


class Follower:
    """Follows the chain of one node; `on_head` hears each new height after it is indexed."""

    def __init__(self, socket: NodeSocket, index: Index, on_head: Callable[[int], None]) -> None:
        self._socket = socket
        self._index = index
        self._on_head = on_head
        self.behind_blocks = 0
        """How many blocks are not indexed yet."""

    async def run(self) -> None:
        """Follow until cancelled; a node that is away is waited for."""
        while True:
            with suppress(NodeUnreachable, RpcFailed):
                await self._follow()
            await asyncio.sleep(PAUSE_S)

    async def _follow(self) -> None:
        health = await self._socket.call("system_health")
        await self._catch_up(int(health["finalized_height"]))
        async for head in self._socket.subscribe("chain_subscribeFinalizedHeads"):
            await self._catch_up(int(head["height"]))

    async def _catch_up(self, head: int) -> None:
        known = await asyncio.to_thread(self._index.height)
        start = max(0 if known is None else known + 1, head - BLOCKS_MAX + 1)
        for first in range(start, head + 1, BATCH_BLOCKS):
            self.behind_blocks = head - first
            heights = range(first, min(first + BATCH_BLOCKS, head + 1))
            blocks = await self._read(heights)
            await asyncio.to_thread(self._index.add, blocks)
            self._on_head(heights[-1])
        self.behind_blocks = 0
        if head % DROP_EVERY_BLOCKS == 0:
            await asyncio.to_thread(self._index.drop_below, head - BLOCKS_MAX + 1)

    async def _read(self, heights: range) -> list[IndexedBlock]:
        blocks, events = await asyncio.gather(
            self._socket.try_many("chain_getBlock", [[height] for height in heights]),
            self._socket.try_many("chain_getEvents", [[height, True] for height in heights]),
        )
        # A node that was restored from a snapshot does not have the first blocks.
        return [
            indexed_block(block, told.get("events", []) if isinstance(told, dict) else [])
            for block, told in zip(blocks, events, strict=True)
            if isinstance(block, dict)
        ]


def indexed_block(view: dict[str, Any], events: list[Any]) -> IndexedBlock:
    """What the index keeps, out of what the node tells of a block and its events."""
    height, header = int(view["height"]), view["header"]
    extrinsics = tuple(
        ExtrinsicRow(
            height,
            place,
            each["hash"],
            each.get("signer"),
            each["call"],
            bool(each["ok"]),
            each["error_name"],
        )
        for place, each in enumerate(view["extrinsics"])
    )
    rows = tuple(
        EventRow(
            height,
            place,
            each["extrinsic_index"],
            f"{each['pallet']}.{each['name']}",
            each["fields"],
        )
        for place, each in enumerate(events)
    )
    block = BlockRow(
        height,
        view["id"],
        int(header["time_ms"]),
        header["proposer"],
        len(extrinsics),
        len(rows),
    )
    return IndexedBlock(block, extrinsics, rows)
