"""The node's part of a withdrawal: content that the chain says is erased goes from the disk.

The height up to which this is done is kept beside the content, so that a node that was away, or
that joined later, catches up.
"""

from __future__ import annotations

from pathlib import Path

import structlog
import trio

from node.chain import Chain
from node.content import ContentStore
from node.errors import ContentError
from node.files import write_atomically
from pallets.data_rights.pallet import DataRights
from runtime.cbor import encode_plain
from runtime.state.history import Pruned

MARK = "erased-up-to"
MARK_EVERY_BLOCKS = 256
"""The mark is written so often, and after each erasure: a crash costs looking at a few again."""
_ERASED = DataRights.Erased.event_definition
_ENCODED_PLACE = encode_plain(_ERASED.pallet_index) + encode_plain(_ERASED.index)
"""The bytes that every erasure has among a block's events, which are decoded only then."""
_log = structlog.get_logger()


async def erase_withdrawn(chain: Chain, content: ContentStore, directory: Path) -> None:
    """Erase what finalised blocks say, block after block, until cancelled."""
    mark = directory / MARK
    marked = done = int(mark.read_text()) if mark.exists() else 0
    while True:
        head = chain.head.height
        if head > done:
            first = max(done + 1, chain.store.kept.blocks)
            erased = await trio.to_thread.run_sync(_erase_between, chain, content, first, head)
            done = head
            if erased or done - marked >= MARK_EVERY_BLOCKS:
                await trio.to_thread.run_sync(
                    write_atomically, mark, str(done).encode(), directory / "incoming"
                )
                marked = done
        await chain.advanced.wait()


def _erase_between(chain: Chain, content: ContentStore, first: int, last: int) -> int:
    """Erase what some blocks say; returns of how many blobs that was.

    What was said in blocks that are not kept was done before they were pruned, or by a node that
    had nothing yet.
    """
    erased = 0
    for height in range(first, last + 1):
        try:
            for blob in _erased_at(chain, height):
                _erase(content, blob, height)
                erased += 1
        except Pruned:
            continue
    return erased


def _erased_at(chain: Chain, height: int) -> list[bytes]:
    if _ENCODED_PLACE not in (chain.store.events(height) or b""):
        return []
    events = [each for some in chain.events_at(height).by_extrinsic.values() for each in some]
    return [
        each.fields["blob"]
        for each in events
        if (each.pallet, each.name) == (_ERASED.pallet, _ERASED.name) and each.fields["is_last"]
    ]


def _erase(content: ContentStore, blob: bytes, height: int) -> None:
    try:
        was_here = content.erase(blob)
    except ContentError as error:
        _log.error("content not erased", reason=error.message, remedy=error.remedy)
    else:
        _log.info("content erased", blob=blob.hex(), height=height, was_here=was_here)
