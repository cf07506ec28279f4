"""The identity of a model directory: the manifest of the files directly inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ml.errors import ModelUnusable
from runtime.hashing import hash_content
from runtime.wire.manifest import Manifest, ManifestFile

FILES_MAX = 64
"""The most files of a model directory, as `runtime.wire.manifest.Manifest` bounds them."""
FILE_NAME_BYTES_MAX = 64
"""The longest file name, in UTF-8."""


def manifest_of(directory: Path) -> Manifest:
    """List the regular files directly in `directory`, sorted by name, with hashes and sizes.

    Hidden files and subdirectories are not part of a model: no loader of ours reads them.  Raises
    `ModelUnusable` for a path that is no directory, an empty one, or names the manifest cannot
    hold.
    """
    if not directory.is_dir():
        message = f"There is no model directory at {directory}."
        raise ModelUnusable(message, remedy="Give the directory that holds config.json.")
    paths = sorted(
        (path for path in directory.iterdir() if path.is_file() and path.name[0] != "."),
        key=lambda path: path.name,
    )
    if not 1 <= len(paths) <= FILES_MAX:
        message = f"{directory} holds {len(paths)} files; a model has 1 to {FILES_MAX}."
        raise ModelUnusable(message, remedy="Keep only the model's own files in the directory.")
    return Manifest(files=tuple(_file_entry(path) for path in paths))


def manifest_of_files(files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a directory that would hold exactly these files."""
    entries = sorted(files.items())
    return Manifest(
        files=tuple(ManifestFile(name, hash_content(data), len(data)) for name, data in entries)
    )


def _file_entry(path: Path) -> ManifestFile:
    if len(path.name.encode()) > FILE_NAME_BYTES_MAX:
        message = f"The file name {path.name} is longer than {FILE_NAME_BYTES_MAX} bytes."
        raise ModelUnusable(message, remedy="Rename the file.")
    with path.open("rb") as file:
        content_hash = hashlib.file_digest(file, _content_hasher).digest()
    return ManifestFile(path.name, content_hash, path.stat().st_size)


def _content_hasher() -> hashlib.blake2b:
    # `runtime.hashing.hash_content` as a stream: weights need not fit into memory twice.
    return hashlib.blake2b(digest_size=32, person=b"content")
