"""Upgrades: from the storage of one spec version to that of the next.

A pallet says which version its storage has (`class Balances(Pallet, index=2, version=3)`), and how
an older storage becomes it: one `@migration(to=N)` for each step from N - 1 to N.  The state keeps
the version that each pallet's storage really has.

    @migration(to=2)
    def count_nonces(self, cursor: bytes) -> bytes | None:
        return self.accounts.translate(AccountV1, with_nonce, cursor, limit=500)

A migration is called with an empty cursor at first, then with what it returned last, until it
returns None.  Block by block as many steps are taken as fit half a block, and the cursor is in the
state: a node that is stopped goes on where it was, and a million entries do not stop the chain for
longer than it takes to write them.  Until all are done, a block has no extrinsics and no hooks,
because pallets would read what is not migrated yet.  `openledger try-upgrade` does all of it on a
snapshot first.

A runtime with a pallet named `Upgrade` changes its spec version where that pallet's plan says, and
nowhere else: from the planned height on no node of the old version executes a block, and before it
none of the new.  So all validators change together, at one height, by installing the new version
and starting again.

Prior art: FRAME's multi-block migrations (`pallet-migrations`), with versions per pallet as in
its `StorageVersion`; the halt of Cosmos SDK's `x/upgrade`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from runtime.block import BLOCK_UNITS_MAX
from runtime.definition import MigrationDefinition
from runtime.dispatch import HALTING, bug
from runtime.errors import InvariantViolation, WrongSpecVersion
from runtime.events import Event
from runtime.overlay import Overlay
from runtime.pallet import Pallet
from runtime.storage import BoundMap, BoundValue
from runtime.types import U16, U32, BlockNumber, Hash, Max, ShortText
from runtime.weights import Weight, units_of

CURSOR_BYTES_MAX = 512
"""The longest cursor of a migration: a storage key fits."""
STEP_WEIGHT = Weight(reads=10_000, writes=10_000, hashes=10_000, bytes=1_000_000)
"""The most that one step of a migration may take."""
MIGRATION_UNITS_MAX = BLOCK_UNITS_MAX // 2
"""When a block's migration steps have taken so much, the rest waits for the next block."""
STEPS_MAX = 10_000
"""The most steps of one block: a step may also do nothing."""


@dataclass(frozen=True, slots=True)
class MigrationState:
    """A migration that has begun and is not finished."""

    pallet: ShortText
    to_version: U16
    cursor: Annotated[bytes, Max(CURSOR_BYTES_MAX)]
    """Where the next step begins; empty at first."""


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """From which height on another spec version runs."""

    spec_version: U32
    height: BlockNumber
    """The first block of the new version."""
    code_hash: Hash
    """Of the release, for operators to compare with what they install."""


class UpgradePolicy(Protocol):
    """What upgrades need of the pallet named `Upgrade`, if there is one."""

    pending: BoundValue[UpgradePlan | None]
    """The plan that is not carried out yet."""

    def needs_plan(self) -> bool:
        """Whether an upgrade must be planned: one validator alone need not agree with anybody."""


class ReportsUpgrade(Protocol):
    """`System.Upgraded`: an event of the spec version that is in force from now on."""

    def __call__(self, *, spec_version: int) -> Event:
        """With the spec version."""


class VersionStore(Protocol):
    """What upgrades need of the pallet named `System`."""

    spec_version: BoundValue[int]
    """The spec version whose storage the state has."""
    storage_versions: BoundMap[str, int]
    """The version of each pallet's storage, by the pallet's name."""
    migration: BoundValue[MigrationState | None]
    """The migration in progress."""
    Upgraded: ReportsUpgrade

    def emit(self, event: Event) -> None:
        """As every pallet."""


class Upgrades:
    """The upgrades of one runtime."""

    def __init__(
        self,
        pallets: Sequence[Pallet],
        store: VersionStore,
        policy: UpgradePolicy | None,
        overlay: Overlay,
        spec_version: int,
    ) -> None:
        self._pallets = pallets
        self._store = store
        self._policy = policy
        self._overlay = overlay
        self._spec_version = spec_version

    def begin(self) -> None:
        """At genesis: all storage has the version that the pallets declare."""
        self._store.spec_version.put(self._spec_version)
        for pallet in self._pallets:
            self._store.storage_versions[pallet.definition.name] = pallet.definition.version

    def check(self, height: int) -> None:
        """Raise `WrongSpecVersion` unless this version is the one to execute a height."""
        installed, wanted = self._spec_version, self._store.spec_version.get()
        plan = None if self._policy is None else self._policy.pending.get()
        if plan is not None and height >= plan.height:
            wanted = max(wanted, plan.spec_version)
        if installed == wanted:
            return
        free = self._policy is None or not self._policy.needs_plan()
        if installed > wanted and plan is None and free:
            return
        message = f"Block {height} is for spec version {wanted}, not for {installed}."
        if installed > wanted and plan is not None and plan.spec_version == installed:
            message += f" Version {installed} begins at height {plan.height}."
        raise WrongSpecVersion(
            message, remedy=f"Install OpenLedger with spec version {wanted}, and start again."
        )

    def advance(self, height: int, on_runtime_upgrade: Callable[[], None]) -> bool:
        """Take the steps of one block; returns whether migrations are not finished after it.

        Raises `WrongSpecVersion`, and `InvariantViolation` for a migration that fails or is
        missing: the chain cannot go on without it.
        """
        self.check(height)
        store = self._store
        if store.spec_version.get() == self._spec_version:
            return False
        left = MIGRATION_UNITS_MAX
        for _ in range(STEPS_MAX):
            pending = store.migration.get() or self._next_migration()
            if pending is None:
                store.spec_version.put(self._spec_version)
                on_runtime_upgrade()
                store.emit(store.Upgraded(spec_version=self._spec_version))
                return False
            left -= self._take_step(pending)
            if left <= 0:
                break
        return True

    def _next_migration(self) -> MigrationState | None:
        """The first migration that is due, in the order of the pallets."""
        for pallet in self._pallets:
            definition = pallet.definition
            stored = self._store.storage_versions.get(definition.name)
            if stored is None:
                # A pallet that is new has no storage to migrate.
                self._store.storage_versions[definition.name] = stored = definition.version
            if stored > definition.version:
                message = (
                    f"The storage of {definition.name} has version {stored}, "
                    f"and the pallet is of version {definition.version}."
                )
                raise InvariantViolation(message, remedy="Install the newer version of the pallet.")
            if stored < definition.version:
                return MigrationState(definition.name, stored + 1, b"")
        return None

    def _take_step(self, pending: MigrationState) -> int:
        """Take one step, and return its weight units."""
        pallet, migration = self._find(pending)
        overlay = self._overlay
        overlay.meter(STEP_WEIGHT)
        try:
            cursor = migration.function(pallet, pending.cursor)
        except HALTING:
            raise
        except Exception as error:
            raise bug(f"The migration {migration}", error) from error
        used = units_of(*overlay.metered)
        overlay.settle()
        if cursor is None:
            self._store.storage_versions[pending.pallet] = pending.to_version
            self._store.migration.put(None)
        else:
            self._store.migration.put(
                MigrationState(pending.pallet, pending.to_version, cursor),
            )
        return used

    def _find(self, pending: MigrationState) -> tuple[Pallet, MigrationDefinition]:
        for pallet in self._pallets:
            for migration in pallet.definition.migrations:
                if (migration.pallet, migration.to_version) == (pending.pallet, pending.to_version):
                    return pallet, migration
        message = f"{pending.pallet} has no migration to version {pending.to_version}."
        remedy = (
            f"Install a version of the pallet that has it: @migration(to={pending.to_version})."
        )
        raise InvariantViolation(message, remedy=remedy)
