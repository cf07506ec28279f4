"""The node key: who a node is for other nodes; it signs handshakes and nothing else.

It is not the validator's key: it lies on disk as it is (mode 0600), because a node must come back
by itself after a power cut, and who steals it can only pretend to be that node on the network.
"""

from __future__ import annotations

import os
from pathlib import Path

from nacl.utils import random

from node.errors import KeystoreError
from node.files import write_atomically
from runtime.keys import SEED_BYTES, Keypair


def load_identity(path: Path) -> Keypair:
    """The node key in the file at `path`, which is made when there is none.

    Raises `KeystoreError` when it cannot be read or written, is damaged, or others may read it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp makes the file 0600 from its first byte, and rename keeps that.
            write_atomically(path, random(SEED_BYTES).hex().encode(), path.parent)
        return _read(path)
    except OSError as error:
        message = f"The node key {path} cannot be read or made: {error.strerror}."
        remedy = "Make its folder readable and writable for this user."
        raise KeystoreError(message, remedy=remedy) from error


def _read(path: Path) -> Keypair:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        text = file.read(2 * SEED_BYTES + 2)
    if mode & 0o077:
        message = f"The node key {path} can be read by others (mode {mode:o})."
        remedy = f"Run `chmod 600 {path}`; delete it for a new key if others may have read it."
        raise KeystoreError(message, remedy=remedy)
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        message = f"{path} is not a node key, or it is damaged."
        remedy = "Restore it from a backup, or delete it: the node makes a new one."
        raise KeystoreError(message, remedy=remedy)
    return Keypair.from_seed(seed)
