"""The cases of `Scheduler`: as many tasks as may wait, and calls of every length."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.preimage import LENGTH_LEAST, call_of_length
from genesis.sandbox import Sandbox
from pallets.governance.pallet import task_name
from pallets.preimage.pallet import Preimage
from pallets.preimage.types import Status
from pallets.scheduler.pallet import Scheduler
from pallets.scheduler.types import SCHEDULED_BYTES_MAX, TASKS_MAX, Task
from pallets.upgrade.pallet import Upgrade
from runtime.cbor import encode
from runtime.hashing import hash_call

_HEIGHT = 10**9
_CALL = Upgrade.cancel.Call()


def full_queue(sandbox: Sandbox, places_left: int) -> bytes:
    """Tasks of referenda at one height, up to so many places; returns the hash of their call."""
    count = TASKS_MAX - places_left
    call_hash = hash_call(encode(_CALL.to_plain()))
    stored = {
        Scheduler.queue.prefix: Scheduler.queue.codec.encode(
            tuple((_HEIGHT, number) for number in range(count))
        ),
        Scheduler.next_task.prefix: encode(count),
        Preimage.calls.storage_key(call_hash): encode(_CALL.to_plain()),
        Preimage.statuses.storage_key(call_hash): Preimage.statuses.codec.encode(
            Status(requests=count)
        ),
    }
    for number in range(count):
        task = Task(_HEIGHT, call_hash, None, task_name(number))
        stored[Scheduler.tasks.storage_key(number)] = Scheduler.tasks.codec.encode(task)
        stored[Scheduler.names.storage_key(task_name(number))] = encode(number)
    sandbox.state |= stored
    return call_hash


def _schedule(sandbox: Sandbox, length: int) -> Scene:
    full_queue(sandbox, places_left=1)
    call = call_of_length(length)
    return Scene(None, Scheduler.schedule.Call(height=_HEIGHT, call=call, name="x" * 64))


def _cancel(sandbox: Sandbox) -> Scene:
    full_queue(sandbox, places_left=0)
    return Scene(None, Scheduler.cancel.Call(task=TASKS_MAX // 2))


def _cancel_by_name(sandbox: Sandbox) -> Scene:
    full_queue(sandbox, places_left=0)
    return Scene(None, Scheduler.cancel_by_name.Call(name=task_name(TASKS_MAX // 2)))


BENCHMARKS = (
    Benchmark(_schedule, Component("call", LENGTH_LEAST, SCHEDULED_BYTES_MAX)),
    Benchmark(_cancel),
    Benchmark(_cancel_by_name),
)
