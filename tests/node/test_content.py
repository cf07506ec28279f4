"""The content store keeps exactly what hashes to its name, within its limits."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from node import content
from node.content import ContentStore
from node.errors import ConfigError, ContentDamaged, ContentError, ContentMissing, ContentTooLarge
from runtime.hashing import hash_content


def test_content_comes_back_under_its_hash(tmp_path: Path) -> None:
    """What was put is read again, in this process and after the store is reopened."""
    store = ContentStore(tmp_path)
    content_hash = store.put(b"rows")
    assert content_hash == hash_content(b"rows")
    assert store.get(content_hash) == b"rows"
    assert ContentStore(tmp_path).get(content_hash) == b"rows"


def test_the_empty_blob_is_content_too(tmp_path: Path) -> None:
    """Nothing has a hash, and can be stored."""
    store = ContentStore(tmp_path)
    assert store.get(store.put(b"")) == b""


def test_the_same_content_counts_once(tmp_path: Path) -> None:
    """Putting a blob again changes neither disk nor quota."""
    store = ContentStore(tmp_path, quota_bytes=10)
    assert store.put(b"123456") == store.put(b"123456")
    assert store.used_bytes == 6


def test_the_quota_holds_over_reopening(tmp_path: Path) -> None:
    """The sum of sizes is bounded, and counted from disk when the store is opened."""
    ContentStore(tmp_path, quota_bytes=10).put(b"123456")
    reopened = ContentStore(tmp_path, quota_bytes=10)
    with pytest.raises(ContentTooLarge, match="6 of 10"):
        reopened.put(b"abcdef")
    reopened.put(b"abcd")


def test_a_blob_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One blob over the limit is refused and leaves nothing behind."""
    monkeypatch.setattr(content, "CONTENT_BYTES_MAX", 4)
    store = ContentStore(tmp_path)
    with pytest.raises(ContentTooLarge):
        store.put(b"12345")
    assert store.used_bytes == 0


def test_unknown_content_is_missing(tmp_path: Path) -> None:
    """A hash that nobody has put, and bytes that are no hash, are typed errors."""
    store = ContentStore(tmp_path)
    assert not store.has(bytes(32))
    for name in (bytes(32), b"short"):
        with pytest.raises(ContentMissing):
            store.get(name)


def test_damage_on_disk_is_noticed(tmp_path: Path) -> None:
    """Bytes that no longer have their hash are never handed out."""
    store = ContentStore(tmp_path)
    content_hash = store.put(b"rows")
    name = content_hash.hex()
    (tmp_path / name[:2] / name[2:]).write_bytes(b"bows")
    with pytest.raises(ContentDamaged, match="Delete"):
        store.get(content_hash)


def test_half_written_files_are_swept(tmp_path: Path) -> None:
    """A process killed while writing leaves a temporary file, which the next start removes."""
    ContentStore(tmp_path)
    (tmp_path / "incoming" / "tmp123").write_bytes(b"half")
    store = ContentStore(tmp_path)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert store.used_bytes == 0


def test_a_full_disk_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves neither blob nor temporary file, and the quota as it was."""
    store = ContentStore(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ContentError, match="No space left"):
            store.put(b"rows")
    assert not store.has(hash_content(b"rows"))
    assert list((tmp_path / "incoming").iterdir()) == []
    assert store.used_bytes == 0
    store.put(b"rows")


def test_a_folder_that_cannot_be_used_is_a_typed_error(tmp_path: Path) -> None:
    """A file where the folder should be gives a sentence and a remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        ContentStore(tmp_path / "file")
    assert caught.value.remedy
