"""What subscriptions send: a feed knows what comes next, and nothing is queued for a slow reader.

Blocks come each once and in order, however slow the reader; storage and runtime versions are those
of the newest block when the reader is ready for them; an extrinsic has a handful of stages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio

from node.chain import Chain
from node.mempool import Mempool, Progress, Stage
from node.rpc.results import ExtrinsicUpdate, RuntimeVersion, StorageAt
from node.rpc.views import outcome_view

_LAST = frozenset(Stage) - {Stage.FUTURE, Stage.READY}


class BlockFeed:
    """A view of every finalised block from a height on."""

    def __init__(
        self, chain: Chain, next_height: int, view: Callable[[int], Mapping[str, Any]]
    ) -> None:
        self._chain = chain
        self._next_height = next_height
        self._view = view

    async def wait(self) -> bool:
        """Until there is a block of the next height."""
        while self._next_height > self._chain.head.height:
            await self._chain.advanced.wait()
        return True

    async def take(self) -> Mapping[str, Any]:
        """The view of the next block."""
        view = await trio.to_thread.run_sync(self._view, self._next_height)
        self._next_height += 1
        return view

    def close(self) -> None:
        """It holds nothing."""


class StorageFeed:
    """Values of some storage keys: at first all, then what changed."""

    def __init__(self, chain: Chain, keys: Sequence[bytes]) -> None:
        self._chain = chain
        self._keys = tuple(dict.fromkeys(keys))
        self._height = -1
        self._known: dict[bytes, bytes | None] = {}

    async def wait(self) -> bool:
        """Until there is another head."""
        while self._height == self._chain.head.height:
            await self._chain.advanced.wait()
        return True

    async def take(self) -> StorageAt | None:
        """What the head has otherwise than what was told last; None if nothing."""
        head = self._chain.head
        state = await trio.to_thread.run_sync(self._chain.store.state_at, head.height)
        self._height = head.height
        values = {key: state.get(key) for key in self._keys}
        changed = [
            (key, value)
            for key, value in values.items()
            if key not in self._known or self._known[key] != value
        ]
        self._known = values
        if not changed:
            return None
        return {
            "height": head.height,
            "block": head.id().hex(),
            "changes": [
                (key.hex(), None if value is None else value.hex()) for key, value in changed
            ],
        }

    def close(self) -> None:
        """It holds nothing but the values."""


class RuntimeVersionFeed:
    """The runtime's version: at first, and when the chain was upgraded to another."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._told = -1

    async def wait(self) -> bool:
        """Until the head is of another spec version."""
        while self._told == self._chain.head.spec_version:
            await self._chain.advanced.wait()
        return True

    async def take(self) -> RuntimeVersion:
        """The version of the head."""
        self._told = self._chain.head.spec_version
        return {"spec_name": self._chain.runtime.name, "spec_version": self._told}

    def close(self) -> None:
        """It holds nothing."""


class ExtrinsicFeed:
    """The stages of one extrinsic, up to its end."""

    def __init__(self, chain: Chain, mempool: Mempool, extrinsic_hash: bytes) -> None:
        self._chain = chain
        self._mempool = mempool
        self._hash = extrinsic_hash
        self._progress: deque[Progress] = deque()
        """A handful: an extrinsic goes through each stage once."""
        self._changed = trio.Event()
        self._is_over = False
        mempool.watch(extrinsic_hash, self._note)

    @property
    def has_ended(self) -> bool:
        """Whether the extrinsic's last stage is known, told or not."""
        return any(each.stage in _LAST for each in self._progress)

    def _note(self, progress: Progress) -> None:
        self._progress.append(progress)
        self._changed.set()

    def note_included(self) -> None:
        """It is in a block already, and the mempool will tell no more of it."""
        self._note(Progress(Stage.FINALIZED))

    async def wait(self) -> bool:
        """Until there is another stage; False after the last."""
        while not self._progress and not self._is_over:
            self._changed = trio.Event()
            await self._changed.wait()
        return not self._is_over

    async def take(self) -> ExtrinsicUpdate:
        """The next stage."""
        progress = self._progress.popleft()
        self._is_over = progress.stage in _LAST
        update = ExtrinsicUpdate(stage=progress.stage.value)
        if progress.usurper is not None:
            update["usurper"] = progress.usurper.hex()
        if progress.reason is not None:
            reason = progress.reason
            update["reason"] = {
                "type": type(reason).__name__,
                "message": reason.message,
                "remedy": reason.remedy,
            }
        if progress.stage is Stage.FINALIZED:
            await trio.to_thread.run_sync(self._add_place, update)
        return update

    def close(self) -> None:
        """Stop watching."""
        self._mempool.unwatch(self._hash, self._note)

    def _add_place(self, update: ExtrinsicUpdate) -> None:
        place = self._chain.store.locate_extrinsic(self._hash)
        if place is None:  # it was pruned before the reader was ready
            return
        height, index = place
        header = self._chain.store.header(height)
        update["height"], update["index"] = height, index
        update["outcome"] = outcome_view(self._chain, height, index)
        if header is not None:
            update["block"] = header.id().hex()
