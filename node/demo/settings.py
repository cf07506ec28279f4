"""What a run of the demo is started with, and where it keeps its files.

<directory>/lock        held while a demo runs here
<directory>/network/    the chain spec, and the data and logs of four validators
<directory>/work/       the worker's folder
<directory>/serve/      the server's folder
<directory>/logs/       one log a process
<directory>/receipts/   a payout receipt for everybody who was paid
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.errors import ConfigError
from node.locks import LOCK_FILE, locked_directory

DEFAULT_DIRECTORY = Path(".openledger/demo")


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

    Raises `ConfigError` for a directory that is somebody else's, `InUse` where a demo is running.
    """
    # One that cannot be read cannot be locked, either.
    is_readable = directory.is_dir() and os.access(directory, os.R_OK)
    if is_readable and any(directory.iterdir()) and not (directory / LOCK_FILE).exists():
        message = f"{directory} holds other files than a demo's."
        raise ConfigError(message, remedy="Name an empty folder with --directory.")
    with locked_directory(directory):
        for entry in directory.iterdir():
            if entry.name != LOCK_FILE:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield directory
