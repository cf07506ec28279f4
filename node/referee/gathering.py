"""A client that keeps what it reads: content that the own node lacks is fetched from others.

So to have read all that a result names is to hold it.  Every blob is checked against its hash,
whoever it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import structlog

from node.client import NodeClient
from node.errors import ClientError, ContentDamaged, ContentMissing

_log = structlog.get_logger("referee")


class GatheringClient(NodeClient):
    """A client of the validator's own node, and of others that may have what it lacks."""

    def __init__(self, url: str, sources: Sequence[str] = ()) -> None:
        """Prepare to talk to the own node at `url`, and to those at `sources` where it lacks."""
        super().__init__(url)
        self._stack = ExitStack()
        self._sources = [
            self._stack.enter_context(NodeClient(source, patience_s=0.0)) for source in sources
        ]

    def close(self) -> None:
        """Close the connections to all nodes."""
        self._stack.close()
        super().close()

    def get_content(self, content_hash: bytes) -> bytes:
        """The bytes with this hash, which the own node has from now on.

        Raises `ContentMissing` where no node that is asked has them.
        """
        try:
            return super().get_content(content_hash)
        except ContentMissing:
            data = self._gather(content_hash)
            if data is None:
                raise
        self.put_content(data)
        return data

    def _gather(self, content_hash: bytes) -> bytes | None:
        for source in self._sources:
            try:
                return source.get_content(content_hash)
            except ContentMissing:
                continue
            except (ClientError, ContentDamaged) as error:
                _log.info("source passed over", url=source.url, error=error.message)
        return None
