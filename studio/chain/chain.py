"""`Chain`: all that pages know of the chain, through one websocket to one node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from node.errors import NodeUnreachable, RpcFailed
from studio.chain.follower import Follower
from studio.chain.index import Index
from studio.chain.socket import NodeSocket
from studio.chain.state import State
from studio.errors import ObjectMissing

PAUSE_S = 0.5
_log = structlog.get_logger("studio")


class Chain:
    """The chain behind one node; for one event loop."""

    def __init__(self, url: str, data: Path) -> None:
        """Prepare for the node at `url`; the index is a file in `data`, named after the chain."""
        self.url = url
        self.socket = NodeSocket(url)
        self.height = 0
        """The newest height that is indexed."""
        self.head_time_ms = 0
        self.properties: Mapping[str, Any] = {}
        self._data = data
        self._state: State | None = None
        self._index: Index | None = None
        self._follower: Follower | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Connect, and follow the chain."""
        self.socket.start()
        self._tasks.append(asyncio.create_task(self._run(), name="chain"))

    async def close(self) -> None:
        """Let go of the node and the index."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.socket.close()
        if self._index is not None:
            self._index.close()

    @property
    def is_ready(self) -> bool:
        """Whether a node answered, so that there is something to show."""
        return self._state is not None

    @property
    def is_connected(self) -> bool:
        """Whether the node is there now."""
        return self.socket.is_open

    @property
    def behind_blocks(self) -> int:
        """How many blocks are not in the index yet."""
        return 0 if self._follower is None else self._follower.behind_blocks

    @property
    def state(self) -> State:
        """The storage at the head; raises `ObjectMissing` until a node has answered."""
        if self._state is None:
            raise self._not_ready()
        return self._state

    @property
    def index(self) -> Index:
        """The blocks by what people look for; raises `ObjectMissing` until a node has answered."""
        if self._index is None:
            raise self._not_ready()
        return self._index

    @property
    def name(self) -> str:
        """The chain's name."""
        return str(self.properties.get("chain", ""))

    @property
    def genesis_hash(self) -> bytes:
        """The id of block 0: which chain this is."""
        return bytes.fromhex(self.properties.get("genesis_hash", ""))

    def age_ms(self) -> int:
        """How long ago the newest block was made."""
        return int(time.time() * 1_000) - self.head_time_ms if self.head_time_ms else 0

    async def _run(self) -> None:
        while True:
            with suppress(NodeUnreachable, RpcFailed):
                await self._follow()
            await asyncio.sleep(PAUSE_S)

    async def _follow(self) -> None:
        self.properties = await self.socket.call("system_properties")
        await self._load_metadata()
        path = self._data / f"{self.properties['genesis_hash'][:16]}.sqlite"
        self._index = await asyncio.to_thread(Index, path)
        self._follower = Follower(self.socket, self._index, self._on_head)
        _log.info("following", chain=self.name, node=self.url)
        await self._follower.run()

    async def _load_metadata(self) -> None:
        self._state = State(self.socket, await self.socket.call("state_getMetadata"))

    def _on_head(self, height: int) -> None:
        self.height = height
        self.state.forget()
        newest = self.index.blocks(0, 1)
        self.head_time_ms = newest[0].time_ms if newest else 0

    def _not_ready(self) -> ObjectMissing:
        message = f"No node has answered at {self.url} yet."
        return ObjectMissing(message, remedy="Start one (`openledger dev`), or check --node.")
