"""Conformance: no encoding changes unnoticed."""

from __future__ import annotations

import json

from tests.runtime import conformance

PINNED = json.loads(conformance.FILE.read_text())


def test_every_encoding_is_the_pinned_one():
    """A changed encoding fails with the name of its type, as it was pinned and as it is.

    If this fails: stored state and signed bytes of live chains have changed.  A new version of the
    type, or a migration, is the answer; for a type that no chain has seen yet, run
    `python -m tests.runtime.conformance` and commit the difference.
    """
    found = {
        name: {"type": kind, "hash": digest} for name, (kind, digest) in conformance.pins().items()
    }
    names = dict.fromkeys([*PINNED, *found])
    changed = {
        name: {"pinned": PINNED.get(name), "found": found.get(name)}
        for name in names
        if PINNED.get(name) != found.get(name)
    }
    assert changed == {}


def test_the_file_is_written_by_its_tool(tmp_path, monkeypatch):
    """Byte for byte, so that the difference of a commit is the difference of the encodings."""
    assert conformance.FILE.read_text() == conformance.render()
    monkeypatch.setattr(conformance, "FILE", tmp_path / "conformance.json")
    conformance.main()
    assert conformance.FILE.read_text() == conformance.render()
