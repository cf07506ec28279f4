"""The cases of `Proxy`: as many rights and announcements as may be, and calls of every length.

The weight of a delegate's call is what is measured here and that of the call inside it.
"""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.multisig import LENGTH_LEAST, LENGTH_MOST, remark_of_length
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB
from pallets.proxy.pallet import Proxy
from pallets.proxy.types import ANNOUNCEMENTS_MAX, PALLETS_MAX, PROXIES_MAX, Kind, Right
from runtime.cbor import encode
from runtime.hashing import hash_call, hash_text

_PALLETS = (*("a pallet with a long name" for _ in range(PALLETS_MAX - 1)), "System")


def _right(delay_blocks: int) -> Right:
    return Right(BOB.account, Kind.PALLETS, _PALLETS, delay_blocks)


def _rights(sandbox: Sandbox, count: int, *, least_delay: int = 0) -> None:
    """Rights of Bob to make calls for Alice, the best one last."""
    for delay in reversed(range(least_delay, least_delay + count)):
        sandbox.ok(ALICE, Proxy.give_right.Call(right=_right(delay)))


def _announce_all(sandbox: Sandbox, count: int, call_hash: bytes) -> None:
    """Announcements of Bob, the one that is asked for last."""
    for number in reversed(range(count)):
        named = call_hash if number == 0 else hash_text(bytes([number]))
        sandbox.ok(BOB, Proxy.announce.Call(owner=ALICE.account, call_hash=named))


def _proxy(sandbox: Sandbox, length: int) -> Scene:
    _rights(sandbox, PROXIES_MAX)
    call = remark_of_length(length)
    return Scene(BOB, Proxy.proxy.Call(owner=ALICE.account, call=call))


def _give_right(sandbox: Sandbox) -> Scene:
    _rights(sandbox, PROXIES_MAX - 1)
    return Scene(ALICE, Proxy.give_right.Call(right=_right(PROXIES_MAX)))


def _take_right(sandbox: Sandbox) -> Scene:
    _rights(sandbox, PROXIES_MAX)
    return Scene(ALICE, Proxy.take_right.Call(right=_right(0)))


def _take_last_right(sandbox: Sandbox) -> Scene:
    _rights(sandbox, 1)
    return Scene(ALICE, Proxy.take_right.Call(right=_right(0)))


def _create_pure(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Proxy.create_pure.Call())


def _announced(sandbox: Sandbox, count: int) -> bytes:
    _rights(sandbox, PROXIES_MAX, least_delay=1)
    call_hash = hash_call(encode(remark_of_length(LENGTH_LEAST).to_plain()))
    _announce_all(sandbox, count, call_hash)
    return call_hash


def _announce(sandbox: Sandbox) -> Scene:
    call_hash = _announced(sandbox, ANNOUNCEMENTS_MAX - 1)
    return Scene(BOB, Proxy.announce.Call(owner=ALICE.account, call_hash=call_hash))


def _withdraw(sandbox: Sandbox) -> Scene:
    call_hash = _announced(sandbox, ANNOUNCEMENTS_MAX)
    return Scene(BOB, Proxy.withdraw.Call(owner=ALICE.account, call_hash=call_hash))


def _reject(sandbox: Sandbox) -> Scene:
    call_hash = _announced(sandbox, ANNOUNCEMENTS_MAX)
    return Scene(ALICE, Proxy.reject.Call(delegate=BOB.account, call_hash=call_hash))


def _proxy_announced(sandbox: Sandbox, length: int) -> Scene:
    _rights(sandbox, PROXIES_MAX, least_delay=1)
    call = remark_of_length(length)
    _announce_all(sandbox, ANNOUNCEMENTS_MAX, hash_call(encode(call.to_plain())))
    late = sandbox.height + 2 * PROXIES_MAX
    return Scene(BOB, Proxy.proxy_announced.Call(owner=ALICE.account, call=call), late)


_CALL = Component("call", LENGTH_LEAST, LENGTH_MOST)

BENCHMARKS = (
    Benchmark(_proxy, _CALL),
    Benchmark(_give_right),
    Benchmark(_take_right),
    Benchmark(_take_last_right),
    Benchmark(_create_pure),
    Benchmark(_announce),
    Benchmark(_withdraw),
    Benchmark(_reject),
    Benchmark(_proxy_announced, _CALL),
)
