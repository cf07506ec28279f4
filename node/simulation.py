"""What a call of the chain would do: carried out on a fork of the live state, in memory.

The fork reads the state of one height from the node, as far as the call needs it.  There the call
is scheduled for the next block, as an approved referendum would be, and the block is executed with
it and without: what the two leave differently is the call's.  The node notices nothing but reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from node.client import NodeClient
from node.errors import ClientError
from node.map_keys import decode_map_key
from pallets.balances.pallet import Balances
from pallets.preimage.pallet import Preimage
from pallets.preimage.types import Status
from pallets.scheduler.pallet import Scheduler
from pallets.scheduler.types import TASKS_MAX, Task
from runtime.block import BlockContext
from runtime.calls import RuntimeCall
from runtime.cbor import encode
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.hashing import hash_call
from runtime.outcome import BlockOutcome
from runtime.parameters import Parameter
from runtime.storage import PREFIX_BYTES, Map, StorageItem
from runtime.types import Marker, Track

_NAME = "simulation"
_NUMBER = 2**64 - 1
"""Of a task that no chain will have."""
_OWN_PALLETS = ("Scheduler", "Preimage")
"""Whose storage only says that the call was scheduled."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A storage entry that the call leaves otherwise."""

    item: str
    """`Pallet.item`."""
    key: Any
    """None for an item that is one value."""
    before: Any
    after: Any
    is_parameter: bool


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a call would do in the block after `height`."""

    height: int
    error: str
    """Why it would fail; empty if it would not."""
    message: str
    events: tuple[EventRecord, ...]
    storage: tuple[Difference, ...]
    issuance_before: int
    """In units of 10**-18 OPEN."""
    issuance_after: int


class Fork:
    """The state of one height of a node, with changes on top; values are asked for once."""

    def __init__(self, client: NodeClient, height: int) -> None:
        self._client = client
        self._height = height
        self._values: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The encoded value of a storage key."""
        if key not in self._values:
            value = self._client.call("state_getStorage", key.hex(), self._height)
            self._values[key] = None if value is None else bytes.fromhex(value)
        return self._values[key]

    def changed(self, changes: Mapping[bytes, bytes]) -> Fork:
        """The same fork with some entries replaced."""
        other = Fork(self._client, self._height)
        other._values = {**self._values, **changes}  # of the same class
        return other


def simulate(client: NodeClient, call: RuntimeCall, track: str | None) -> Simulation:
    """Carry a call out on behalf of a track of governance; None: of the chain itself.

    Raises `BadOrigin` for a call that the track may not make.
    """
    runtime, header = client.runtime, client.head().header
    runtime.require_origin(call, Marker.ROOT if track is None else Track(track))
    fork = Fork(client, header.height)
    context = BlockContext(
        height=header.height + 1,
        time_ms=header.time_ms + 1,
        proposer=header.proposer,
        beacon=header.beacon,
        parent_hash=header.id(),
    )
    without, outcome = (
        runtime.execute(state, context, client.genesis_hash, (), skip_invalid=True)
        for state in (fork, fork.changed(_scheduled(fork, call, track)))
    )
    made, events = _what_was_made(outcome)
    before, after = (_issuance(fork, each) for each in (without, outcome))
    return Simulation(
        height=header.height,
        error=made.fields["error"],
        message=made.fields["message"],
        events=events,
        storage=tuple(_differences(runtime, fork, without, outcome)),
        issuance_before=before,
        issuance_after=after,
    )


def _scheduled(fork: Fork, call: RuntimeCall, track: str | None) -> dict[bytes, bytes]:
    """The entries that let the next block make the call before everything else."""
    call_hash = hash_call(encode(call.to_plain()))
    known = fork.get(Preimage.statuses.storage_key(call_hash))
    status = Status() if known is None else Preimage.statuses.codec.decode(known)
    status.requests += 1
    waiting = fork.get(Scheduler.queue.prefix)
    queue = () if waiting is None else Scheduler.queue.codec.decode(waiting)
    task = Task(0, call_hash, track, _NAME)
    return {
        Preimage.calls.storage_key(call_hash): Preimage.calls.codec.encode(call),
        Preimage.statuses.storage_key(call_hash): Preimage.statuses.codec.encode(status),
        Scheduler.queue.prefix: Scheduler.queue.codec.encode(
            ((0, _NUMBER), *queue[: TASKS_MAX - 1])
        ),
        Scheduler.tasks.storage_key(_NUMBER): Scheduler.tasks.codec.encode(task),
        Scheduler.names.storage_key(_NAME): Scheduler.names.codec.encode(_NUMBER),
    }


def _what_was_made(outcome: BlockOutcome) -> tuple[EventRecord, tuple[EventRecord, ...]]:
    """The event that says what became of the call, and those of the call itself."""
    events = list[EventRecord]()
    for event in outcome.events:
        if (event.pallet, event.name) == ("Scheduler", "Made"):
            if event.fields["task"] == _NUMBER:
                return event, tuple(events)
            events = []
        elif event.pallet not in _OWN_PALLETS:
            events.append(event)
    message = "The scheduler did not make the call."
    raise ClientError(message, remedy="Ask a node of this spec version, and report it.")


def _issuance(fork: Fork, outcome: BlockOutcome) -> int:
    encoded = outcome.changes.get(Balances.issuance.prefix) or fork.get(Balances.issuance.prefix)
    return 0 if encoded is None else Balances.issuance.codec.decode(encoded)


def _differences(
    runtime: Runtime, fork: Fork, without: BlockOutcome, outcome: BlockOutcome
) -> Iterator[Difference]:
    """What the block leaves otherwise because of the call, by the names of items."""
    items = {
        item.prefix: item
        for pallet in runtime.pallets.values()
        for item in pallet.definition.storage.values()
    }
    for key in sorted(without.changes.keys() | outcome.changes.keys()):
        before, after = (
            each.changes[key] if key in each.changes else fork.get(key)
            for each in (without, outcome)
        )
        item = items[key[:PREFIX_BYTES]]
        if before != after and item.place.pallet not in _OWN_PALLETS:
            yield Difference(
                item=str(item.place),
                key=_key_of(item, key),
                before=_decoded(item, before),
                after=_decoded(item, after),
                is_parameter=isinstance(item, Parameter),
            )


def _key_of(item: StorageItem, key: bytes) -> Any:
    return decode_map_key(item.key_codec, key[PREFIX_BYTES:]) if isinstance(item, Map) else None


def _decoded(item: StorageItem, encoded: bytes | None) -> Any:
    """The value, or what an item without an entry has."""
    if encoded is not None:
        return item.codec.decode(encoded)
    if isinstance(item, Map):
        return item.default[0] if item.default else None
    return item.default
