"""Upgrades: stepwise migrations, resumable, that leave the state of a fresh chain."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import pytest

from runtime import (
    U32,
    U64,
    AccountId,
    Amount,
    Const,
    DefinitionError,
    InvariantViolation,
    Map,
    Pallet,
    Runtime,
    Signed,
    Value,
    Weight,
    call,
    migration,
    on_finalize,
    on_initialize,
    on_runtime_upgrade,
)
from runtime.block import BlockContext
from runtime.codec import codec_of, encode
from runtime.errors import InvalidBlock, WrongSpecVersion
from runtime.extrinsic import sign_extrinsic
from runtime.fees import FREE, FeeSchedule
from runtime.keys import Keypair
from runtime.outcome import BlockOutcome
from runtime.state.memory import MemoryState
from runtime.storage import storage_key
from runtime.upgrade import UpgradePlan
from tests.runtime.token_pallet import Balances, System

GENESIS = bytes([7]) * 32
ALICE = Keypair.from_seed(bytes([1]) * 32)
CONTEXT = BlockContext(5, 1_000, bytes([9]) * 32, bytes(32), bytes(32))
ENTRIES = 45


@dataclass(frozen=True, slots=True)
class OldEntry:
    """As version 1 stored it."""

    amount: Amount


@dataclass(frozen=True, slots=True)
class Entry:
    """As version 2 stores it."""

    amount: Amount
    generation: U32


def first_ledger() -> Pallet:
    """The pallet as it was: version 1."""

    class Ledger(Pallet, index=6):
        total = Value[U32](0)
        entries = Map[AccountId, OldEntry]()

    return Ledger()


def second_ledger() -> Any:
    """The pallet as it is: two versions further."""

    class Ledger(Pallet, index=6, version=3):
        total = Value[U64](0)
        entries = Map[AccountId, Entry]()
        blocks = Value[U32](0)
        upgrades = Value[U32](0)

        @migration(to=2)
        def add_generations(self, cursor: bytes) -> bytes | None:
            """Ten entries a step; empty ones go."""
            return self.entries.translate(
                OldEntry,
                lambda old: Entry(old.amount, 1) if old.amount else None,
                cursor,
                limit=10,
            )

        @migration(to=3)
        def double_total(self, cursor: bytes) -> bytes | None:
            """In one step."""
            self.total.translate(U32, lambda old: 2 * old)
            return None

        @call(0, weight=Weight(reads=0, writes=0))
        def touch(self, sender: Signed) -> None:
            """Do nothing."""

        @on_initialize
        def read_everything(self) -> None:
            """Would halt on an entry of version 1."""
            for number in range(1, ENTRIES):
                _ = self.entries[bytes([number]) * 32]

        @on_runtime_upgrade
        def count_upgrade(self) -> None:
            """Once."""
            self.upgrades.put(self.upgrades.get() + 1)

        @on_finalize
        def count_block(self) -> None:
            """Hooks wait until all is migrated."""
            self.blocks.put(self.blocks.get() + 1)

    return Ledger()


def compose(ledger: Pallet, spec_version: int) -> Runtime:
    """A runtime around a ledger."""
    return Runtime(System(), Balances(), ledger, spec_version=spec_version, name="ledger")


def old_state() -> MemoryState:
    """The state of a chain of spec version 1 with some entries."""
    ledger: Any = first_ledger()
    runtime = compose(ledger, 1)

    def configure() -> None:
        ledger.total.put(21)
        for number in range(ENTRIES):
            ledger.entries[bytes([number]) * 32] = OldEntry(number)

    return MemoryState(runtime.initialise(configure))


def run_block(
    runtime: Runtime, state: MemoryState, *extrinsics: Any, **options: Any
) -> BlockOutcome:
    """Execute a block and keep its effects."""
    outcome = runtime.execute(
        state, CONTEXT, GENESIS, extrinsics, **({"skip_invalid": False} | options)
    )
    state.apply(outcome.changes)
    return outcome


def test_migrations_run_before_anything_else_reads() -> None:
    """In one block, when it has room: every entry is converted, hooks and version follow."""
    state, ledger = old_state(), second_ledger()
    runtime = compose(ledger, 2)
    outcome = run_block(runtime, state)
    assert [(event.name, event.fields) for event in outcome.events] == [
        ("Upgraded", {"spec_version": 2})
    ]
    with runtime.reading(state):
        assert ledger.entries.get(bytes(32)) is None
        assert ledger.entries[bytes([7]) * 32] == Entry(7, 1)
        assert ledger.total.get() == 42
        assert (ledger.upgrades.get(), ledger.blocks.get()) == (1, 1)
    run_block(runtime, state)
    with runtime.reading(state):
        assert (ledger.upgrades.get(), ledger.blocks.get(), ledger.total.get()) == (1, 2, 42)


def test_migrations_take_several_blocks_and_survive_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a block each, from the cursor in the state; another process goes on and agrees."""
    expected = old_state()
    run_block(compose(second_ledger(), 2), expected)
    state = old_state()
    monkeypatch.setattr("runtime.upgrade.MIGRATION_UNITS_MAX", 1)
    blocks = 0
    for _ in range(20):
        blocks += 1
        ledger = second_ledger()
        runtime = compose(ledger, 2)
        outcome = run_block(runtime, state)
        if outcome.events:
            break
    assert blocks == 7
    assert state.values == expected.values


def test_nothing_is_settled_before_migrations_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prices themselves may be what is migrated."""

    class Fees(Pallet, index=3):
        settled = Value[U32](0)

        def schedule(self) -> FeeSchedule:
            """As `FeePolicy`."""
            return FREE

        def settle(self, fees: int, tips: int, units: int) -> Sequence[tuple[bytes, int]]:
            """As `FeePolicy`; counts how often."""
            self.settled.put(self.settled.get() + 1)
            return ()

    monkeypatch.setattr("runtime.upgrade.MIGRATION_UNITS_MAX", 1)
    state, fees = old_state(), Fees()
    runtime = Runtime(System(), Balances(), fees, second_ledger(), spec_version=2, name="ledger")
    while not run_block(runtime, state).events:
        assert runtime.is_migrating(state)
        with runtime.reading(state):
            assert fees.settled.get() == 0
    assert not runtime.is_migrating(state)
    with runtime.reading(state):
        assert fees.settled.get() == 1


def test_extrinsics_wait_until_migrations_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposer keeps them for later, and a block that has some is refused."""
    monkeypatch.setattr("runtime.upgrade.MIGRATION_UNITS_MAX", 1)
    state, ledger = old_state(), second_ledger()
    runtime = compose(ledger, 2)
    raw = sign_extrinsic(
        type(ledger).touch.Call(), ALICE, genesis_hash=GENESIS, spec_version=2, nonce=0
    )
    touch = runtime.check(raw, GENESIS)
    with pytest.raises(InvalidBlock, match="migrations are not finished"):
        run_block(runtime, state, touch)
    outcome = run_block(runtime, state, touch, skip_invalid=True)
    assert outcome.included == ()
    assert [type(error).__name__ for error in outcome.left_out.values()] == ["BlockFull"]


def test_a_new_pallet_needs_no_migration() -> None:
    """Its storage begins in the version that it declares."""
    state = MemoryState(compose(first_ledger(), 1).initialise(lambda: None))
    for key in list(state.values):
        if key.startswith(storage_key("System", "storage_versions", "Ledger")):
            del state.values[key]
    runtime = compose(second_ledger(), 2)
    with pytest.raises(InvariantViolation, match="no entry"):
        run_block(runtime, state)  # the hook looks for entries: nothing was migrated


def test_a_state_of_newer_software_is_refused() -> None:
    """As a whole, or of one pallet: an older node must not write into it."""
    state = old_state()
    run_block(compose(second_ledger(), 2), state)
    with pytest.raises(WrongSpecVersion, match="for spec version 2, not for 1"):
        run_block(compose(second_ledger(), 1), state)
    with pytest.raises(InvariantViolation, match="storage of Ledger has version 3"):
        run_block(compose(first_ledger(), 3), state)


class Upgrade(Pallet, index=9):
    """A plan that the test puts, on a chain where one is needed or not."""

    is_shared: Const[bool] = True
    pending = Value[UpgradePlan | None](None)

    def needs_plan(self) -> bool:
        """As the test says."""
        return self.is_shared

    @on_runtime_upgrade
    def forget(self) -> None:
        """As the real one."""
        self.pending.put(None)


def planned(spec_version: int, *, ledger: Pallet, is_shared: bool = True) -> Runtime:
    """A runtime that obeys plans."""
    pallets = (System(), Balances(), ledger, Upgrade(is_shared=is_shared))
    return Runtime(*pallets, spec_version=spec_version, name="ledger")


def with_plan(plan: UpgradePlan | None) -> MemoryState:
    """The old state with a plan."""
    state = old_state()
    if plan is not None:
        state.values[Upgrade.pending.prefix] = codec_of(UpgradePlan).encode(plan)
    return state


@pytest.mark.parametrize(
    ("plan", "version", "height", "message"),
    [
        (None, 1, 5, None),
        (None, 2, 5, "Block 5 is for spec version 1, not for 2"),
        (UpgradePlan(2, 6, GENESIS), 1, 5, None),
        (UpgradePlan(2, 6, GENESIS), 2, 5, "Version 2 begins at height 6"),
        (UpgradePlan(2, 6, GENESIS), 3, 5, "for spec version 1, not for 3"),
        (UpgradePlan(2, 6, GENESIS), 1, 6, "Block 6 is for spec version 2, not for 1"),
        (UpgradePlan(2, 6, GENESIS), 2, 6, None),
        (UpgradePlan(2, 6, GENESIS), 2, 7, None),
        (UpgradePlan(2, 6, GENESIS), 3, 7, "for spec version 2, not for 3"),
    ],
)
def test_a_height_is_for_the_version_that_the_plan_says(
    plan: UpgradePlan | None, version: int, height: int, message: str | None
) -> None:
    """Before the planned height the old version executes, from it on the new one; nothing else."""
    ledger = first_ledger() if version == 1 else second_ledger()
    runtime, state = planned(version, ledger=ledger), with_plan(plan)
    with pytest.raises(WrongSpecVersion, match=message) if message else nullcontext():
        runtime.check_spec_version(state, height)
    with pytest.raises(WrongSpecVersion, match=message) if message else nullcontext():
        runtime.execute(state, replace(CONTEXT, height=height), GENESIS, (), skip_invalid=False)


def test_a_plan_is_gone_when_it_is_carried_out() -> None:
    """Through a migration of several blocks, and the new version goes on behind it."""
    state = with_plan(UpgradePlan(2, 5, GENESIS))
    runtime = planned(2, ledger=second_ledger())
    for height in (5, 6, 7):
        outcome = runtime.execute(
            state, replace(CONTEXT, height=height), GENESIS, (), skip_invalid=False
        )
        state.apply(outcome.changes)
    with runtime.reading(state):
        assert runtime.pallets["Upgrade"].pending.get() is None
        assert runtime.pallets["System"].spec_version.get() == 2


def test_where_one_validator_decides_no_plan_is_needed() -> None:
    """It upgrades when its operator installs the new version; a plan holds there, too."""
    runtime = planned(2, ledger=second_ledger(), is_shared=False)
    runtime.check_spec_version(with_plan(None), 5)
    with pytest.raises(WrongSpecVersion, match="begins at height 9"):
        runtime.check_spec_version(with_plan(UpgradePlan(2, 9, GENESIS)), 5)


def test_a_missing_migration_stops_the_chain() -> None:
    """It would read what it cannot understand."""

    class Ledger(Pallet, index=6, version=3):
        @migration(to=3)
        def last(self, cursor: bytes) -> bytes | None:
            """The one before it is gone."""

    with pytest.raises(InvariantViolation, match="no migration to version 2"):
        run_block(compose(Ledger(), 2), old_state())


def test_a_failing_migration_stops_the_chain() -> None:
    """Nothing can be skipped; `openledger try-upgrade` shows it before."""

    class Ledger(Pallet, index=6, version=2):
        @migration(to=2)
        def stumble(self, cursor: bytes) -> bytes | None:
            """A bug."""
            raise KeyError(cursor)

    state = old_state()
    before = dict(state.values)
    with pytest.raises(InvariantViolation, match=r"Ledger\.stumble to version 2 stopped with KeyE"):
        run_block(compose(Ledger(), 2), state)
    assert state.values == before


@pytest.mark.parametrize(("version", "steps"), [(3, (2,)), (3, (2, 2)), (1, (1,)), (2, (2, 3))])
def test_migrations_end_at_the_version_without_a_gap(version: int, steps: tuple[int, ...]) -> None:
    """Anything else is an error when the class is created."""

    def step(self: Any, cursor: bytes) -> bytes | None:
        """Nothing."""

    def define() -> None:
        namespace: dict[str, Any] = {"__module__": __name__, "__qualname__": "Bad"}
        for position, to in enumerate(steps):
            copy = FunctionType(step.__code__, step.__globals__, f"step_{position}")
            namespace[f"step_{position}"] = migration(to)(copy)
        type("Bad", (Pallet,), namespace, index=6, version=version)

    with pytest.raises(DefinitionError, match="has migrations to the versions"):
        define()


@pytest.mark.parametrize("version", [0, 65_536, "2"])
def test_a_version_is_a_small_positive_number(version: Any) -> None:
    """It is stored as a U16."""
    with pytest.raises(DefinitionError, match="storage version"):
        type("Bad", (Pallet,), {}, index=6, version=version)


def test_memory_lists_keys_in_order() -> None:
    """By prefix, behind a key, so many at most: as the store does."""
    state = MemoryState({b"a1": b"x", b"a2": b"x", b"b1": b"x", b"a0": b"x"})
    assert state.keys(b"a", None, 9) == [b"a0", b"a1", b"a2"]
    assert state.keys(b"a", b"a0", 1) == [b"a1"]
    assert state.keys(b"b", b"a0", 5) == [b"b1"]
    state.apply({b"b0": encode(1), b"a1": None, b"zz": None})
    assert state.keys(b"", None, 9) == [b"a0", b"a2", b"b0", b"b1"]


def test_a_migration_that_finds_the_state_broken_stops_the_chain() -> None:
    """An error that halts comes through as it is."""

    class Ledger(Pallet, index=6, version=2):
        @migration(to=2)
        def look(self, cursor: bytes) -> bytes | None:
            """The totals do not add up."""
            raise InvariantViolation("The total is wrong.", remedy="Restore it.")

    with pytest.raises(InvariantViolation, match="The total is wrong"):
        run_block(compose(Ledger(), 2), old_state())


def test_the_steps_of_a_block_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that cost nothing still end; the next block goes on."""
    monkeypatch.setattr("runtime.upgrade.STEPS_MAX", 3)
    runtime, state = compose(second_ledger(), 2), old_state()
    run_block(runtime, state)
    with runtime.reading(state):
        pending = runtime.pallets["System"].migration.get()
    assert pending is not None
    for _ in range(3):
        run_block(runtime, state)
    with runtime.reading(state):
        assert runtime.pallets["System"].migration.get() is None


def test_a_value_that_was_never_put_needs_no_translation() -> None:
    """Its default is the new type's."""

    class Ledger(Pallet, index=6, version=2):
        unset = Value[U64](7)

        @migration(to=2)
        def translate(self, cursor: bytes) -> bytes | None:
            """Of a value that has none."""
            self.unset.translate(U32, lambda old: old + 1)
            return None

    runtime, state = compose(Ledger(), 2), old_state()
    run_block(runtime, state)
    with runtime.reading(state):
        assert runtime.pallets["Ledger"].unset.get() == 7
