"""Results that took long, kept by the hash of all that determines them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.attribution.training import Run
from runtime.codec import codec_of
from runtime.hashing import hash_text
from runtime.offchain import TrainingOrder

FORM = b"1"
"""To be raised when the same inputs mean another result."""

Numbers = npt.NDArray[np.float64]


def default_folder() -> Path:
    """Where results are kept, by the XDG rules."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "openledger-bench"


class Store:
    """A folder with one file a result."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made when needed."""
        self._folder = folder

    def get(self, run: Run, about: bytes, compute: Callable[[], Numbers]) -> Numbers:
        """The result of a run and what is asked `about` it; computed when it is not there."""
        order = codec_of(TrainingOrder).encode(run.order)
        key = hash_text(FORM + order + run.tail_steps.to_bytes(4, "big") + about)
        path = self._folder / f"{key.hex()}.npy"
        if path.exists():
            kept: Numbers = np.load(path)
            return kept
        found = compute()
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        with temporary.open("wb") as file:
            np.save(file, found)
        temporary.replace(path)
        return found
