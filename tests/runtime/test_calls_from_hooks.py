"""Calls that a hook makes: metered by their own weight, and no failure of theirs is the block's."""

from __future__ import annotations

from typing import ClassVar

import pytest

from runtime import U32, Error, Pallet, Root, Runtime, ShortText, Value, Weight, call, on_initialize
from runtime.block import BlockContext
from runtime.errors import InvariantViolation
from runtime.types import Marker
from tests.runtime.token_pallet import Balances, System

CONTEXT = BlockContext(1, 1_000, bytes([9]) * 32, bytes(32), bytes(32))


class Bell(Pallet, index=8):
    """Rings at the beginning of each block, and remembers how that went."""

    mode = Value[U32](0)
    rung = Value[U32](0)
    heard = Value[ShortText]("nothing yet")

    class Cracked(Error):
        """The bell does not ring."""

        remedy: ClassVar[str] = "Cast another."

    @call(0, weight=Weight(reads=1, writes=1))
    def ring(self, _origin: Root, mode: U32) -> None:
        """As the mode says: well, not at all, for too long, or so that nothing may go on."""
        self.rung.put(self.rung.get() + 1)
        if mode == 1:
            raise self.Cracked
        if mode == 2:
            self.note_hashes(1, 10**6)
        if mode == 3:
            raise InvariantViolation("The tower fell.", remedy="Stop.")

    @on_initialize
    def strike(self) -> None:
        """Ring, whatever becomes of it."""
        failure = self.carry_out(Bell.ring.Call(mode=self.mode.get()), Marker.ROOT)
        self.heard.put("" if failure is None else failure.error)


def strike(mode: int) -> tuple[int, str]:
    """How often the bell has rung after one block, and what was heard."""
    bell = Bell()
    runtime = Runtime(System(), Balances(), bell, spec_version=1, name="tower")
    state = runtime.initialise(lambda: bell.mode.put(mode))
    outcome = runtime.execute(state, CONTEXT, bytes(32), (), skip_invalid=False)
    state |= {key: value for key, value in outcome.changes.items() if value is not None}
    with runtime.reading(state):
        return bell.rung.get(), bell.heard.get()


def test_a_hook_makes_a_call() -> None:
    """On behalf of the chain, as if somebody had sent it."""
    assert strike(0) == (1, "")


def test_a_failing_call_leaves_nothing_and_stops_nothing() -> None:
    """The hook hears why, and the block goes on."""
    assert strike(1) == (0, "Bell.Cracked")


def test_a_call_that_takes_more_than_its_weight_fails() -> None:
    """The hook itself has not declared it."""
    assert strike(2)[0] == 0


def test_what_halts_a_block_is_no_failure_of_a_call() -> None:
    """A broken invariant goes through the hook."""
    with pytest.raises(InvariantViolation, match="tower"):
        strike(3)
