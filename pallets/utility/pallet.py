"""Several calls in one extrinsic.

A batch is signed once and has one nonce.  Its weight is the sum of its calls'.  Only calls that the
signer may make alone can be in it: a batch never changes who makes a call.  The chain itself has
batches, too: a referendum can carry several calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from runtime import (
    U32,
    Event,
    Max,
    Pallet,
    Root,
    RuntimeCall,
    ShortText,
    Signed,
    Weight,
    call,
)
from runtime.types import Marker

BATCH_CALLS_MAX = 64
"""The most calls of one batch."""
CALL_BYTES_MAX = 8_192
"""The largest encoded call of a batch."""
BATCH_NS = 20_000
"""Reference cost of a batch beside its calls, in nanoseconds."""

Calls = Annotated[tuple[Annotated[RuntimeCall, Max(CALL_BYTES_MAX)], ...], Max(BATCH_CALLS_MAX)]


def weight_of(calls: Sequence[RuntimeCall]) -> Weight:
    """Return the weight of making all calls."""
    return sum((each.weight() for each in calls), Weight(reads=0, writes=0, time_ns=BATCH_NS))


class Utility(Pallet, index=1):
    """Several calls in one extrinsic."""

    # Events

    class BatchCompleted(Event):
        """All calls of a batch were made."""

        calls: U32

    class BatchInterrupted(Event):
        """A call of a batch failed; those before it stay, and the others were not made."""

        position: U32
        error: ShortText

    # Calls

    @call(0, weight=weight_of)
    def batch(self, sender: Signed, calls: Calls) -> None:
        """Make calls until one fails; those before it stay."""
        for position, each in enumerate(calls):
            failure = self.attempt(each, sender)
            if failure is not None:
                self.emit(self.BatchInterrupted(position=position, error=failure.error))
                return
        self.emit(self.BatchCompleted(calls=len(calls)))

    @call(1, weight=weight_of)
    def batch_all(self, sender: Signed, calls: Calls) -> None:
        """Make all calls, or none of them."""
        for each in calls:
            self.dispatch(each, sender)
        self.emit(self.BatchCompleted(calls=len(calls)))

    @call(2, weight=weight_of, operational=True)
    def dispatch_all(self, _origin: Root, calls: Calls) -> None:
        """Make all calls on behalf of the chain itself, or none of them."""
        for each in calls:
            self.dispatch(each, Marker.ROOT)
        self.emit(self.BatchCompleted(calls=len(calls)))
