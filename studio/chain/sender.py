"""`Sender`: rehearses and submits calls, with the careful `node.submission`, outside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from node.connection import INCLUSION_TIMEOUT_S, EncodedEvents, NodeConnection
from node.submission import Inclusion, Rehearsal, Submitter, Terms, check_success
from runtime.calls import RuntimeCall
from runtime.events import EventRecord
from runtime.keys import Keypair
from studio.chain.chain import Chain

TERMS = Terms()


class Sender:
    """Brings calls into blocks; each submission runs in a thread of its own."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.connection = NodeConnection(chain.url, decode_events=self._decode)
        self._submitter = Submitter(self.connection)

    def close(self) -> None:
        """Close its connections."""
        self.connection.close()

    async def rehearse(self, call: RuntimeCall, account: bytes) -> Rehearsal:
        """What a call of an account would do; raises `RpcFailed`, `NodeUnreachable`."""
        return await asyncio.to_thread(self._submitter.rehearse, call, account, TERMS)

    async def submit(self, calls: Sequence[RuntimeCall], keypair: Keypair) -> tuple[Inclusion, ...]:
        """Sign, send and wait for the blocks; raises `CallFailed`, `InclusionTimeout`, ..."""
        done = await asyncio.to_thread(
            self._submitter.submit, calls, keypair, TERMS, INCLUSION_TIMEOUT_S
        )
        return tuple(check_success(each) for each in done)

    async def put_content(self, data: bytes) -> bytes:
        """Store bytes beside the chain; returns their hash."""
        return await asyncio.to_thread(self.connection.put_content, data)

    async def get_content(self, content_hash: bytes) -> bytes:
        """The bytes with a hash, checked; raises `ContentMissing`."""
        return await asyncio.to_thread(self.connection.get_content, content_hash)

    def _decode(self, events: EncodedEvents) -> tuple[EventRecord, ...]:
        return self._chain.state.decoder.decode_events(events.encoded)
