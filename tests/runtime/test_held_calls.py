"""Calls inside other values: bounded plain data until a runtime resolves them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from runtime import Max, RuntimeCall
from runtime.calls import HeldCallCodec, UnresolvedCall
from runtime.codec import OutOfBounds, codec_of, encode
from runtime.errors import DecodeError, DefinitionError
from runtime.state.cache import CachedState
from runtime.state.memory import MemoryState
from tests.runtime.token_pallet import Balances, Notes

HELD = codec_of(Annotated[RuntimeCall, Max(60)])
TRANSFER: Any = Balances.transfer.Call(receiver=bytes(32), amount=5)


def test_a_held_call_is_equal_to_the_call_it_was() -> None:
    """It decodes without a runtime, encodes to the same bytes, and equals no other."""
    data = HELD.encode(TRANSFER)
    held = HELD.decode(data)
    assert HELD.encode(held) == data
    assert held == TRANSFER
    assert held == UnresolvedCall(TRANSFER.to_plain())
    assert held != Balances.transfer.Call(receiver=bytes(32), amount=6)
    assert held != TRANSFER.to_plain()


def test_a_held_call_is_no_key() -> None:
    """Its hash would differ from that of the call it equals."""
    with pytest.raises(DefinitionError, match="has no hash"):
        hash(HELD.decode(HELD.encode(TRANSFER)))


def test_a_held_call_has_a_bound() -> None:
    """In bytes of its encoding, whether it is written or read."""
    long: Any = Notes.write.Call(text="x" * 60)
    with pytest.raises(OutOfBounds, match="more than 60 bytes"):
        HELD.encode(long)
    with pytest.raises(DecodeError, match="more than 60 bytes"):
        HELD.decode(encode(long.to_plain()))
    with pytest.raises(OutOfBounds, match="is not a call"):
        HELD.encode(5)
    assert isinstance(HELD, HeldCallCodec)
    assert HELD.describe() == "call[..60]"


def test_a_cache_reads_through_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not remember is in the state; with one value too many it forgets all."""
    monkeypatch.setattr("runtime.state.cache.ENTRIES_MAX", 2)
    cache = CachedState(MemoryState({b"one": b"1", b"two": b"2"}))
    assert cache.get(b"one") == b"1"
    assert cache.keys(b"", None, 5) == [b"one", b"two"]
    cache.advance({b"one": 1, b"two": 2})
    assert cache.plain == {b"one": 1, b"two": 2}
    cache.advance({b"three": 3})
    assert cache.plain == {b"three": 3}
    cache.clear()
    assert cache.plain == {}
