"""Adapters packed on disk: one file for each row, read in one piece.

    <directory>/<base hash>/<adapter hash>.safetensors      a safetensors file of one tensor, `row`

Reading PEFT's own files takes some ten milliseconds (many tensors, a hash over all of them); a
packed row takes less than one.  It is a cache: a file appears whole or not at all, what was written
for another base model or layout is never looked at, and one whose sum is wrong is written again.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from safetensors.torch import save

from ml.serving.errors import RowDamaged
from ml.serving.layout import RANKS, RowLayout
from ml.serving.rows import NUMBER_BYTES, AdapterRow, new_values

FORMAT_VERSION = "2"
HEADER_BYTES_MAX = 4_096
_LENGTH_BYTES = 8


class PackedRows:
    """The packed adapters of one base model; threads may share it."""

    def __init__(
        self, directory: Path, base_hash: bytes, layout: RowLayout, budget_bytes: int
    ) -> None:
        """Keep at most `budget_bytes` below `directory`, made when the first file is written."""
        self._directory = directory / base_hash.hex()
        self._layout = layout
        self._budget_bytes = budget_bytes
        self._used_bytes = sum(path.stat().st_size for path in self._directory.glob("*"))

    def read(self, key: bytes) -> AdapterRow | None:
        """The row, or None if it was never written.

        Raises `RowDamaged` for a file that is not what was written.
        """
        try:
            with self._path(key).open("rb", buffering=0) as file:
                return self._read(file, key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(key, str(error)) from error

    def write(self, row: AdapterRow) -> None:
        """Write a row atomically and drop the oldest over the budget.

        Raises `OSError`, such as for a full disk.
        """
        metadata = {
            "version": FORMAT_VERSION,
            "rank": str(row.rank),
            "scale": row.scale.hex(),
            "verifiable": str(int(row.verifiable)),
            "sum": str(_sum_of(row.values)),
        }
        data = save({"row": row.values}, metadata=metadata)
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=self._directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path(row.key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._used_bytes += len(data)
        if self._used_bytes > self._budget_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Delete the files that were written first, a tenth of the budget, so that it is rare."""
        files = [(path.stat(), path) for path in self._directory.iterdir()]
        files.sort(key=lambda each: (each[0].st_mtime_ns, each[1].name))
        self._used_bytes = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            if self._used_bytes <= self._budget_bytes * 9 // 10:
                return
            path.unlink(missing_ok=True)
            self._used_bytes -= stat.st_size

    def _path(self, key: bytes) -> Path:
        return self._directory / f"{key.hex()}.safetensors"

    def _read(self, file: BinaryIO, key: bytes) -> AdapterRow:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > HEADER_BYTES_MAX:
            raise _damaged(key, f"its header has {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
        metadata, tensor = header["__metadata__"], header["row"]
        rank, scale = int(metadata["rank"]), float.fromhex(metadata["scale"])
        if metadata["version"] != FORMAT_VERSION or rank not in RANKS:
            raise _damaged(key, "it is of another version")
        size = self._layout.size(rank)
        if tensor["dtype"] != "F32" or tensor["shape"] != [size]:
            raise _damaged(key, f"it holds {tensor['dtype']} {tensor['shape']}")
        # Into memory of its own: a mapped file would be read page by page while a step computes.
        values = new_values(size)
        view = memoryview(cast(Any, values.numpy())).cast("B")
        read_bytes = 0
        while read_bytes < len(view) and (count := file.readinto(view[read_bytes:])):  # type: ignore[attr-defined] # RawIOBase has it, BinaryIO hides it
            read_bytes += count
        if read_bytes != size * NUMBER_BYTES or _sum_of(values) != int(metadata["sum"]):
            raise _damaged(key, "its numbers are not those that were written")
        return AdapterRow(key, rank, scale, values, metadata["verifiable"] == "1")


def _sum_of(values: torch.Tensor) -> int:
    """A checksum of the bits, as fast as memory: it finds torn writes and rot, not forgers."""
    return int(values.view(torch.int32).sum(dtype=torch.int64))


def _damaged(key: bytes, reason: str) -> RowDamaged:
    return RowDamaged(
        f"The packed adapter {key.hex()} cannot be used: {reason}.",
        remedy="Nothing is to be done: it is packed again from its PEFT folder.",
    )
