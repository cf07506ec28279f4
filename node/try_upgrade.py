"""A dry run of an upgrade: the installed runtime takes over a snapshot, in memory.

It executes empty blocks as a validator would until all migrations are done, then checks what no
migration may break: every stored value decodes under its item's type, nothing is stored that no
pallet knows, invariants hold.  The snapshot is read only.  Where the chain upgrades at a planned
height only, the dry run is as if the plan were for its next block.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from node.snapshots import Snapshot
from runtime.block import BlockContext
from runtime.cbor import decode
from runtime.codec import codec_of
from runtime.errors import DecodeError, OpenLedgerError, WrongSpecVersion
from runtime.executive import Runtime
from runtime.hashing import ZERO_HASH
from runtime.state.memory import MemoryState
from runtime.storage import PREFIX_BYTES, StorageItem, storage_key
from runtime.upgrade import UpgradePlan

BLOCKS_MAX = 100_000
"""How many blocks an upgrade may take."""
PROBLEMS_MAX = 20
"""How many values that do not decode are listed."""
_ISSUANCE = ("Balances", "issuance")
_UNKNOWN = ("?", "unknown")


class UpgradeFails(OpenLedgerError):
    """The upgrade does not end, or leaves a state that the runtime cannot use."""


@dataclass(frozen=True, slots=True)
class ItemDifference:
    """What an upgrade does to the entries of one storage item."""

    item: str
    """`Pallet.item`."""
    before: int
    """Entries."""
    after: int
    added: int
    changed: int
    removed: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade does."""

    height: int
    spec_version_before: int
    spec_version_after: int
    blocks: int
    """Blocks until extrinsics enter again; 1 is an upgrade that nobody notices."""
    seconds_max: float
    """Wall clock of the slowest of them, on this machine."""
    issuance_before: int
    issuance_after: int
    versions: Mapping[str, tuple[int | None, int]]
    """Pallets whose storage version changes: from, to."""
    items: tuple[ItemDifference, ...]
    """Storage items with a difference."""


def try_upgrade(runtime: Runtime, snapshot: Snapshot) -> UpgradeReport:
    """Carry out the upgrade to `runtime`; raises `UpgradeFails`, `InvariantViolation`."""
    state = MemoryState(snapshot.state)
    before = _Readable(runtime, snapshot.state)
    blocks, seconds_max = _run(runtime, state, snapshot)
    after = _Readable(runtime, state.values)
    after.require_valid()
    runtime.check_invariants(state)
    known = {name: version for name, version in before.versions() if version}
    versions = {
        name: (known.get(name), version)
        for name, version in after.versions()
        if version is not None and known.get(name) != version
    }
    return UpgradeReport(
        height=snapshot.header.height,
        spec_version_before=before.number("System", "spec_version"),
        spec_version_after=after.number("System", "spec_version"),
        blocks=blocks,
        seconds_max=seconds_max,
        issuance_before=before.number(*_ISSUANCE),
        issuance_after=after.number(*_ISSUANCE),
        versions=versions,
        items=tuple(_differences(before, after)),
    )


def _run(runtime: Runtime, state: MemoryState, snapshot: Snapshot) -> tuple[int, float]:
    """Execute blocks until one ends in the runtime's spec version; their number and slowest."""
    header = snapshot.header
    _plan(runtime, state, header.height + 1)
    slowest = 0.0
    for number in range(1, BLOCKS_MAX + 1):
        context = BlockContext(
            height=header.height + number,
            time_ms=header.time_ms + number,
            proposer=header.proposer,
            beacon=header.beacon,
            parent_hash=header.id(),
        )
        start = time.perf_counter()
        outcome = runtime.execute(state, context, snapshot.genesis_hash, (), skip_invalid=True)
        slowest = max(slowest, time.perf_counter() - start)
        state.apply(outcome.changes)
        with runtime.reading(state):
            if runtime.pallets["System"].spec_version.get() == runtime.spec_version:
                return number, slowest
    message = f"The migrations are not finished after {BLOCKS_MAX} blocks."
    raise UpgradeFails(message, remedy="Let each step do more, and see that the cursor moves on.")


def _plan(runtime: Runtime, state: MemoryState, height: int) -> None:
    """Plan the upgrade for a height, if the chain needs that."""
    try:
        runtime.check_spec_version(state, height)
    except WrongSpecVersion:
        plan = UpgradePlan(runtime.spec_version, height, ZERO_HASH)
        state.apply({storage_key("Upgrade", "pending"): codec_of(UpgradePlan).encode(plan)})


class _Readable:
    """A state with what the runtime's pallets say about its keys."""

    def __init__(self, runtime: Runtime, values: Mapping[bytes, bytes]) -> None:
        self.values = values
        self._items: dict[bytes, tuple[str, str, StorageItem]] = {
            item.prefix: (name, item_name, item)
            for name, pallet in runtime.pallets.items()
            for item_name, item in pallet.definition.storage.items()
        }
        self._pallets = tuple(runtime.pallets)

    def place(self, key: bytes) -> tuple[str, str]:
        """Pallet and item of a storage key."""
        found = self._items.get(key[:PREFIX_BYTES])
        return _UNKNOWN if found is None else found[:2]

    def number(self, pallet: str, item: str) -> int:
        """A stored integer, or 0."""
        value = self._plain(pallet, item)
        return value if isinstance(value, int) else 0

    def versions(self) -> Iterator[tuple[str, int | None]]:
        """The version of each pallet's storage."""
        for name in self._pallets:
            value = self._plain("System", "storage_versions", name)
            yield name, value if isinstance(value, int) else None

    def require_valid(self) -> None:
        """Raise `UpgradeFails` unless every value decodes under its item's type."""
        problems: list[str] = []
        for key, value in self.values.items():
            problem = self._problem(key, value)
            if problem and len(problems) < PROBLEMS_MAX:
                problems.append(problem)
        if problems:
            message = "The state would not be readable after the upgrade:\n" + "\n".join(problems)
            raise UpgradeFails(message, remedy="Migrate or remove these entries.")

    def _problem(self, key: bytes, value: bytes) -> str:
        found = self._items.get(key[:PREFIX_BYTES])
        if found is None:
            return f"{key.hex()}: no pallet knows this entry."
        pallet, name, item = found
        try:
            item.codec.decode(value)
        except DecodeError as error:
            return f"{pallet}.{name} {key[PREFIX_BYTES:].hex()}: {error.message}"
        return ""

    def _plain(self, pallet: str, item: str, *parts: Any) -> Any:
        encoded = self.values.get(storage_key(pallet, item, *parts))
        return None if encoded is None else decode(encoded)


def _differences(before: _Readable, after: _Readable) -> Iterator[ItemDifference]:
    counts: dict[tuple[str, str], list[int]] = {}
    for key in before.values.keys() | after.values.keys():
        old, new = before.values.get(key), after.values.get(key)
        row = counts.setdefault(after.place(key), [0] * 7)
        row[0] += old is not None
        row[1] += new is not None
        row[2] += old is None
        row[3] += old is not None and new is not None and old != new
        row[4] += new is None
        row[5] += len(old or b"")
        row[6] += len(new or b"")
    for (pallet, item), row in sorted(counts.items()):
        if any(row[2:5]):
            yield ItemDifference(f"{pallet}.{item}", *row)
