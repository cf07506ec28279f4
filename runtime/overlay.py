"""The changes of the block in progress, above the state it started from.

One table holds the plain data of every key written, another what was read of the state; a journal
remembers what each write replaced.  `mark` and `rollback` nest like transactions and are exact: the
values, which keys are changed, and events all return to what they were (prior art: the journal of
go-ethereum's StateDB).

Values are immutable plain data and are encoded once, when the block ends.  Reads and writes are
metered as distinct keys: what costs is the access to the store, not the look-up in the table.
Nothing may depend on what the tables already hold: metering looks at the call alone.  What was read
is therefore kept from block to block where the state is a `CachedState`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final, Protocol, cast

from runtime.cbor import Plain, encode_plain
from runtime.errors import DispatchError, InvariantViolation, OpenLedgerError
from runtime.weights import Weight

EVENTS_PER_CALL_MAX = 4_096
"""The most events of one call or hook."""


class StateReader(Protocol):
    """The state before the block: a store, or a dictionary of encoded values."""

    def get(self, key: bytes, /) -> bytes | None:
        """The encoded value of a storage key, or None."""


class ScannableState(StateReader, Protocol):
    """A state whose keys can be listed: what migrations need."""

    def keys(self, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """The first `limit` keys with `prefix` that follow `after`, in order."""


class WeightExceeded(DispatchError):
    """A call reads, writes or emits more than it declares."""


class NestedEdit(DispatchError):
    """A call changes a storage entry that it is already editing."""


class ReadOnly(OpenLedgerError):
    """Storage is written outside a block."""


class NotReading(OpenLedgerError):
    """Storage is used outside a block and outside `Runtime.reading`."""


class Absence(Enum):
    """What a storage key without a value holds; None is a value like any other."""

    ABSENT = "absent"


ABSENT: Final = Absence.ABSENT
_UNKNOWN: Final = object()
UNLIMITED: Final = Weight(2**32, 2**32, 2**32, 2**48)
"""The meter of what is not a call or a hook."""

Mark = tuple[int, int]
"""A point to roll back to: lengths of the journal and of the events."""


class _Detached:
    """The state of an overlay that is in no block."""

    def get(self, _key: bytes, /) -> bytes | None:
        raise NotReading(
            "Pallet storage has no state outside a block.",
            remedy="Read it inside `with runtime.reading(state):`.",
        )


class Overlay:
    """The working state of one runtime; `attach` begins, `detach` ends."""

    __slots__ = (
        "_bytes",
        "_events",
        "_events_most",
        "_hashes",
        "_journal",
        "_most",
        "_open_edits",
        "_reads",
        "_reads_most",
        "_remembered",
        "_state",
        "_values",
        "_writable",
        "_writes",
        "_writes_most",
        "attached",
    )

    def __init__(self) -> None:
        self._reset(_Detached(), writable=False)
        self.attached = False

    def attach(self, state: StateReader, *, writable: bool) -> None:
        """Begin above `state`; raises `InvariantViolation` when a block is in progress."""
        if self.attached:
            raise InvariantViolation(
                "The runtime is used while it is executing or reading already.",
                remedy="Compose one runtime for each thread or reader.",
            )
        self._reset(state, writable=writable)
        self.attached = True

    def detach(self) -> None:
        """Forget everything that was not taken by `changes`."""
        self._reset(_Detached(), writable=False)
        self.attached = False

    def _reset(self, state: StateReader, *, writable: bool) -> None:
        self._state = state
        self._writable = writable
        # What was written, and what was only read: the former is what a block changes.
        self._values: dict[bytes, Plain] = {}
        self._remembered: dict[bytes, Plain] = getattr(state, "plain", {})
        self._journal: list[tuple[bytes, Plain]] = []
        self._events: list[bytes] = []
        self._open_edits: dict[bytes, None] = {}
        self.meter(UNLIMITED, UNLIMITED.reads)

    # Metering

    def meter(self, most: Weight, events: int = EVENTS_PER_CALL_MAX) -> None:
        """Start a new account of what a call or hook takes, with the most that may be."""
        self._reads: set[bytes] = set()
        self._writes: set[bytes] = set()
        self._hashes = 0
        self._bytes = 0
        self._most = most
        self._reads_most = most.reads
        self._writes_most = most.writes if self._writable else 0
        self._events_most = len(self._events) + events

    @contextmanager
    def metered_apart(self, most: Weight) -> Iterator[None]:
        """Keep an account of its own for what is done inside; the one in progress goes on after."""
        reads, writes = self._reads, self._writes
        hashes, hashed_bytes, limits = self._hashes, self._bytes, self._most
        reads_most, writes_most = self._reads_most, self._writes_most
        events_left = self._events_most - len(self._events)
        self.meter(most, events=min(events_left, EVENTS_PER_CALL_MAX))
        try:
            yield
        finally:
            events_most = len(self._events) + events_left
            self._reads, self._writes = reads, writes
            self._hashes, self._bytes, self._most = hashes, hashed_bytes, limits
            self._reads_most, self._writes_most = reads_most, writes_most
            self._events_most = events_most

    def settle(self) -> None:
        """End the account of a call or hook: no limits, and nothing before is rolled back."""
        self._journal.clear()
        self._most = UNLIMITED
        self._reads_most = UNLIMITED.reads
        self._writes_most = UNLIMITED.writes
        self._events_most = UNLIMITED.reads

    @property
    def metered(self) -> tuple[int, int, int, int]:
        """Distinct keys read and written, hashes, and bytes hashed, since `meter`."""
        return len(self._reads), len(self._writes), self._hashes, self._bytes

    def note_hashes(self, count: int, size_bytes: int) -> None:
        """Note that the call is about to hash; raises `WeightExceeded`."""
        self._hashes += count
        self._bytes += size_bytes
        if self._hashes > self._most.hashes:
            raise _weight_exceeded("computes", self._most.hashes, "hashes")
        if self._bytes > self._most.bytes:
            raise _weight_exceeded("hashes", self._most.bytes, "bytes")

    # Values

    def read(self, key: bytes, load: Callable[[bytes], Plain]) -> Plain:
        """The plain data of a key, or `ABSENT`; `load` decodes and checks what the state holds."""
        reads = self._reads
        reads.add(key)
        if len(reads) > self._reads_most:
            raise _weight_exceeded("reads", self._reads_most, "storage entries")
        value = self._values.get(key, _UNKNOWN)
        if value is _UNKNOWN:
            value = self._remembered.get(key, _UNKNOWN)
            if value is _UNKNOWN:
                encoded = self._state.get(key)
                value = ABSENT if encoded is None else load(encoded)
                self._remembered[key] = value
        return value

    def write(self, key: bytes, plain: Plain) -> None:
        """Set a key to plain data that its codec has checked, or remove it with `ABSENT`."""
        if key in self._open_edits:
            raise _nested_edit()
        writes = self._writes
        writes.add(key)
        if len(writes) > self._writes_most:
            if not self._writable:
                raise _read_only()
            raise _weight_exceeded("writes", self._writes_most, "storage entries")
        values = self._values
        self._journal.append((key, values.get(key, _UNKNOWN)))
        values[key] = plain

    def scan(self, prefix: bytes, cursor: bytes, limit: int) -> list[bytes]:
        """The first `limit` keys with `prefix` behind `cursor` that the state had before."""
        return cast("ScannableState", self._state).keys(prefix, cursor or None, limit)

    def open_edit(self, key: bytes) -> None:
        """Note that a copy of the key's value is being edited; raises `NestedEdit`."""
        if key in self._open_edits:
            raise _nested_edit()
        self._open_edits[key] = None

    def close_edit(self, key: bytes) -> None:
        """Note that the copy is written back or thrown away."""
        del self._open_edits[key]

    def emit(self, event: bytes) -> None:
        """Append an encoded event of the current extrinsic or hook."""
        if len(self._events) >= self._events_most:
            raise WeightExceeded(
                f"The call emits more than the {EVENTS_PER_CALL_MAX} events it may.",
                remedy="Split the call into smaller ones.",
            )
        self._events.append(event)

    # Transactions

    def mark(self) -> Mark:
        """The present as a point to roll back to, until `settle`; marks nest."""
        return len(self._journal), len(self._events)

    def rollback(self, mark: Mark) -> None:
        """Undo every write and event since `mark`."""
        journal_length, events_length = mark
        values = self._values
        while len(self._journal) > journal_length:
            key, previous = self._journal.pop()
            if previous is _UNKNOWN:
                del values[key]
            else:
                values[key] = previous
        del self._events[events_length:]

    @property
    def events(self) -> list[bytes]:
        """The encoded events so far, in order."""
        return self._events

    @property
    def changed(self) -> dict[bytes, Plain]:
        """The plain data of every changed key, or `ABSENT` where it was removed."""
        return self._values

    def changes(self) -> dict[bytes, bytes | None]:
        """Every changed key, with its encoded value or None where it was removed."""
        return {
            key: None if plain is ABSENT else encode_plain(plain)
            for key, plain in self._values.items()
        }


def _read_only() -> ReadOnly:
    return ReadOnly(
        "Storage cannot be written outside a block.",
        remedy="Submit an extrinsic that makes the change.",
    )


def _weight_exceeded(verb: str, most: int, what: str) -> WeightExceeded:
    return WeightExceeded(
        f"The call {verb} more than the {most} {what} it declares.",
        remedy="Report it to the pallet's author: its Weight is too small.",
    )


def _nested_edit() -> NestedEdit:
    return NestedEdit(
        "The call changes one storage entry twice at once.",
        remedy="Name two different accounts or items.",
    )
