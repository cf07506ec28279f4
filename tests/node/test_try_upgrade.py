"""`openledger try-upgrade`: an upgrade is seen before it happens, on the state of a live chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from genesis.chain_spec import dev_spec, genesis_block
from node.cli.main import main
from node.snapshots import Snapshot, export_snapshot
from node.try_upgrade import ItemDifference, UpgradeFails, try_upgrade
from runtime import InvariantViolation, Pallet, migration
from runtime.codec import codec_of, encode
from runtime.state.store import BlockRecord, Store
from runtime.storage import storage_key
from runtime.upgrade import UpgradePlan
from tests.runtime.test_upgrade import (
    ENTRIES,
    Upgrade,
    compose,
    first_ledger,
    old_state,
    planned,
    second_ledger,
)

HEADER = genesis_block(dev_spec())[0].header


def snapshot() -> Snapshot:
    """The state of a chain of spec version 1."""
    return Snapshot(HEADER.id(), HEADER, old_state().values)


def test_an_upgrade_is_described_before_it_happens() -> None:
    """Blocks, versions and every item with a difference; the snapshot stays as it is."""
    before = snapshot()
    copy = dict(before.state)
    report = try_upgrade(compose(second_ledger(), 2), before)
    assert (report.spec_version_before, report.spec_version_after, report.blocks) == (1, 2, 1)
    assert report.versions == {"Ledger": (1, 3)}
    assert report.issuance_before == report.issuance_after
    by_name = {item.item: item for item in report.items}
    entries = by_name["Ledger.entries"]
    assert (entries.before, entries.after) == (ENTRIES, ENTRIES - 1)
    assert (entries.added, entries.changed, entries.removed) == (0, ENTRIES - 1, 1)
    assert entries.bytes_after > entries.bytes_before
    assert by_name["Ledger.upgrades"] == ItemDifference("Ledger.upgrades", 0, 1, 1, 0, 0, 0, 1)
    assert before.state == copy


def test_the_same_version_changes_nothing_but_what_blocks_do() -> None:
    """Run on the version that made the snapshot, it is a check of the state."""
    report = try_upgrade(compose(first_ledger(), 1), snapshot())
    assert (report.versions, report.items) == ({}, ())


def test_a_chain_that_needs_a_plan_is_tried_as_if_it_had_one() -> None:
    """With no plan, and with one for later; the plan is gone after the upgrade."""
    later = codec_of(UpgradePlan).encode(UpgradePlan(2, 1_000, bytes(32)))
    for plan in ({}, {Upgrade.pending.prefix: later}):
        before = snapshot()
        planned_snapshot = replace(before, state={**before.state, **plan})
        report = try_upgrade(planned(2, ledger=second_ledger()), planned_snapshot)
        assert (report.spec_version_after, report.blocks) == (2, 1)
        (item,) = [each for each in report.items if each.item == "Upgrade.pending"]
        assert item.after == 1


def test_what_no_pallet_can_read_is_listed() -> None:
    """An item that was dropped, or changed without a migration, is named with its key."""

    class Ledger(Pallet, index=6, version=2):
        @migration(to=2)
        def forget(self, cursor: bytes) -> bytes | None:
            """Removes nothing of what version 1 stored."""
            return None

    with pytest.raises(UpgradeFails, match="no pallet knows this entry"):
        try_upgrade(compose(Ledger(), 2), snapshot())
    damaged = snapshot()
    values = dict(damaged.state) | {storage_key("Balances", "issuance"): encode("text")}
    with pytest.raises(UpgradeFails, match=r"Balances\.issuance"):
        try_upgrade(compose(first_ledger(), 1), replace(damaged, state=values))


def test_a_migration_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it would hold a chain for ever."""

    class Ledger(Pallet, index=6, version=2):
        @migration(to=2)
        def turn(self, cursor: bytes) -> bytes | None:
            """In circles."""
            return b"again"

    monkeypatch.setattr("node.try_upgrade.BLOCKS_MAX", 3)
    monkeypatch.setattr("runtime.upgrade.STEPS_MAX", 5)
    with pytest.raises(UpgradeFails, match="not finished after 3 blocks"):
        try_upgrade(compose(Ledger(), 2), snapshot())


def test_a_broken_invariant_is_found() -> None:
    """As it would be by nobody on the chain."""
    rich = dict(snapshot().state) | {storage_key("Balances", "issuance"): encode(2**127)}
    with pytest.raises(InvariantViolation, match="Too much was issued"):
        try_upgrade(compose(first_ledger(), 1), Snapshot(HEADER.id(), HEADER, rich))


def test_the_command_reads_a_snapshot_of_a_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a store to a report, for people and for programs."""
    block, changes, runtime = genesis_block(dev_spec())
    store = Store.open(tmp_path / "state", create=True)
    record = BlockRecord(0, block.header.id(), block.encode(), b"", runtime.encode_events(()), ())
    store.commit(store.prepare(changes), record)
    export_snapshot(store.freeze(), tmp_path / "snapshot")
    store.close()
    for flags in ([], ["--json"]):
        arguments = ["openledger", "try-upgrade", "--snapshot", str(tmp_path / "snapshot"), *flags]
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    text = capsys.readouterr().out
    assert "spec version   1 -> 1" in text
    report = json.loads(text[text.index("{") :])
    assert report["blocks"] == 1
    assert report["issuance_before"] == report["issuance_after"]
    assert report["versions"] == {}
