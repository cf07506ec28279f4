"""Scheduler: calls at a height, late when a block is full, and never lost."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import development_keypair
from genesis.sandbox import Sandbox
from pallets.balances.pallet import Balances
from pallets.scheduler import pallet as module
from pallets.scheduler.pallet import TASKS_PER_BLOCK_MAX, Scheduler
from pallets.scheduler.types import TASKS_MAX
from pallets.system.pallet import System
from pallets.upgrade.pallet import Upgrade
from pallets.utility.pallet import Utility
from runtime import Pallet, Root, RuntimeCall, Value, Weight, call
from runtime.cbor import encode
from runtime.errors import InvariantViolation
from runtime.types import U32
from tests.pallets.chain import spec
from tests.pallets.governor import Governor

ALICE = development_keypair("alice")
CALL_UNITS = module.UNITS_PER_BLOCK_MAX // 3


class Diary(Pallet, index=251):
    """What was called, and in which order."""

    pages = Value[U32](0)

    @call(0, weight=Weight(reads=1, writes=1))
    def write(self, _origin: Root, page: U32) -> None:
        """Turn to a page."""
        self.pages.put(page)

    @call(1, weight=Weight(reads=0, writes=0, time_ns=CALL_UNITS))
    def rest(self, _origin: Root) -> None:
        """Take a third of what a block has for tasks."""

    @call(2, weight=Weight(reads=0, writes=0))
    def lie(self, _origin: Root) -> None:
        """Write more than declared."""
        self.pages.put(7)


def opened() -> Sandbox:
    """A chain whose Root anybody is."""
    return Sandbox(Governor, Diary, spec=spec())


def set_blocks(value: int) -> RuntimeCall:
    """A call whose effect shows."""
    return System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(value))


def at(height: int, call: RuntimeCall, name: str | None = None) -> RuntimeCall:
    """The chain's wish to make a call at a height."""
    wish = Scheduler.schedule.Call(height=height, call=call, name=name)
    return Governor.decree.Call(wish=wish)


def decree(wish: RuntimeCall) -> RuntimeCall:
    """A wish of the chain."""
    return Governor.decree.Call(wish=wish)


def made(chain: Sandbox) -> list[tuple[int, str]]:
    """Which tasks the last block made, and their errors."""
    return [
        (event.fields["task"], event.fields["error"])
        for event in chain.events
        if (event.pallet, event.name) == ("Scheduler", "Made")
    ]


def test_a_call_is_made_at_its_height_and_once() -> None:
    """Before the extrinsics of the block, on behalf of the chain."""
    chain = opened()
    chain.ok(ALICE, at(10, set_blocks(33)))
    chain.execute(height=9)
    assert made(chain) == []
    chain.execute()
    assert made(chain) == [(0, "")]
    with chain.reading() as pallets:
        assert pallets.session.session_blocks.get() == 33
        assert pallets.scheduler.queue.get() == ()
    chain.execute()
    assert made(chain) == []


def test_tasks_are_made_in_the_order_of_heights_and_numbers() -> None:
    """Whatever the order in which they were scheduled."""
    chain = opened()
    for height, page in ((20, 1), (10, 2), (20, 3), (15, 4)):
        chain.ok(ALICE, at(height, Diary.write.Call(page=page)))
    chain.execute(height=30)
    assert made(chain) == [(1, ""), (3, ""), (0, ""), (2, "")]


def test_what_does_not_fit_into_a_block_is_made_in_the_next() -> None:
    """Three calls fill the budget, so four wait for later blocks, in order and before newer ones."""
    chain = opened()
    for _ in range(7):
        chain.ok(ALICE, at(20, Diary.rest.Call()))
    chain.ok(ALICE, at(21, set_blocks(33)))
    heights = {}
    for height in range(20, 24):
        chain.execute(height=height)
        heights[height] = [number for number, _ in made(chain)]
    assert heights == {20: [0, 1, 2], 21: [3, 4, 5], 22: [6, 7], 23: []}


def test_a_block_makes_a_limited_number_of_tasks() -> None:
    """However light they are."""
    chain = opened()
    for page in range(TASKS_PER_BLOCK_MAX + 2):
        chain.ok(ALICE, at(50, Diary.write.Call(page=page)))
    chain.execute(height=50)
    assert len(made(chain)) == TASKS_PER_BLOCK_MAX
    chain.execute()
    assert len(made(chain)) == 2


def test_a_call_that_fails_says_why_and_is_not_made_again() -> None:
    """A typed error, or more work than declared: rolled back, and the chain goes on."""
    chain = opened()
    chain.ok(ALICE, at(10, Upgrade.cancel.Call()))
    chain.ok(ALICE, at(10, Diary.lie.Call()))
    both = (set_blocks(33), Upgrade.cancel.Call())
    chain.ok(ALICE, at(10, Utility.dispatch_all.Call(calls=both)))
    chain.execute(height=10)
    assert made(chain) == [
        (0, "Upgrade.NothingScheduled"),
        (1, "WeightExceeded"),
        (2, "Upgrade.NothingScheduled"),
    ]
    with chain.reading() as pallets:
        assert pallets.session.session_blocks.get() == 7_200
        assert chain.pallet(Diary).pages.get() == 0
    chain.advance(2)
    assert made(chain) == []


def test_a_task_can_be_cancelled_by_number_and_by_name() -> None:
    """It is not made, its name is free again, and cancelling twice is an error."""
    chain = opened()
    chain.ok(ALICE, at(10, set_blocks(33), name="soon"))
    chain.ok(ALICE, at(10, set_blocks(34)))
    chain.fails(ALICE, at(11, set_blocks(35), name="soon"), "Scheduler.NameTaken")
    chain.ok(ALICE, decree(Scheduler.cancel_by_name.Call(name="soon")))
    chain.ok(ALICE, decree(Scheduler.cancel.Call(task=1)))
    chain.fails(ALICE, decree(Scheduler.cancel_by_name.Call(name="soon")), "Scheduler.UnknownTask")
    chain.fails(ALICE, decree(Scheduler.cancel.Call(task=1)), "Scheduler.UnknownTask")
    chain.ok(ALICE, at(10, set_blocks(36), name="soon"))
    chain.execute(height=10)
    assert made(chain) == [(2, "")]


@pytest.mark.parametrize(
    ("height", "call", "error"),
    [
        (1, set_blocks(5), "Scheduler.HeightPassed"),
        (9, Balances.burn.Call(amount=1), "BadOrigin"),
        (9, Utility.dispatch_all.Call(calls=(Diary.rest.Call(),) * 4), "Scheduler.TooHeavy"),
    ],
)
def test_what_can_never_be_made_is_refused(height: int, call: RuntimeCall, error: str) -> None:
    """A height that is over, a call for accounts, a call that no block has room for."""
    opened().fails(ALICE, at(height, call), error)


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused when it is scheduled: nothing that waits is dropped."""
    monkeypatch.setattr(module, "TASKS_MAX", 2)
    chain = opened()
    chain.ok(ALICE, at(10, set_blocks(33)))
    chain.ok(ALICE, at(10, set_blocks(34)))
    chain.fails(ALICE, at(10, set_blocks(35)), "Scheduler.Full")
    assert TASKS_MAX > 2


def test_a_wrong_queue_is_an_invariant_violation() -> None:
    """Out of order, or naming a task that says otherwise."""
    chain = opened()
    chain.ok(ALICE, at(10, set_blocks(33), name="a"))
    encode_queue = Scheduler.queue.codec.encode
    for wrong in (((11, 0),), ((11, 0), (10, 0))):
        state = chain.state | {Scheduler.queue.prefix: encode_queue(wrong)}
        with pytest.raises(InvariantViolation):
            chain.runtime.check_invariants(state)


class SchedulerMachine(RuleBasedStateMachine):
    """Random tasks against a model: a list that is sorted and cut."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = opened()
        self.waiting: dict[int, tuple[int, int]] = {}
        self.next = 0
        self.done: list[int] = []

    def _execute(self, wish: RuntimeCall) -> bool:
        """Make a wish in the next block; what was due is made before."""
        result = self.chain.send(ALICE, decree(wish))
        self._due()
        return result.ok

    def _due(self) -> None:
        due = sorted(
            (height, number) for number, (height, _) in self.waiting.items()
            if height <= self.chain.height
        )  # fmt: skip
        units = 0
        for _, number in due[:TASKS_PER_BLOCK_MAX]:
            units += self.waiting[number][1]
            if units > module.UNITS_PER_BLOCK_MAX:
                break
            self.done.append(number)
            del self.waiting[number]
        self.done = self.done[-50:]

    @rule(delay=st.integers(-1, 6), heavy=st.booleans())
    def schedule(self, delay, heavy):
        height = self.chain.height + 1 + delay
        call = Diary.rest.Call() if heavy else Diary.write.Call(page=self.next)
        wish = Scheduler.schedule.Call(height=height, call=call, name=f"task {self.next}")
        assert self._execute(wish) == (delay > 0)
        if delay > 0:
            self.waiting[self.next] = (height, call.weight().units)
            self.next += 1

    @rule(data=st.data())
    def cancel(self, data):
        number = data.draw(st.integers(0, max(0, self.next)))
        before = set(self.waiting)
        ok = self._execute(Scheduler.cancel.Call(task=number))
        assert ok == (number in before and number in self.waiting)
        self.waiting.pop(number, None)

    @rule(count=st.integers(1, 4))
    def wait(self, count):
        for _ in range(count):
            self.chain.execute()
            self._due()

    @invariant()
    def equals_the_model(self):
        with self.chain.reading() as pallets:
            expected = sorted((height, number) for number, (height, _) in self.waiting.items())
            assert list(pallets.scheduler.queue.get()) == expected
            requests = sum(
                pallets.preimage.statuses[task.call_hash].requests > 0
                for task in map(pallets.scheduler.tasks.__getitem__, self.waiting)
            )
            assert requests == len(self.waiting)


SchedulerMachine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None
)
TestSchedulerMachine = SchedulerMachine.TestCase
