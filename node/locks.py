"""Directories that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.errors import ConfigError


@contextmanager
def locked_directory(directory: Path) -> Iterator[Path]:
    """Hold the lock of a directory, which is made; raises `ConfigError` where another has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = f"{directory} cannot be used: {error.strerror}."
        raise ConfigError(message, remedy="Choose a folder that you may write to.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield directory
    except BlockingIOError as error:
        message = f"Another process uses {directory}."
        raise ConfigError(message, remedy="Stop it, or choose another folder.") from error
    finally:
        os.close(handle)
