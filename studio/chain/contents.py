"""What lies beside the chain: rows, records, scores, receipts, transcripts; fetched once and kept.

Content never changes under its hash, so what was decoded stays right; the least used goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from node.datanets.versions import rows_in
from node.errors import ContentDamaged
from runtime.codec import codec_of
from runtime.wire.blobs import decode_blob
from runtime.wire.rows import Row
from studio.chain.sender import Sender

ITEMS_MAX = 1_000_000
"""The most items of one blob, as the workers have it."""
KEPT_ITEMS_MAX = 500_000
"""Decoded items that are kept in memory, of all blobs together."""

T = TypeVar("T")


class Contents:
    """Decoded blobs by their hash and kind; for one event loop."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._known: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()

    async def items(self, content_hash: bytes, kind: type[T]) -> tuple[T, ...]:
        """The items of a blob; raises `ContentMissing`, `DecodeError`."""
        key = (content_hash, kind)
        found = await self._kept(key, content_hash, lambda data: _decoded(data, kind))
        return cast("tuple[T, ...]", found)

    async def rows(self, submission: Any) -> tuple[Row | None, ...]:
        """The rows of a submission's record, each None that was erased.

        Raises `ContentMissing`, and `ContentDamaged` if they are not what it committed to.
        """
        offer = submission.offer
        key = (submission.blob, submission.rows_root, offer.row_count, offer.size_bytes)
        return await self._kept(key, submission.blob, lambda data: _rows(data, submission))

    async def _kept(
        self, key: Hashable, content_hash: bytes, read: Callable[[bytes], tuple[Any, ...]]
    ) -> tuple[Any, ...]:
        if key not in self._known:
            data = await self._sender.get_content(content_hash)
            self._known[key] = await asyncio.to_thread(read, data)
            while len(self._known) > 1 and sum(map(len, self._known.values())) > KEPT_ITEMS_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def _rows(data: bytes, submission: Any) -> tuple[Row | None, ...]:
    rows = rows_in(data, submission)
    if rows is None:
        message = "The rows of a submission are not what it committed to."
        raise ContentDamaged(message, remedy="Its contributor has lost them; the curator refuses.")
    return rows


def _decoded(data: bytes, kind: type[T]) -> tuple[T, ...]:
    codec = codec_of(kind)
    return tuple(codec.decode(item) for item in decode_blob(data, ITEMS_MAX))
