"""Adapters in memory: the most recently used, up to a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from ml.serving.rows import AdapterRow


@dataclass(slots=True)
class _Resident:
    row: AdapterRow
    pin_count: int


class Residents:
    """Rows by key; a pinned one stays.  Threads may share it."""

    def __init__(self, budget_bytes: int) -> None:
        """Keep at most `budget_bytes` of rows, of which one row always fits."""
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._rows: OrderedDict[bytes, _Resident] = OrderedDict()
        self._unpinned = threading.Condition()

    @property
    def count(self) -> int:
        """How many rows are in memory."""
        return len(self._rows)

    @property
    def used_bytes(self) -> int:
        """What they take."""
        return self._used_bytes

    def pin(self, key: bytes) -> AdapterRow | None:
        """The row, kept until it is unpinned as often, or None if it is not in memory."""
        with self._unpinned:
            resident = self._rows.get(key)
            if resident is None:
                return None
            resident.pin_count += 1
            self._rows.move_to_end(key)
            return resident.row

    def unpin(self, key: bytes) -> None:
        """Take back one pin."""
        with self._unpinned:
            self._rows[key].pin_count -= 1
            self._unpinned.notify_all()

    def insert(self, row: AdapterRow) -> None:
        """Keep and pin a row that is not in memory; drop the least recently used for it.

        Waits while pinned rows leave no room: whoever pins a row runs or fails, and unpins it.
        """
        with self._unpinned:
            while not self._make_room(row.size_bytes):
                self._unpinned.wait()
            self._rows[row.key] = _Resident(row, 1)
            self._used_bytes += row.size_bytes

    def _make_room(self, size_bytes: int) -> bool:
        kept_bytes, victims = self._used_bytes, []
        for key, resident in self._rows.items():
            if kept_bytes + size_bytes <= self._budget_bytes:
                break
            if resident.pin_count == 0:
                victims.append(key)
                kept_bytes -= resident.row.size_bytes
        if kept_bytes and kept_bytes + size_bytes > self._budget_bytes:
            return False
        for key in victims:
            self._used_bytes -= self._rows.pop(key).row.size_bytes
        return True
