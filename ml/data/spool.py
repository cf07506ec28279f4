"""Rows in a temporary file: a sequence that takes 8 bytes of memory a row."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, overload

from runtime.codec import codec_of
from runtime.wire.rows import Row


class RowSpool(Sequence[Row]):
    """Rows that were appended, read back from disk; a context manager that removes the file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # closed by `__exit__`
        self._ends = array("Q", [0])

    def append(self, row: Row) -> None:
        """Add a row at the end; raises `OSError` on a full disk."""
        encoded = row.encode()
        self._file.seek(self._ends[-1])
        self._file.write(encoded)
        self._ends.append(self._ends[-1] + len(encoded))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        """The row, decoded again."""
        if isinstance(index, slice):
            return tuple(self[each] for each in range(*index.indices(len(self))))
        return codec_of(Row).decode(self.encoded(index))

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    def encoded(self, index: int) -> bytes:
        """The row's canonical bytes."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._file.seek(self._ends[index])
        return self._file.read(self._ends[index + 1] - self._ends[index])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._file.close()
