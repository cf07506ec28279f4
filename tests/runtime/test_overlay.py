"""The overlay: what is rolled back was never there, and what is touched is counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.codec import decode, encode
from runtime.errors import InvariantViolation
from runtime.overlay import (
    ABSENT,
    EVENTS_PER_CALL_MAX,
    Mark,
    NestedEdit,
    NotReading,
    Overlay,
    ReadOnly,
    WeightExceeded,
)
from runtime.weights import Weight

KEYS = [bytes([number]) * 3 for number in range(6)]
STATE = {KEYS[0]: encode(0), KEYS[1]: encode(b"one"), KEYS[2]: encode(None)}
MISSING = object()


def attached(state: dict[bytes, bytes] | None = None) -> Overlay:
    """An overlay above a state, for writing."""
    overlay = Overlay()
    overlay.attach(STATE if state is None else state, writable=True)
    return overlay


def read(overlay: Overlay, key: bytes) -> Any:
    """The value of a key."""
    return overlay.read(key, decode)


class AgainstDictionaries(RuleBasedStateMachine):
    """A stack of whole copies is the model: every mark pushes one, every rollback pops one."""

    def __init__(self) -> None:
        super().__init__()
        self.overlay = attached()
        self.values: dict[bytes, Any] = {KEYS[0]: 0, KEYS[1]: b"one", KEYS[2]: None}
        self.changed: frozenset[bytes] = frozenset()
        self.events: list[bytes] = []
        self.stack: list[tuple[Mark, dict[bytes, Any], frozenset[bytes], list[bytes]]] = []

    @rule(key=st.sampled_from(KEYS))
    def read(self, key: bytes) -> None:
        """Reads agree."""
        expected = self.values.get(key, MISSING)
        found = self.overlay.read(key, decode)
        assert (found is ABSENT) == (expected is MISSING)
        assert expected is MISSING or found == expected

    @rule(key=st.sampled_from(KEYS), value=st.none() | st.integers(0, 3))
    def write(self, key: bytes, value: int | None) -> None:
        """Set a value; None is one."""
        self.overlay.write(key, value)
        self.values[key] = value
        self.changed |= {key}

    @rule(key=st.sampled_from(KEYS))
    def remove(self, key: bytes) -> None:
        """Remove a value."""
        self.overlay.write(key, ABSENT)
        self.values.pop(key, None)
        self.changed |= {key}

    @rule(event=st.binary(max_size=1))
    def emit(self, event: bytes) -> None:
        """Emit an event."""
        self.overlay.emit(event)
        self.events.append(event)

    @rule()
    def mark(self) -> None:
        """Begin a transaction."""
        copy = (dict(self.values), self.changed, list(self.events))
        self.stack.append((self.overlay.mark(), *copy))

    @precondition(lambda self: self.stack)
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        """Roll back one or several transactions at once."""
        level = data.draw(st.integers(0, len(self.stack) - 1))
        mark, self.values, self.changed, self.events = self.stack[level]
        del self.stack[level:]
        self.overlay.rollback(mark)

    @precondition(lambda self: self.stack)
    @rule()
    def keep(self) -> None:
        """End a transaction: its effects stay in the one around it."""
        self.stack.pop()

    @invariant()
    def changes_agree(self) -> None:
        """The changes are the changed keys, each with its present value."""
        expected = {
            key: encode(self.values[key]) if key in self.values else None for key in self.changed
        }
        assert self.overlay.changes() == expected
        assert self.overlay.events == self.events


TestAgainstDictionaries = AgainstDictionaries.TestCase
TestAgainstDictionaries.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_distinct_keys_are_metered() -> None:
    """A key counts once, however often it is read or written, and whatever was cached before."""
    overlay = attached()
    read(overlay, KEYS[0])
    overlay.meter(Weight(reads=2, writes=1))
    for _ in range(3):
        read(overlay, KEYS[0])
        overlay.write(KEYS[3], 1)
        read(overlay, KEYS[3])
    assert overlay.metered == (2, 1, 0, 0)
    with pytest.raises(WeightExceeded, match="reads more than the 2"):
        read(overlay, KEYS[4])
    with pytest.raises(WeightExceeded, match="writes more than the 1"):
        overlay.write(KEYS[4], 1)
    assert KEYS[4] not in overlay.changes()


def test_hashes_are_metered() -> None:
    """Their number and their bytes, each with its own limit."""
    overlay = attached()
    overlay.meter(Weight(reads=0, writes=0, hashes=2, bytes=10))
    overlay.note_hashes(1, 4)
    assert overlay.metered == (0, 0, 1, 4)
    with pytest.raises(WeightExceeded, match="hashes more than the 10 bytes"):
        overlay.note_hashes(1, 7)
    with pytest.raises(WeightExceeded, match="computes more than the 2 hashes"):
        overlay.note_hashes(1, 0)
    overlay.settle()
    overlay.note_hashes(100, 1_000)


def test_events_of_a_call_are_limited() -> None:
    """A loop that emits without end is stopped; the next call has its own limit."""
    overlay = attached()
    overlay.meter(Weight(reads=1, writes=1))
    for number in range(EVENTS_PER_CALL_MAX):
        overlay.emit(bytes([number % 256]))
    with pytest.raises(WeightExceeded, match="events"):
        overlay.emit(b"")
    overlay.meter(Weight(reads=1, writes=1))
    overlay.emit(b"")
    assert len(overlay.events) == EVENTS_PER_CALL_MAX + 1


def test_an_entry_that_is_edited_cannot_be_changed() -> None:
    """The copy of an open edit would overwrite any other change."""
    overlay = attached()
    overlay.open_edit(KEYS[0])
    with pytest.raises(NestedEdit):
        overlay.open_edit(KEYS[0])
    with pytest.raises(NestedEdit):
        overlay.write(KEYS[0], 1)
    overlay.open_edit(KEYS[1])
    overlay.close_edit(KEYS[0])
    overlay.write(KEYS[0], 1)


def test_reading_only_forbids_writes() -> None:
    """Off-chain code cannot change the state by accident."""
    overlay = Overlay()
    overlay.attach(STATE, writable=False)
    assert read(overlay, KEYS[1]) == b"one"
    with pytest.raises(ReadOnly):
        overlay.write(KEYS[1], 1)


def test_outside_a_block_there_is_no_state() -> None:
    """Before `attach` and after `detach` nothing can be read, and nothing is left over."""
    overlay = Overlay()
    with pytest.raises(NotReading):
        read(overlay, KEYS[0])
    overlay.attach(STATE, writable=True)
    overlay.write(KEYS[0], 1)
    overlay.detach()
    with pytest.raises(NotReading):
        read(overlay, KEYS[0])
    overlay.attach(STATE, writable=True)
    assert read(overlay, KEYS[0]) == 0
    assert overlay.changes() == {}


def test_one_overlay_serves_one_block_at_a_time() -> None:
    """Reading through a runtime that is executing is a bug, not a race."""
    overlay = attached()
    with pytest.raises(InvariantViolation, match="one runtime for each"):
        overlay.attach({}, writable=False)


def test_a_call_inside_a_hook_has_an_account_of_its_own() -> None:
    """Its limits are its own, and what it takes does not count for the hook, even if it fails."""
    overlay = attached({})
    overlay.meter(Weight(reads=1, writes=1))
    overlay.write(b"a", 1)
    with overlay.metered_apart(Weight(reads=0, writes=2)):
        overlay.write(b"b", 1)
        overlay.write(b"c", 1)
        with pytest.raises(WeightExceeded):
            overlay.write(b"d", 1)
    with pytest.raises(ZeroDivisionError), overlay.metered_apart(Weight(reads=0, writes=0)):
        _ = 1 // 0
    assert overlay.metered[:2] == (0, 1)
    with pytest.raises(WeightExceeded):
        overlay.write(b"e", 1)
