"""What lies beside the chain: rows, records, scores, receipts, transcripts; fetched once and kept.

Content never changes under its hash, so what was decoded stays right; the least used goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, TypeVar, cast

from runtime.codec import codec_of
from runtime.wire.blobs import decode_blob
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
        self._known: OrderedDict[tuple[bytes, type], tuple[Any, ...]] = OrderedDict()

    async def items(self, content_hash: bytes, kind: type[T]) -> tuple[T, ...]:
        """The items of a blob; raises `ContentMissing`, `DecodeError`."""
        key = (content_hash, kind)
        if key not in self._known:
            data = await self._sender.get_content(content_hash)
            self._known[key] = await asyncio.to_thread(_decoded, data, kind)
            while len(self._known) > 1 and sum(map(len, self._known.values())) > KEPT_ITEMS_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return cast("tuple[T, ...]", self._known[key])


def _decoded(data: bytes, kind: type[T]) -> tuple[T, ...]:
    codec = codec_of(kind)
    return tuple(codec.decode(item) for item in decode_blob(data, ITEMS_MAX))
