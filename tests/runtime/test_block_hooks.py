"""Inherents, idle work, calls inside calls, and the share of a block kept for running the chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pytest

from runtime import (
    U32,
    U64,
    DefinitionError,
    Inherent,
    Max,
    Pallet,
    Root,
    Runtime,
    RuntimeCall,
    Signed,
    Track,
    Value,
    Weight,
    call,
    inherent,
    on_idle,
)
from runtime.block import BLOCK_UNITS_MAX, BlockContext
from runtime.codec import encode
from runtime.errors import DecodeError, InvalidBlock, InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic, WrongOrigin, encode_inherent, sign_extrinsic
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.outcome import BlockOutcome
from runtime.storage import storage_key
from runtime.types import Marker
from tests.runtime.token_pallet import Balances, System

GENESIS = bytes([7]) * 32
ALICE = Keypair.from_seed(bytes([1]) * 32)
CONTEXT = BlockContext(5, 1_000, bytes([9]) * 32, bytes(32), bytes(32))
ONE_WRITE = Weight(reads=2, writes=2)
Held = Annotated[RuntimeCall, Max(200)]


class Oracle(Pallet, index=8):
    """Takes a price from the proposer, works when there is time, and makes calls for others."""

    price = Value[U64](0)
    idle_units = Value[U64](0)
    kept = Value[Held | None](None)
    greedy = Value[U32](0)

    @call(0, weight=ONE_WRITE)
    def set_price(self, origin: Inherent, price: U64) -> None:
        """The proposer reports a price; 13 is a lie."""
        if price == 13:
            raise DecodeError("13 is no price.", remedy="Report another.")
        self.price.put(price)

    @call(1, weight=ONE_WRITE)
    def reset(self, origin: Root) -> None:
        """Set the price back."""
        self.price.put(0)

    @call(2, weight=ONE_WRITE)
    def adjust(self, origin: Annotated[None, Track("prices")], price: U64) -> None:
        """A track of governance sets the price."""
        self.price.put(price)

    @call(3, weight=Weight(reads=9, writes=9))
    def relay(self, sender: Signed, inner: Held, level: U32) -> None:
        """Make a call on behalf of somebody: 0 the signer, 1 root, 2 and 3 a track."""
        origins = (sender, Marker.ROOT, Track("prices"), Track("other"))
        self.dispatch(inner, origins[level])

    @call(4, weight=ONE_WRITE)
    def keep(self, sender: Signed, inner: Held) -> None:
        """Keep a call for later."""
        self.kept.put(inner)

    @call(5, weight=Weight(reads=9, writes=9))
    def make_kept(self, sender: Signed) -> None:
        """Make the kept call; a failing one only changes what `attempt` says."""
        kept = self.kept.get()
        if kept is not None and self.attempt(kept, Marker.ROOT) is not None:
            self.price.put(99)

    @call(6, weight=lambda data: Weight(reads=0, writes=0, hashes=1, bytes=len(data)))
    def digest(self, sender: Signed, data: Annotated[bytes, Max(64)]) -> None:
        """Hash what the weight says, and not a byte more."""
        self.hash(hash_text, data)

    @call(7, weight=Weight(reads=0, writes=0, hashes=1, bytes=8))
    def digest_more(self, sender: Signed) -> None:
        """Hash more than declared."""
        self.note_hashes(1, 9)

    @call(8, weight=Weight(reads=0, writes=0), operational=True)
    def rescue(self, sender: Signed) -> None:
        """May use the reserved share of a block."""

    @inherent
    def report(self, offered: Mapping[str, bytes]) -> RuntimeCall | None:
        """Report the price that the node offers."""
        known = offered.get("price")
        return None if known is None else Oracle.set_price.Call(price=int.from_bytes(known, "big"))

    @on_idle
    def tidy(self, units_left: int) -> None:
        """Note how much time there was; a greedy chain would take more than there is."""
        self.idle_units.put(units_left)
        if self.greedy.get():
            self.note_hashes(1, 10**6)


class Chain:
    """A runtime with an oracle, and its state."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.balances = Balances()
        self.runtime = Runtime(System(), self.balances, self.oracle, spec_version=1, name="hooks")
        self.state = self.runtime.initialise(lambda: self.balances.issue(ALICE.account, 1_000))

    def sign(self, call: RuntimeCall, nonce: int = 0) -> CheckedExtrinsic:
        """An extrinsic by Alice."""
        raw = sign_extrinsic(call, ALICE, genesis_hash=GENESIS, spec_version=1, nonce=nonce)
        return self.runtime.check(raw, GENESIS)

    def execute(self, *extrinsics: Any, building: bool = False, **options: Any) -> BlockOutcome:
        """Execute a block and keep its effects."""
        outcome = self.runtime.execute(
            self.state, CONTEXT, GENESIS, extrinsics, skip_invalid=building, **options
        )
        for key, value in outcome.changes.items():
            if value is not None:
                self.state[key] = value
        return outcome

    def price(self) -> int:
        """The price in the state."""
        with self.runtime.reading(self.state):
            return self.oracle.price.get()


def test_an_inherent_is_made_by_the_proposer_and_checked_by_all() -> None:
    """Built first into the block, imported from its bytes; the effects are the same."""
    chain, importer = Chain(), Chain()
    transfer = chain.sign(Balances.transfer.Call(receiver=bytes(32), amount=5))
    built = chain.execute(transfer, building=True, offered={"price": b"\x07"})
    assert chain.price() == 7
    assert [result.ok for result in built.results] == [True, True]
    assert built.included[0] == encode_inherent(Oracle.set_price.Call(price=7), 1)
    block = [importer.runtime.check_any(raw, GENESIS) for raw in built.included]
    assert importer.execute(*block).changes == built.changes
    assert chain.execute(building=True).included == ()


def test_an_inherent_may_not_stand_anywhere_else() -> None:
    """Behind an extrinsic, twice, failing, or of another spec version: there is no such block."""
    chain = Chain()
    good: Any = chain.runtime.check_any(encode_inherent(Oracle.set_price.Call(price=7), 1), GENESIS)
    lie = chain.runtime.check_any(encode_inherent(Oracle.set_price.Call(price=13), 1), GENESIS)
    transfer = chain.sign(Balances.transfer.Call(receiver=bytes(32), amount=5))
    for block, message in (
        ((transfer, good), "not in front"),
        ((good, good), "twice"),
        ((lie,), "13 is no price"),
        ((good._replace(spec_version=2),), "not in front"),
    ):
        with pytest.raises(InvalidBlock, match=message):
            chain.execute(*block)


def test_inherents_and_extrinsics_are_not_confused() -> None:
    """Neither can be written as the other, and malformed ones are typed errors."""
    chain = Chain()
    with pytest.raises(WrongOrigin, match="not a call that a block's proposer makes"):
        chain.runtime.check_any(encode_inherent(Oracle.rescue.Call(), 1), GENESIS)
    with pytest.raises(WrongOrigin, match="cannot be signed"):
        chain.sign(Oracle.set_price.Call(price=1))
    set_price = [8, 0, [1]]
    for malformed, error in (
        (encode([1, 1, [8, 0]]), DecodeError),
        (encode([1, True, set_price]), DecodeError),
        (encode([2, 1, set_price]), InvalidTransaction),
        (encode([1, 2, set_price]), InvalidTransaction),
        (encode([1, 1, set_price]) + b"\x00", DecodeError),
        (b"\x83" + bytes(70_000), InvalidTransaction),
    ):
        with pytest.raises(error):
            chain.runtime.check_any(malformed, GENESIS)


def test_idle_work_has_what_is_left_of_the_block() -> None:
    """The weight that extrinsics did not take; whoever takes more is rolled back."""
    chain = Chain()
    empty = chain.execute()
    assert empty.changes == {storage_key("Oracle", "idle_units"): encode(BLOCK_UNITS_MAX)}
    busy = chain.execute(chain.sign(Oracle.rescue.Call()))
    assert busy.changes[storage_key("Oracle", "idle_units")] == encode(BLOCK_UNITS_MAX - 80_000)


def test_greedy_idle_work_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is not made longer than its limit by work that could wait."""
    chain = Chain()
    monkeypatch.setattr("runtime.executive.BLOCK_UNITS_MAX", 1_000)
    assert chain.execute().changes == {}


@pytest.mark.parametrize(
    ("inner", "level", "price", "error"),
    [
        (Oracle.reset.Call(), 1, 0, ""),
        (Oracle.reset.Call(), 0, 5, "BadOrigin"),
        (Oracle.reset.Call(), 2, 5, "BadOrigin"),
        (Oracle.adjust.Call(price=8), 2, 8, ""),
        (Oracle.adjust.Call(price=8), 1, 8, ""),
        (Oracle.adjust.Call(price=8), 3, 5, "BadOrigin"),
        (Oracle.set_price.Call(price=8), 0, 5, "BadOrigin"),
        (Balances.transfer.Call(receiver=bytes(32), amount=5), 0, 5, ""),
        (Balances.transfer.Call(receiver=bytes(32), amount=5), 1, 5, "BadOrigin"),
    ],
)
def test_a_call_inside_another_has_an_origin(
    inner: RuntimeCall, level: int, price: int, error: str
) -> None:
    """Accounts make signed calls, tracks their own, root those of root and of every track."""
    chain = Chain()
    chain.execute(
        chain.runtime.check_any(encode_inherent(Oracle.set_price.Call(price=5), 1), GENESIS)
    )
    outcome = chain.execute(chain.sign(Oracle.relay.Call(inner=inner, level=level)))
    assert outcome.results[0].error == error
    assert chain.price() == price


def test_a_kept_call_is_made_later() -> None:
    """Calls are stored values; one that fails then leaves no trace."""
    chain = Chain()
    chain.execute(chain.sign(Oracle.keep.Call(inner=Oracle.adjust.Call(price=8))))
    chain.execute(chain.sign(Oracle.make_kept.Call(), 1))
    assert chain.price() == 8
    failing = Oracle.relay.Call(inner=Oracle.reset.Call(), level=1)
    chain.execute(chain.sign(Oracle.keep.Call(inner=failing), 2))
    chain.execute(chain.sign(Oracle.make_kept.Call(), 3))
    assert chain.price() == 99


def test_a_held_call_is_bounded_plain_data() -> None:
    """Whatever is no call of bounded size does not decode, and does not encode."""
    chain = Chain()
    for inner in ([8, 1], [8, 77, []], [8, 1, [5.5]], [8, 6, [bytes(300)]], "call"):
        with pytest.raises(DecodeError):
            chain.runtime.call_codec.from_plain([8, 3, [inner, 0]])
    with pytest.raises(DefinitionError, match="Max"):

        class Unbounded(Pallet, index=9):
            later = Value[RuntimeCall | None](None)


def test_weights_of_hashing_are_metered() -> None:
    """A weight may follow the arguments; more bytes than declared fail the call."""
    chain = Chain()
    outcome = chain.execute(
        chain.sign(Oracle.digest.Call(data=bytes(20))), chain.sign(Oracle.digest_more.Call(), 1)
    )
    first, second = outcome.results
    assert (first.ok, first.hashes, first.hashed_bytes, first.weight.bytes) == (True, 1, 20, 20)
    assert second.error == "WeightExceeded"


def test_operational_calls_use_the_reserved_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is full for transfers still takes what runs the chain."""
    chain = Chain()
    monkeypatch.setattr("runtime.admission.NORMAL_EXTRINSICS_MAX", 1)
    monkeypatch.setattr("runtime.admission.BLOCK_EXTRINSICS_MAX", 2)
    transfer = Balances.transfer.Call(receiver=bytes(32), amount=5)
    calls = [transfer, transfer, Oracle.rescue.Call(), Oracle.rescue.Call()]
    offered = [chain.sign(each, min(nonce, 1)) for nonce, each in enumerate(calls[:3])]
    offered.append(chain.sign(calls[3], 2))
    outcome = chain.execute(*offered, building=True)
    assert [result.weight for result in outcome.results] == [
        Balances.transfer.definition.weight,
        Oracle.rescue.definition.weight,
    ]
    assert {type(error).__name__ for error in outcome.left_out.values()} == {"BlockFull"}


def test_a_call_that_fits_no_block_is_refused_when_composed() -> None:
    """Nobody could ever make it."""

    class Heavy(Pallet, index=9):
        @call(0, weight=Weight(reads=0, writes=0, time_ns=BLOCK_UNITS_MAX))
        def work(self, sender: Signed) -> None:
            """Take more than a block."""

    with pytest.raises(DefinitionError, match=r"Heavy\.work weighs"):
        Runtime(System(), Balances(), Heavy(), spec_version=1, name="heavy")
