"""The content address of a model directory: a sorted list of its files' hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.types import U64, Hash, Max, ShortText


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file: its name inside the directory, its content hash and its size in bytes."""

    name: ShortText
    content_hash: Hash
    size_bytes: U64


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a model directory, sorted by name; its hash is the model's identity on chain."""

    files: Annotated[tuple[ManifestFile, ...], Max(64)]

    def encode(self) -> bytes:
        """The canonical bytes, kept in the content store beside the files."""
        return codec_of(Manifest).encode(self)

    def hash(self) -> bytes:
        """The 32-byte identity of the directory."""
        return hash_content(self.encode())
