"""The metadata lock: what clients and stored data rely on does not change unnoticed."""

from __future__ import annotations

import json

from genesis.compose import compose_runtime
from genesis.metadata_lock import LOCK_FILE, main, render


def test_the_metadata_is_the_locked_one():
    """A change of calls, types, storage, errors or weights is written down on purpose.

    If this fails: is the change compatible, or does it need a new spec version?  Then run
    `python -m genesis.metadata_lock` and commit the difference.
    """
    assert json.loads(LOCK_FILE.read_text()) == compose_runtime().metadata()


def test_the_lock_file_is_written_by_its_tool(tmp_path, monkeypatch):
    """Byte for byte, so that the difference of a commit is the difference of the runtime."""
    assert LOCK_FILE.read_text() == render()
    monkeypatch.setattr("genesis.metadata_lock.LOCK_FILE", tmp_path / "lock.json")
    main()
    assert (tmp_path / "lock.json").read_text() == render()
