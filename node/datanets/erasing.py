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

MARK = "erased-up-to"
_log = structlog.get_logger()


async def erase_withdrawn(chain: Chain, content: ContentStore, directory: Path) -> None:
    """Erase what finalised blocks say, block after block, until cancelled."""
    mark = directory / MARK
    done = int(mark.read_text()) if mark.exists() else 0
    while True:
        head = chain.head.height
        if head > done:
            await trio.to_thread.run_sync(_erase_between, chain, content, done + 1, head)
            await trio.to_thread.run_sync(
                write_atomically, mark, str(head).encode(), directory / "incoming"
            )
            done = head
        await chain.advanced.wait()


def _erase_between(chain: Chain, content: ContentStore, first: int, last: int) -> None:
    for height in range(first, last + 1):
        for events in chain.events_at(height).by_extrinsic.values():
            for event in events:
                is_erasure = (event.pallet, event.name) == ("DataRights", "Erased")
                if is_erasure and event.fields["is_last"]:
                    _erase(content, event.fields["blob"], height)


def _erase(content: ContentStore, blob: bytes, height: int) -> None:
    try:
        was_here = content.erase(blob)
    except ContentError as error:
        _log.error("content not erased", reason=error.message, remedy=error.remedy)
    else:
        _log.info("content erased", blob=blob.hex(), height=height, was_here=was_here)
