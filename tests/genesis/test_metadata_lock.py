"""The metadata lock: what clients and stored data rely on does not change unnoticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from genesis import metadata_lock
from genesis.compose import SPEC_VERSION, compose_runtime
from genesis.metadata_lock import (
    MetadataLocked,
    check_lock,
    lock_file,
    locked_versions,
    main,
    render,
    storage_problems,
    write_lock,
)

METADATA = json.loads(json.dumps(compose_runtime().metadata()))


def changed(spec_version: int, *changes: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The metadata of a runtime in which Balances differs."""
    metadata: dict[str, Any] = copy.deepcopy(METADATA)
    metadata["spec_version"] = spec_version
    for change in changes:
        change(next(each for each in metadata["pallets"] if each["name"] == "Balances"))
    return metadata


def rename_call(pallet: dict[str, Any]) -> None:
    """A change that storage does not notice."""
    pallet["calls"][0]["name"] = "send"


def widen_accounts(pallet: dict[str, Any]) -> None:
    """A change of what is stored."""
    next(each for each in pallet["storage"] if each["name"] == "accounts")["type"] = "u64"


def migrate(pallet: dict[str, Any]) -> None:
    """A new storage version with its migration."""
    pallet["version"] += 1
    pallet["migrations"].append({"name": "step", "to_version": pallet["version"]})


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """A folder of locks with the current runtime as version 1."""
    monkeypatch.setattr(metadata_lock, "DIRECTORY", tmp_path)
    write_lock(changed(1))
    return tmp_path


def test_the_metadata_are_the_locked_ones():
    """A change of calls, types, storage, errors or weights is written down on purpose.

    If this fails: `genesis/metadata_lock.py` says what to do.
    """
    check_lock(METADATA)
    assert locked_versions() == tuple(range(1, SPEC_VERSION + 1))


def test_a_lock_is_written_by_its_tool(locks):
    """Byte for byte, so that the difference of a commit is the difference of the runtime."""
    written = lock_file(1).read_text()
    main()
    assert lock_file(SPEC_VERSION).read_text() == render(METADATA) == written


def test_a_changed_runtime_needs_a_new_spec_version(locks):
    """The failure says so, and names a pallet whose storage needs a migration."""
    with pytest.raises(MetadataLocked, match="still 1") as caught:
        check_lock(changed(1, rename_call))
    assert "Raise SPEC_VERSION" in caught.value.remedy
    assert "migration" in caught.value.remedy
    with pytest.raises(
        MetadataLocked, match=r"storage of Balances changed \(accounts\).*version=2"
    ):
        check_lock(changed(1, widen_accounts))
    with pytest.raises(MetadataLocked, match="has no metadata lock"):
        check_lock(changed(2, rename_call))
    write_lock(changed(2, rename_call))
    check_lock(changed(2, rename_call))


def test_a_version_with_a_successor_is_frozen(locks, monkeypatch):
    """Until then it may be written anew, which is how version 1 grows before the first release."""
    write_lock(changed(1, rename_call))
    write_lock(changed(2))
    with pytest.raises(MetadataLocked, match="are frozen"):
        write_lock(changed(1))
    monkeypatch.setattr("genesis.compose.SPEC_VERSION", 1)
    with pytest.raises(SystemExit, match=r"frozen.*Raise SPEC_VERSION"):
        main()
    assert json.loads(lock_file(1).read_text()) == changed(1, rename_call)


def test_changed_storage_needs_a_migration_from_the_version_before(locks):
    """A new spec version alone is not enough, for the lock and for the check of it."""
    for refuse in (write_lock, check_lock):
        with pytest.raises(MetadataLocked, match=r"Balances changed.*@migration\(to=2\)"):
            refuse(changed(2, widen_accounts))
    write_lock(changed(2, widen_accounts, migrate))
    check_lock(changed(2, widen_accounts, migrate))


def test_every_way_to_lose_storage_is_named():
    """A pallet that goes, a version that falls or jumps; what is new needs nothing."""
    assert storage_problems(METADATA, changed(2, rename_call)) == []
    gone = changed(2)
    gone["pallets"] = [each for each in gone["pallets"] if each["name"] != "Balances"]
    assert "The pallet Balances is gone" in storage_problems(METADATA, gone)[0]
    assert storage_problems(gone, METADATA) == []
    jumped = changed(2, migrate, migrate, lambda pallet: pallet["migrations"].pop(0))
    assert storage_problems(METADATA, jumped) == ["Balances has no @migration(to=2)."]
    assert "went down: write version=2" in storage_problems(changed(2, migrate), METADATA)[0]
    removed = changed(2, lambda pallet: pallet["storage"].pop())
    assert "@migration(to=2)" in storage_problems(METADATA, removed)[0]
    assert storage_problems(removed, METADATA) == []
