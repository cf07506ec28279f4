"""Which block some bytes are, and whether they hold what its header commits to."""

from __future__ import annotations

from runtime.block import Block
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH, hash_commit, hash_extrinsic
from runtime.merkle import list_root
from runtime.outcome import in_leaves


def identify(encoded: bytes) -> bytes | None:
    """Return the block's id; `None` unless the bytes are one with its extrinsics and commit."""
    try:
        block = codec_of(Block).decode(encoded)
    except DecodeError:
        return None
    header, commit = block.header, block.last_commit
    hashes = [hash_extrinsic(raw) for raw in block.extrinsics]
    if header.extrinsics_root != list_root(in_leaves(hashes)):
        return None
    if header.last_commit_hash != (hash_commit(commit) if commit else ZERO_HASH):
        return None
    return header.id()
