"""Model folders in the content store: upload one by its manifest, fetch one by its hash.

Base models that governance admitted are fetched like that by whoever lacks them: workers when a job
names one, referees as soon as it is admitted.  Files larger than the store takes have to be brought
by hand (`--base-model`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ml.manifest import manifest_of
from node.client import NodeClient
from node.errors import ContentDamaged, ContentMissing, ContentTooLarge, NodeError
from node.files import sync_directory, write_atomically
from node.workers.errors import JobRefused
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.wire.manifest import Manifest

FOLDER_BYTES_MAX = 2 * 1024**3
"""The largest folder that is fetched, in bytes."""


class ManifestRefused(NodeError):
    """A manifest names files that must not be written."""


def upload_folder(client: NodeClient, directory: Path) -> bytes:
    """Store the files of a model folder that the node lacks; returns the manifest's hash."""
    manifest = manifest_of(directory)
    known = client.has_content([file.content_hash for file in manifest.files])
    for file, is_known in zip(manifest.files, known, strict=True):
        if not is_known:
            client.put_content((directory / file.name).read_bytes())
    return client.put_content(manifest.encode())


def fetch_folder(client: NodeClient, manifest_hash: bytes, parent: Path) -> Path:
    """Fetch a folder to `parent/<hash in hex>` unless it is there, and return its path.

    The folder appears whole or not at all.  Raises `ContentMissing`, `ContentDamaged`,
    `ContentTooLarge`, `DecodeError` and `ManifestRefused`.
    """
    target = parent / manifest_hash.hex()
    if target.is_dir():
        return target
    manifest = codec_of(Manifest).decode(client.get_content(manifest_hash))
    _check(manifest)
    parent.mkdir(parents=True, exist_ok=True)
    # What a killed process left is swept away by its successor: one process owns `parent`.
    staging = parent / f".incoming-{manifest_hash.hex()}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        for file in manifest.files:
            write_atomically(staging / file.name, client.get_content(file.content_hash), staging)
        staging.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    sync_directory(parent)
    return target


def find_base_model(
    client: NodeClient, known: Mapping[bytes, Path], base_hash: bytes, parent: Path
) -> Path:
    """The folder of a base model: a known one, or fetched to `parent`; raises `JobRefused`."""
    found = known.get(base_hash)
    if found is not None:
        return found
    try:
        return fetch_folder(client, base_hash, parent)
    except (ContentMissing, ContentDamaged, ContentTooLarge, DecodeError) as error:
        message = f"The base model {base_hash.hex()} is not here: {error.message}"
        raise JobRefused(message, remedy="Give its folder with --base-model.") from error


def _check(manifest: Manifest) -> None:
    names = [file.name for file in manifest.files]
    if not names or len(set(names)) != len(names):
        raise ManifestRefused(
            "The manifest names no file, or one of them twice.", remedy="Do not use this model."
        )
    for name in names:
        if PurePosixPath(name).name != name or name.startswith(".") or "\x00" in name:
            message = f"The manifest names the file {name!r}, which is not a plain file name."
            raise ManifestRefused(message, remedy="Do not use this model.")
    size_bytes = sum(file.size_bytes for file in manifest.files)
    if size_bytes > FOLDER_BYTES_MAX:
        message = f"The model has {size_bytes} bytes; at most {FOLDER_BYTES_MAX} are fetched."
        raise ContentTooLarge(message, remedy="Use a smaller model.")
