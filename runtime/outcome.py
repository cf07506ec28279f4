"""What a block does: changes of the state, results and events, and the roots of the latter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from runtime.cbor import Plain
from runtime.dispatch import ExtrinsicResult
from runtime.errors import InvalidTransaction
from runtime.events import EventCodec, EventRecord, join
from runtime.merkle import list_root

LEAF_ITEMS = 16
"""How many extrinsics or events one leaf of a block's lists has."""


@dataclass(frozen=True)
class BlockOutcome:
    """The effects of a block."""

    changes: dict[bytes, bytes | None]
    """None removes a key."""
    changed: Mapping[bytes, Plain]
    """The plain data of the same keys, for `CachedState.advance`."""
    included: tuple[bytes, ...]
    """The encoded extrinsics of the block."""
    results: tuple[ExtrinsicResult, ...]
    event_encodings: tuple[bytes, ...]
    """Each event's canonical bytes: what `events_root` commits to."""
    event_codec: EventCodec = field(compare=False, repr=False)
    """Of the runtime that made them."""
    left_out: Mapping[bytes, InvalidTransaction]
    """Why an extrinsic did not enter, by its hash; `BlockFull` for one that may enter later."""

    @cached_property
    def events(self) -> tuple[EventRecord, ...]:
        """The events as watchers see them."""
        return self.event_codec.records(self.event_encodings)

    @cached_property
    def encoded_events(self) -> bytes:
        """What the store keeps and `Runtime.decode_events` reads."""
        return join(self.event_encodings)

    @cached_property
    def extrinsics_root(self) -> bytes:
        """The Merkle list of the hashes of the included extrinsics, by 16, 32 bytes."""
        return list_root(in_leaves([result.extrinsic_hash for result in self.results]))

    @cached_property
    def events_root(self) -> bytes:
        """The Merkle list of the events' encodings, by 16, 32 bytes."""
        return list_root(in_leaves(self.event_encodings))


def in_leaves(items: Sequence[bytes]) -> list[bytes]:
    """Return the leaves of a block's list: the canonical arrays of 16 items each.

    A leaf of one item would cost four times the hashing, and save little of a proof.
    """
    return [join(items[start : start + LEAF_ITEMS]) for start in range(0, len(items), LEAF_ITEMS)]
