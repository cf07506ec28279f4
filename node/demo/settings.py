"""What a run of the demo is started with, and where it keeps its files.

<directory>/lock        held while a demo runs here
<directory>/network/    the chain spec, and the data and logs of four validators
<directory>/work/       the worker's folder
<directory>/serve/      the server's folder
<directory>/logs/       one log a process
<directory>/receipts/   a payout receipt for everybody who was paid
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.errors import ConfigError

DEFAULT_DIRECTORY = Path(".openledger/demo")
MARK = "lock"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The choices of one run."""

    directory: Path
    data: Path | None
    prompt: str
    completion: str
    contributor: str
    base_model: Path | None
    port: int | None
    full: bool


@contextmanager
def fresh_directory(directory: Path) -> Iterator[Path]:
    """Lock `directory`, empty it of an earlier run, and hold the lock while the demo runs.

    Raises `ConfigError` for a directory that is somebody else's, or where a demo is running.
    """
    mark = directory / MARK
    try:
        if directory.exists() and any(directory.iterdir()) and not mark.exists():
            raise ConfigError(
                f"{directory} holds other files than a demo's.",
                remedy="Name an empty folder with --directory.",
            )
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(mark, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{directory} cannot be used ({error.strerror}).",
            remedy="Name a folder that you may write to with --directory.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"Another demo is running in {directory}.",
                remedy="Wait for it, stop it with Ctrl-C, or name another folder with --directory.",
            ) from error
        for entry in directory.iterdir():
            if entry.name != MARK:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield directory
    finally:
        os.close(handle)
