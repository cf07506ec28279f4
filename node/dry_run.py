"""Dry runs: what an extrinsic would do in a block on the head, without a trace.

The extrinsic is executed by a runtime of its own in a worker thread, in a block with nothing else,
and so is an empty block: what the two leave differently is the extrinsic's.  It runs as the next of
its sender whatever its nonce, with the head's randomness, and its signature is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import trio

from node.chain import Chain
from node.errors import Busy
from runtime.block import BlockContext, Header
from runtime.dispatch import ExtrinsicResult
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import CheckedExtrinsic
from runtime.outcome import BlockOutcome
from runtime.state.history import StateAt

WAITING_MAX = 16
"""Dry runs that may wait for the one that runs; each takes as long as its call."""


@dataclass(frozen=True, slots=True)
class StorageDifference:
    """A storage key that the extrinsic leaves otherwise."""

    key: bytes
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What an extrinsic would do."""

    extrinsic: CheckedExtrinsic
    result: ExtrinsicResult
    events: tuple[EventRecord, ...]
    storage: tuple[StorageDifference, ...]


class DryRunner:
    """Executes extrinsics one at a time, for as many as may wait."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._turn = trio.CapacityLimiter(1)
        self._waiting = 0

    async def run(self, raw: bytes) -> Rehearsed:
        """Execute an extrinsic on the head.

        Raises `DecodeError` and `InvalidTransaction` for what no block would take, `Busy`, and
        `StorageMigrating`.
        """
        claimed, _ = self._chain.open_extrinsic(raw)
        extrinsic = claimed._replace(nonce=self._chain.nonce_of(claimed.signer))
        if self._waiting >= WAITING_MAX:
            message = f"{WAITING_MAX} dry runs are waiting already."
            raise Busy(message, remedy="Send it again in a few seconds.")
        self._waiting += 1
        try:
            head = self._chain.head
            return await trio.to_thread.run_sync(
                self._rehearse, extrinsic, head, limiter=self._turn
            )
        finally:
            self._waiting -= 1

    @cached_property
    def _runtime(self) -> Runtime:
        # Not at the start: it takes longer than many a node waits for its first dry run.
        return self._chain.spec.runtime()

    def _rehearse(self, extrinsic: CheckedExtrinsic, head: Header) -> Rehearsed:
        state = self._chain.store.state_at(head.height)
        without = self._execute(state, head, ())
        outcome = self._execute(state, head, (extrinsic,))
        if extrinsic.hash in outcome.left_out:
            raise outcome.left_out[extrinsic.hash]
        index = len(outcome.included) - 1
        return Rehearsed(
            extrinsic,
            outcome.results[index],
            tuple(each for each in outcome.events if each.extrinsic_index == index),
            tuple(_differences(state, without, outcome)),
        )

    def _execute(
        self, state: StateAt, head: Header, extrinsics: Sequence[CheckedExtrinsic]
    ) -> BlockOutcome:
        context = BlockContext(
            height=head.height + 1,
            time_ms=head.time_ms + 1,
            proposer=head.proposer,
            beacon=head.beacon,
            parent_hash=head.id(),
        )
        return self._runtime.execute(
            state, context, self._chain.genesis_hash, extrinsics, skip_invalid=True
        )


def _differences(
    state: StateAt, without: BlockOutcome, outcome: BlockOutcome
) -> list[StorageDifference]:
    found = []
    for key in sorted(without.changes.keys() | outcome.changes.keys()):
        before, after = (
            each.changes[key] if key in each.changes else state.get(key)
            for each in (without, outcome)
        )
        if before != after:
            found.append(StorageDifference(key, before, after))
    return found
