"""The changes of the block in progress, above the state it started from.

One table holds the plain data of every key read or written; a journal remembers what each write
replaced.  `mark` and `rollback` nest like transactions and are exact: values, the list of changed
keys and events all return to what they were (prior art: the journal of go-ethereum's StateDB).

Values are immutable plain data and are encoded once, when the block ends.  Reads and writes are
metered as distinct keys: what costs is the access to the store, not the look-up in the table.
Nothing may depend on what the table already holds: metering looks at the call alone.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Protocol

from runtime.cbor import Plain, encode_plain, parse
from runtime.errors import DecodeError, DispatchError, InvariantViolation, OpenLedgerError

EVENTS_PER_CALL_MAX = 4_096
"""The most events of one call or hook."""


class StateReader(Protocol):
    """The state before the block: a store, or a dictionary of encoded values."""

    def get(self, key: bytes, /) -> bytes | None:
        """The encoded value of a storage key, or None."""


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
_UNLIMITED: Final = 2**32

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
        "_changed",
        "_events",
        "_events_most",
        "_journal",
        "_open_edits",
        "_reads",
        "_reads_most",
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
        self._values: dict[bytes, Plain] = {}
        self._changed: dict[bytes, None] = {}
        self._journal: list[tuple[bytes, Plain, bool]] = []
        self._events: list[Any] = []
        self._open_edits: dict[bytes, None] = {}
        self.meter(_UNLIMITED, _UNLIMITED, _UNLIMITED)

    # Metering

    def meter(self, reads: int, writes: int, events: int = EVENTS_PER_CALL_MAX) -> None:
        """Start a new account of keys touched and events, with the most that may be."""
        self._reads: set[bytes] = set()
        self._writes: set[bytes] = set()
        self._reads_most = reads
        self._writes_most = writes
        self._events_most = len(self._events) + events

    @property
    def metered(self) -> tuple[int, int]:
        """The distinct keys read and written since `meter`."""
        return len(self._reads), len(self._writes)

    # Values

    def read(self, key: bytes) -> Plain:
        """The plain data of a key, or `ABSENT`."""
        if key not in self._reads:
            self._note_read(key)
        value = self._values.get(key, _UNKNOWN)
        if value is _UNKNOWN:
            encoded = self._state.get(key)
            value = ABSENT if encoded is None else _parse_stored(encoded)
            self._values[key] = value
        return value

    def write(self, key: bytes, plain: Plain) -> None:
        """Set a key to plain data that its codec has checked, or remove it with `ABSENT`."""
        if self._open_edits and key in self._open_edits:
            raise _nested_edit()
        if key not in self._writes:
            self._note_write(key)
        changed = key in self._changed
        self._journal.append((key, self._values.get(key, _UNKNOWN), changed))
        self._values[key] = plain
        if not changed:
            self._changed[key] = None

    def open_edit(self, key: bytes) -> None:
        """Note that a copy of the key's value is being edited; raises `NestedEdit`."""
        if key in self._open_edits:
            raise _nested_edit()
        self._open_edits[key] = None

    def close_edit(self, key: bytes) -> None:
        """Note that the copy is written back or thrown away."""
        del self._open_edits[key]

    def emit(self, event: Any) -> None:
        """Append an event of the current extrinsic or hook."""
        if len(self._events) >= self._events_most:
            raise WeightExceeded(
                f"The call emits more than the {EVENTS_PER_CALL_MAX} events it may.",
                remedy="Split the call into smaller ones.",
            )
        self._events.append(event)

    # Transactions

    def mark(self) -> Mark:
        """The present as a point to roll back to; marks nest."""
        return len(self._journal), len(self._events)

    def rollback(self, mark: Mark) -> None:
        """Undo every write and event since `mark`."""
        journal_length, events_length = mark
        while len(self._journal) > journal_length:
            key, previous, changed = self._journal.pop()
            if previous is _UNKNOWN:
                del self._values[key]
            else:
                self._values[key] = previous
            if not changed:
                del self._changed[key]
        del self._events[events_length:]

    @property
    def events(self) -> list[Any]:
        """The events so far, in order."""
        return self._events

    def changes(self) -> dict[bytes, bytes | None]:
        """Every changed key, sorted, with its encoded value or None where it was removed."""
        values = self._values
        return {
            key: None if values[key] is ABSENT else encode_plain(values[key])
            for key in sorted(self._changed)
        }

    def _note_read(self, key: bytes) -> None:
        self._reads.add(key)
        if len(self._reads) > self._reads_most:
            raise WeightExceeded(
                f"The call reads more than the {self._reads_most} storage entries it declares.",
                remedy="Report it to the pallet's author: its Weight is too small.",
            )

    def _note_write(self, key: bytes) -> None:
        if not self._writable:
            raise ReadOnly(
                "Storage cannot be written outside a block.",
                remedy="Submit an extrinsic that makes the change.",
            )
        self._writes.add(key)
        if len(self._writes) > self._writes_most:
            raise WeightExceeded(
                f"The call writes more than the {self._writes_most} storage entries it declares.",
                remedy="Report it to the pallet's author: its Weight is too small.",
            )


def _parse_stored(encoded: bytes) -> Plain:
    try:
        return parse(encoded)
    except DecodeError as error:
        # The bytes are ours: a call must not fail where another node's succeeds.
        message = f"A stored value is damaged: {error.message}"
        raise InvariantViolation(message, remedy="Restore the data directory.") from error


def _nested_edit() -> NestedEdit:
    return NestedEdit(
        "The call changes one storage entry twice at once.",
        remedy="Name two different accounts or items.",
    )
