"""The content store: blobs on disk under the hash of their bytes.

    <directory>/ab/cdef...        one file a blob, sharded by the first byte of its hash
    <directory>/incoming/         half-written files; emptied when the store is opened

Invariants: a file under its hash is complete (temporary file, fsync, rename, fsync of the folder);
what is read is checked against its hash again; the sum of sizes stays within the quota.  The
methods block: the node calls them in worker threads.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from node.errors import ConfigError, ContentDamaged, ContentError, ContentMissing, ContentTooLarge
from node.files import sync_directory, write_atomically
from runtime.hashing import hash_content

CONTENT_BYTES_MAX = 64 * 1024 * 1024
"""The largest blob."""
QUOTA_BYTES_DEFAULT = 20 * 1024**3
"""All blobs together, unless configured otherwise."""
HASH_BYTES = 32


class ContentStore:
    """Blobs by hash, with a limit on each and a quota on all of them."""

    def __init__(self, directory: Path, *, quota_bytes: int = QUOTA_BYTES_DEFAULT) -> None:
        """Open or create the store; raises `ConfigError`."""
        self._directory = directory
        self._incoming = directory / "incoming"
        self._quota_bytes = quota_bytes
        self._lock = threading.Lock()
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            self._used_bytes = _stored_bytes(directory)
        except OSError as error:
            message = f"The content store {directory} cannot be used: {error.strerror}."
            remedy = "Choose a folder that this user may write to."
            raise ConfigError(message, remedy=remedy) from error

    @property
    def used_bytes(self) -> int:
        """The sum of the sizes of all blobs."""
        return self._used_bytes

    def put(self, data: bytes) -> bytes:
        """Keep `data` and return its hash; raises `ContentTooLarge`."""
        if len(data) > CONTENT_BYTES_MAX:
            message = f"The content has {len(data)} bytes; at most {CONTENT_BYTES_MAX} are stored."
            raise ContentTooLarge(message, remedy="Split it into several files.")
        content_hash = hash_content(data)
        with self._lock:
            if not self._path(content_hash).exists():
                self._check_quota(len(data))
                self._write(content_hash, data)
                self._used_bytes += len(data)
        return content_hash

    def has(self, content_hash: bytes) -> bool:
        """Whether the blob is here."""
        return self._path(content_hash).is_file()

    def get(self, content_hash: bytes) -> bytes:
        """The blob, checked against its hash; raises `ContentMissing`, `ContentDamaged`."""
        try:
            data = self._path(content_hash).read_bytes()
        except FileNotFoundError as error:
            message = f"The content {content_hash.hex()} is not stored here."
            remedy = "Upload it first, or ask the node that the uploader used."
            raise ContentMissing(message, remedy=remedy) from error
        if hash_content(data) != content_hash:
            message = f"The content {content_hash.hex()} is damaged on disk."
            remedy = f"Delete {self._path(content_hash)} and upload the content again."
            raise ContentDamaged(message, remedy=remedy)
        return data

    def erase(self, content_hash: bytes) -> bool:
        """Delete a blob for good; returns whether it was here.  Raises `ContentError`."""
        path = self._path(content_hash)
        with self._lock:
            try:
                size_bytes = path.stat().st_size
                path.unlink()
                sync_directory(path.parent)
            except FileNotFoundError:
                return False
            except OSError as error:
                message = f"The content {content_hash.hex()} cannot be erased: {error.strerror}."
                raise ContentError(message, remedy=f"Delete {path} by hand.") from error
            self._used_bytes -= size_bytes
        return True

    def _path(self, content_hash: bytes) -> Path:
        if len(content_hash) != HASH_BYTES:
            message = f"A content hash has {HASH_BYTES} bytes, not {len(content_hash)}."
            raise ContentMissing(message, remedy="Give the 64 hexadecimal digits of the hash.")
        name = content_hash.hex()
        return self._directory / name[:2] / name[2:]

    def _check_quota(self, size_bytes: int) -> None:
        if self._used_bytes + size_bytes > self._quota_bytes:
            message = (
                f"{size_bytes} more bytes would exceed the content quota: "
                f"{self._used_bytes} of {self._quota_bytes} are used."
            )
            raise ContentTooLarge(message, remedy="Ask the operator for a larger content quota.")

    def _write(self, content_hash: bytes, data: bytes) -> None:
        path = self._path(content_hash)
        try:
            if not path.parent.exists():
                path.parent.mkdir()
                sync_directory(self._directory)
            write_atomically(path, data, self._incoming)
        except OSError as error:
            message = f"The content cannot be written: {error.strerror}."
            raise ContentError(message, remedy="Make room on the node's disk.") from error


def _stored_bytes(directory: Path) -> int:
    shards = (shard for shard in directory.iterdir() if len(shard.name) == 2 and shard.is_dir())
    return sum(entry.stat().st_size for shard in shards for entry in os.scandir(shard))
