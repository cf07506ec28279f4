"""Files and directories that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.errors import ConfigError, InUse

LOCK_FILE = "lock"
"""In a locked directory; it stays there."""


def lock(descriptor: int, what: Path) -> None:
    """Lock the open file of `what` until it is closed; raises `InUse`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"Another process uses {what}."
        raise InUse(message, remedy="Wait for it, stop it, or choose another folder.") from error


@contextmanager
def locked_directory(directory: Path) -> Iterator[Path]:
    """Hold the lock of a directory, which is made; raises `ConfigError`, also `InUse`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = f"{directory} cannot be used: {error.strerror}."
        raise ConfigError(message, remedy="Choose a folder that you may write to.") from error
    try:
        lock(handle, directory)
        yield directory
    finally:
        os.close(handle)
