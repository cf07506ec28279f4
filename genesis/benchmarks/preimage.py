"""The cases of `Preimage`: calls of every length."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from pallets.preimage.pallet import Preimage
from pallets.preimage.types import PREIMAGE_BYTES_MAX
from pallets.system.pallet import System
from pallets.utility.pallet import Utility
from runtime.calls import RuntimeCall
from runtime.cbor import encode
from runtime.errors import OpenLedgerError
from runtime.hashing import hash_call


class NoSuchLength(OpenLedgerError):
    """No call has exactly so many bytes."""


LENGTH_LEAST = 32
_PART_BYTES = 2_000


def call_of_length(length: int) -> RuntimeCall:
    """A call of the chain itself whose encoding has exactly so many bytes: remarks in a batch."""
    parts = [_PART_BYTES] * (length // (_PART_BYTES + LENGTH_LEAST))
    for filler in range(4):  # where the head of a length grows by a byte, one more part fits
        rest = length - len(_batch([*parts, filler, 0]))
        for size in range(max(0, rest - 4), rest + 1):
            call = _batch([*parts, filler, size])
            if len(call) == length:
                return call
    message = f"There is no batch of {length} bytes."
    raise NoSuchLength(message, remedy="Choose another length.")


def _batch(lengths: list[int]) -> RuntimeCall:
    remarks = tuple(System.remark.Call(data=bytes(each)) for each in lengths)
    return Utility.dispatch_all.Call(calls=remarks)


def _note(_sandbox: Sandbox, length: int) -> Scene:
    return Scene(ALICE, Preimage.note.Call(call=call_of_length(length)))


def _unnote(sandbox: Sandbox) -> Scene:
    call = call_of_length(PREIMAGE_BYTES_MAX)
    sandbox.ok(ALICE, Preimage.note.Call(call=call))
    return Scene(ALICE, Preimage.unnote.Call(call_hash=hash_call(encode(call.to_plain()))))


BENCHMARKS = (
    Benchmark(_note, Component("call", LENGTH_LEAST, PREIMAGE_BYTES_MAX)),
    Benchmark(_unnote),
)
