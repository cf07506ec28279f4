"""The detail behind a settlement: every trained row's influence on every single answer of an epoch.

The chain settles the sum; this file lets an owner of the work folder explain single answers.  One
safetensors file an epoch: a float64 column `answer.<receipt hash>` for each disclosed answer, in
the order of the epoch's score leaves, in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from node.errors import NotFound
from node.files import write_atomically

FOLDER = "influence"
PREFIX = "answer."


def influence_path(work: Path, model: bytes, epoch: int) -> Path:
    """Where the file of one model and epoch is, in the worker's folder `work`."""
    return work / FOLDER / f"{model.hex()}-{epoch}.safetensors"


def write_influence(
    path: Path, receipt_hashes: Sequence[bytes], influence: npt.NDArray[np.float64]
) -> None:
    """Keep `influence` [rows, answers], whose columns are the answers with these receipt hashes."""
    columns = {
        PREFIX + receipt_hash.hex(): np.ascontiguousarray(influence[:, index])
        for index, receipt_hash in enumerate(receipt_hashes)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(columns), path.parent)


def read_influence(path: Path) -> dict[bytes, npt.NDArray[np.float64]]:
    """The columns by receipt hash; raises `NotFound` without a readable file."""
    try:
        columns = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise NotFound(
            f"There is no influence file {path} ({error}).",
            remedy="Ask the worker that attributed the epoch, or attribute it again.",
        ) from error
    return {bytes.fromhex(name.removeprefix(PREFIX)): column for name, column in columns.items()}
