"""The plan of the next upgrade: which spec version runs from which height on.

Terms.  The *plan* names a spec version, the height of its first block and the hash of the release.
From that height on no node of an older version executes a block: it stops cleanly and says what to
install.  A node of the new version executes none before it (`runtime.upgrade`).

Rules:

- There is one plan at a time.  It is for a newer version and a later height, and is gone when the
  new version has taken over the storage.
- Without a plan nothing is upgraded, except where one validator decides alone: its operator need
  not agree with anybody.
"""

from __future__ import annotations

from typing import ClassVar

from pallets.upgrade import weights
from runtime import (
    U32,
    BlockNumber,
    Error,
    Event,
    Hash,
    Needs,
    Pallet,
    Root,
    Value,
    call,
    on_runtime_upgrade,
)
from runtime.traits import ValidatorSets
from runtime.upgrade import UpgradePlan, VersionStore


class Upgrade(Pallet, index=7):
    """The plan of the next upgrade."""

    # Needs

    system: Needs[VersionStore]
    sets: Needs[ValidatorSets]

    # Storage

    pending = Value[UpgradePlan | None](None)
    """The plan that is not carried out yet."""

    # Events

    class Scheduled(Event):
        """An upgrade is planned."""

        plan: UpgradePlan

    class Cancelled(Event):
        """The planned upgrade will not be."""

        plan: UpgradePlan

    # Errors

    class NotNewer(Error):
        """The chain has this spec version, or a newer one, already."""

        remedy: ClassVar[str] = "Plan an upgrade to a newer spec version."
        spec_version: U32
        current: U32

    class HeightPassed(Error):
        """The height of an upgrade must be a later one."""

        remedy: ClassVar[str] = "Give operators time: choose a height days ahead."
        height: BlockNumber

    class AlreadyScheduled(Error):
        """Another upgrade is planned, and not carried out yet."""

        remedy: ClassVar[str] = "Cancel it first, with Upgrade.cancel."
        spec_version: U32
        height: BlockNumber

    class NothingScheduled(Error):
        """No upgrade is planned."""

        remedy: ClassVar[str] = "Read Upgrade.pending."

    # Calls

    @call(0, weight=weights.schedule, operational=True)
    def schedule(
        self, _origin: Root, spec_version: U32, height: BlockNumber, code_hash: Hash
    ) -> None:
        """Let `spec_version` run from `height` on; `code_hash` is that of its release."""
        current = self.system.spec_version.get()
        if spec_version <= current:
            raise self.NotNewer(spec_version=spec_version, current=current)
        if height <= self.block.height:
            raise self.HeightPassed(height=height)
        known = self.pending.get()
        if known is not None:
            raise self.AlreadyScheduled(spec_version=known.spec_version, height=known.height)
        plan = UpgradePlan(spec_version, height, code_hash)
        self.pending.put(plan)
        self.emit(self.Scheduled(plan=plan))

    @call(1, weight=weights.cancel, operational=True)
    def cancel(self, _origin: Root) -> None:
        """Give the planned upgrade up."""
        plan = self.pending.get()
        if plan is None:
            raise self.NothingScheduled
        self.pending.put(None)
        self.emit(self.Cancelled(plan=plan))

    # Hooks

    @on_runtime_upgrade
    def forget_plan(self) -> None:
        """The plan is carried out."""
        if self.pending.get() is not None:
            self.pending.put(None)

    # Helpers: `UpgradePolicy` for the runtime

    def needs_plan(self) -> bool:
        """Whether an upgrade must be planned: one validator alone need not agree with anybody."""
        return self.sets.validator_count() > 1
