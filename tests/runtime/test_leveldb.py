"""LevelDB's and the operating system's errors become sentences."""

from __future__ import annotations

import plyvel
import pytest

from runtime.errors import StoreError
from runtime.state.leveldb import Database, repair


def _raises(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


def test_a_full_disk_is_told_as_such(tmp_path, monkeypatch):
    """Neither damage nor a lock: the reason, and what to look at."""
    monkeypatch.setattr(plyvel, "DB", _raises(plyvel.IOError(b"No space left on device")))
    with pytest.raises(StoreError, match=r"No space left on device.* disk has space"):
        Database(tmp_path, create=True)


def test_a_locked_directory_is_not_repaired(tmp_path, monkeypatch):
    """LevelDB's repair would not look at the lock itself."""
    monkeypatch.setattr("fcntl.lockf", _raises(BlockingIOError(11, "Resource unavailable")))
    monkeypatch.setattr(plyvel, "repair_db", _raises(AssertionError("repaired")))
    with pytest.raises(StoreError, match="in use or cannot be locked"):
        repair(tmp_path)
