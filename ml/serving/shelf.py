"""Where a row comes from: memory, else its packed file, else its PEFT folder.

The loaders of both lanes share it, one at a time.  A packed file that is damaged, or cannot be
written because the disk is full, costs time and nothing else.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Literal

from ml.serving.adapter import AdapterLimits, load_adapter
from ml.serving.errors import RowDamaged
from ml.serving.layout import RowLayout
from ml.serving.merging import Merge, merge_rows
from ml.serving.packed import PackedRows
from ml.serving.residents import Residents
from ml.serving.rows import AdapterRow

Tier = Literal["memory", "packed", "folder", "merged"]


class Shelf:
    """All adapters of one base model."""

    def __init__(
        self,
        folders: Path,
        packed: PackedRows,
        residents: Residents,
        layout: RowLayout,
        limits: AdapterLimits,
    ) -> None:
        """Find PEFT folders at `folders/<hash in hex>/`."""
        self._folders = folders
        self._packed = packed
        self.residents = residents
        self._layout = layout
        self._limits = limits
        self._turn = threading.Lock()
        self.found_in: Counter[Tier] = Counter()
        """How often a row was found in which tier."""
        self.unwritten_count = 0
        """Rows that could not be packed."""

    def fetch(self, adapter: bytes | Merge) -> AdapterRow:
        """The row, pinned in memory; raises `AdapterMissing`, `AdapterRefused`, `RequestRefused`.

        Waits while pinned rows leave no room.
        """
        key = adapter.hash() if isinstance(adapter, Merge) else adapter
        with self._turn:
            row = self.residents.pin(key)
            if row is not None:
                self.found_in["memory"] += 1
                return row
            row = self._merge(adapter) if isinstance(adapter, Merge) else self._load(adapter)
            self.residents.insert(row)
            return row

    def release(self, row: AdapterRow) -> None:
        """Take back the pin of `fetch`."""
        self.residents.unpin(row.key)

    def _merge(self, merge: Merge) -> AdapterRow:
        # Parts are not kept for the sake of a merge: it is the whole that will be asked for again.
        rows = [self._peek(adapter) for adapter in merge.adapters]
        self.found_in["merged"] += 1
        return merge_rows(merge, rows, self._layout)

    def _peek(self, adapter: bytes) -> AdapterRow:
        row = self.residents.pin(adapter)
        if row is None:
            return self._load(adapter)
        self.residents.unpin(adapter)
        return row

    def _load(self, adapter: bytes) -> AdapterRow:
        try:
            row = self._packed.read(adapter)
        except RowDamaged:
            row = None
        if row is not None and row.rank <= self._limits.rank_max:
            self.found_in["packed"] += 1
            return row
        row = load_adapter(self._folders / adapter.hex(), adapter, self._layout, self._limits)
        self.found_in["folder"] += 1
        try:
            self._packed.write(row)
        except OSError:
            self.unwritten_count += 1
        return row
