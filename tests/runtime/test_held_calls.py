"""Calls inside other values: bounded plain data until a runtime resolves them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from pallets.utility.pallet import Utility
from runtime import U8, Max, Pallet, Runtime, RuntimeCall, Signed, Weight, call
from runtime.block import BlockContext
from runtime.calls import HeldCallCodec, UnresolvedCall
from runtime.codec import OutOfBounds, codec_of, encode
from runtime.errors import DecodeError, DefinitionError
from runtime.extrinsic import sign_extrinsic
from runtime.keys import Keypair
from runtime.state.cache import CachedState
from runtime.state.memory import MemoryState
from tests.runtime.token_pallet import Balances, Notes, System

ALICE = Keypair.from_seed(bytes([1]) * 32)
Held = Annotated[RuntimeCall, Max(60)]
HELD = codec_of(Held)
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
    number: Any = 5
    long: Any = Notes.write.Call(text="x" * 60)
    with pytest.raises(OutOfBounds, match="more than 60 bytes"):
        HELD.encode(long)
    with pytest.raises(DecodeError, match="more than 60 bytes"):
        HELD.decode(encode(long.to_plain()))
    with pytest.raises(OutOfBounds, match="is not a call"):
        HELD.encode(number)
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


def test_a_batch_makes_the_calls_it_holds() -> None:
    """The runtime resolves them; the batch weighs what they weigh together."""
    balances = Balances()
    runtime = Runtime(System(), Utility(), balances, spec_version=1, name="batches")
    state = runtime.initialise(lambda: balances.issue(ALICE.account, 1_000))
    batch: Any = Utility.batch.Call(calls=(TRANSFER, TRANSFER))
    raw = sign_extrinsic(batch, ALICE, genesis_hash=bytes(32), spec_version=1, nonce=0)
    checked = runtime.check(raw, bytes(32))
    context = BlockContext(1, 1, bytes(32), bytes(32), bytes(32))
    (result,) = runtime.execute(state, context, bytes(32), [checked], skip_invalid=False).results
    assert result.ok
    assert result.weight.reads == 2 * TRANSFER.weight().reads
    assert runtime.call_codec.decode(runtime.call_codec.encode(batch)) == batch


def test_a_held_call_is_resolved_among_other_arguments() -> None:
    """The runtime reads a call with all that it holds; the rest stays as it is."""

    class Keeper(Pallet, index=9):
        """Takes a call, or none, and a number."""

        @call(0, weight=Weight(reads=0, writes=0))
        def keep(self, sender: Signed, held: Held | None, count: U8) -> None:
            """Do nothing with them."""

    runtime = Runtime(System(), Balances(), Keeper(), spec_version=1, name="keeper")
    for held in (TRANSFER, None):
        kept: Any = Keeper.keep.Call(held=held, count=7)
        read: Any = runtime.call_codec.decode(runtime.call_codec.encode(kept))
        assert (read.held, read.count) == (held, 7)
        assert not isinstance(read.held, UnresolvedCall)
