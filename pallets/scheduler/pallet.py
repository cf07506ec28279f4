"""Calls as values at a height.

Terms.  A *task* is a call that the chain, or a track of governance, makes at a height.  It is
*due* from that height on.

Rules:

- Due tasks are made at the beginning of a block, before its extrinsics, in the order of their
  heights and then of their numbers.
- A block makes so many of them, and so many weight units, as the limits below say.  What does not
  fit waits for the next block, in front of everything else: it is late, and never lost.
- A call is metered by its own weight.  One that fails leaves no trace but its event, and is not
  made again.
- A name belongs to one task at a time; whoever knows it can cancel it without its number.

| limit | value |
|---|---|
| tasks that wait | 256 |
| tasks of one block | 16, and 250,000,000 weight units together |
"""

from __future__ import annotations

from typing import ClassVar

from pallets.scheduler import weights
from pallets.scheduler.types import TASKS_MAX, Queue, ScheduledCall, Task
from runtime import (
    U32,
    U64,
    BlockNumber,
    Error,
    Event,
    Hash,
    InvariantViolation,
    LongText,
    Map,
    Needs,
    Pallet,
    Root,
    RuntimeCall,
    ShortText,
    Value,
    call,
    invariant,
    on_initialize,
)
from runtime.block import BLOCK_UNITS_MAX
from runtime.dispatch import CallOrigin
from runtime.errors import DecodeError
from runtime.traits import Preimages
from runtime.types import Marker, Track

TASKS_PER_BLOCK_MAX = 16
"""The most tasks that one block makes."""
UNITS_PER_BLOCK_MAX = BLOCK_UNITS_MAX // 4
"""The most weight units of them together, and of one task."""


class Scheduler(Pallet, index=8):
    """Calls that are made at a height."""

    # Needs

    preimages: Needs[Preimages]

    # Storage

    queue = Value[Queue](())
    """What waits, in the order in which it is made."""
    tasks = Map[U64, Task]()
    names = Map[ShortText, U64]()
    next_task = Value[U64](0)

    # Events

    class Scheduled(Event):
        """A call will be made."""

        task: U64
        height: BlockNumber
        call_hash: Hash
        track: ShortText | None
        name: ShortText | None

    class Cancelled(Event):
        """A call will not be made."""

        task: U64
        name: ShortText | None

    class Made(Event):
        """A call was made; `error` is empty, or names why it failed and left no trace."""

        task: U64
        name: ShortText | None
        call_hash: Hash
        error: ShortText
        message: LongText

    # Errors

    class HeightPassed(Error):
        """The height of a task must be a later one."""

        remedy: ClassVar[str] = "Choose a later height."
        height: BlockNumber

    class Full(Error):
        """As many tasks wait as may."""

        remedy: ClassVar[str] = "Wait until some are made, or cancel one."
        tasks: U32

    class NameTaken(Error):
        """Another task has this name."""

        remedy: ClassVar[str] = "Choose another name, or cancel that task first."
        name: ShortText

    class UnknownTask(Error):
        """No such task waits."""

        remedy: ClassVar[str] = "Read Scheduler.queue: it may be made or cancelled already."
        task: ShortText

    class TooHeavy(Error):
        """No block has room for the call."""

        remedy: ClassVar[str] = "Split it into several calls."
        units: U64
        most: U64

    # Calls

    @call(0, weight=weights.schedule, operational=True)
    def schedule(
        self, _origin: Root, height: BlockNumber, call: ScheduledCall, name: ShortText | None
    ) -> None:
        """Make a call on behalf of the chain at `height`; a name makes it easy to cancel."""
        call_hash = self.preimages.keep(call)
        self.require_schedulable(call_hash, None)
        self._add(Task(height, call_hash, None, name))
        self.preimages.unrequest(call_hash)

    @call(1, weight=weights.cancel, operational=True)
    def cancel(self, _origin: Root, task: U64) -> None:
        """Give up the task of this number."""
        if task not in self.tasks:
            raise self.UnknownTask(task=str(task))
        self._cancel(task)

    @call(2, weight=weights.cancel_by_name, operational=True)
    def cancel_by_name(self, _origin: Root, name: ShortText) -> None:
        """Give up the task of this name."""
        self.cancel_named(name)

    # Hooks

    @on_initialize
    def make_due_calls(self) -> None:
        """Make the tasks that are due, as far as the block's limits allow."""
        units = 0
        for _ in range(TASKS_PER_BLOCK_MAX):
            queue = self.queue.get()
            if not queue or queue[0][0] > self.block.height:
                return
            number = queue[0][1]
            task = self.tasks[number]
            call = self.preimages.call_of(task.call_hash)
            units += self._units_of(call)
            if units > UNITS_PER_BLOCK_MAX:
                return
            self._make(number, task, call)

    # Invariants

    @invariant
    def queue_is_tasks(self) -> None:
        """Every task in the queue is there, at its height and under its name."""
        queue = self.queue.get()
        if list(queue) != sorted(queue):
            message = "Scheduler.queue is not in order."
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        for height, number in queue:
            task = self.tasks[number]
            named = task.name is None or self.names[task.name] == number
            if task.height != height or not named:
                message = f"Task {number} is not what Scheduler.queue and names say."
                raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `CallScheduler` for other pallets

    def require_schedulable(self, call_hash: bytes, track: str | None) -> None:
        """Raise `Preimage.Unknown`, `BadOrigin` or `TooHeavy` for a call that cannot be made."""
        call = self.preimages.call_of(call_hash)
        self.require_origin(call, _origin_of(track))
        units = self.weight_of(call).units
        if units > UNITS_PER_BLOCK_MAX:
            raise self.TooHeavy(units=units, most=UNITS_PER_BLOCK_MAX)

    def has_room(self) -> bool:
        """Whether one more task can wait."""
        return len(self.queue.get()) < TASKS_MAX

    def schedule_named(self, name: str, height: int, call_hash: bytes, track: str | None) -> None:
        """Make a call at `height` or soon after; raises `Full`, `NameTaken`, `HeightPassed`."""
        self._add(Task(height, call_hash, track, name))

    def cancel_named(self, name: str) -> None:
        """Give a call up that is not made yet; raises `UnknownTask`."""
        number = self.names.get(name)
        if number is None:
            raise self.UnknownTask(task=name)
        self._cancel(number)

    # Helpers

    def _add(self, task: Task) -> None:
        queue = self.queue.get()
        if task.height <= self.block.height:
            raise self.HeightPassed(height=task.height)
        if len(queue) == TASKS_MAX:
            raise self.Full(tasks=len(queue))
        number = self.next_task.get()
        if task.name is not None:
            if task.name in self.names:
                raise self.NameTaken(name=task.name)
            self.names[task.name] = number
        self.preimages.request(task.call_hash)
        self.next_task.put(number + 1)
        self.tasks[number] = task
        self.queue.put(tuple(sorted((*queue, (task.height, number)))))
        self.emit(self.Scheduled(number, task.height, task.call_hash, task.track, task.name))

    def _cancel(self, number: int) -> None:
        task = self.tasks[number]
        self._forget(number, task)
        self.preimages.unrequest(task.call_hash)
        self.emit(self.Cancelled(number, task.name))

    def _forget(self, number: int, task: Task) -> None:
        queue = self.queue.get()
        self.queue.put(tuple([each for each in queue if each[1] != number]))
        del self.tasks[number]
        if task.name is not None:
            del self.names[task.name]

    def _make(self, number: int, task: Task, call: RuntimeCall) -> None:
        self._forget(number, task)
        failure = self.carry_out(call, _origin_of(task.track))
        self.preimages.unrequest(task.call_hash)
        error, message = ("", "") if failure is None else (failure.error, failure.message)
        self.emit(self.Made(number, task.name, task.call_hash, error, message))

    def _units_of(self, call: RuntimeCall) -> int:
        try:
            return self.weight_of(call).units
        except DecodeError:  # an upgrade has removed the call: it will fail, and costs nothing
            return 0


def _origin_of(track: str | None) -> CallOrigin:
    return Marker.ROOT if track is None else Track(track)
