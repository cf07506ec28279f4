"""Rows out of the tables people have: JSON lines, CSV and Parquet, each also gzipped.

The format is taken from the file's name.  `read_table` reads a table as a whole or not at all: the
first cell that cannot become a row is an error that names its line, because a contributor who
uploads 2,000 rows should not learn later that 1,900 arrived.  `table_rows` streams, and says of
each row what is wrong with it.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from ml.errors import (
    CellInvalid,
    ColumnMissing,
    TableEmpty,
    TableMissing,
    TableTooLarge,
    TableUnreadable,
)
from runtime.wire.rows import ROW_BYTES_MAX, Row

TABLE_BYTES_MAX = 4 * 2**30
"""The largest table of text, in bytes, after decompression."""
PARQUET_BYTES_MAX = 256 * 2**20
"""The largest Parquet file, which is read as a whole."""
LINE_BYTES_MAX = 2**20
"""The longest line of a table of text."""
TABLE_ROWS_MAX = 1_000_000
"""The most rows of one table."""
ROW_TEXT_BYTES_MAX = ROW_BYTES_MAX - 16
"""The longest prompt and completion together, in UTF-8; 16 bytes are the encoding's own."""
CONTRIBUTOR_BYTES_MAX = 64
"""The longest contributor name, in UTF-8."""
FORMATS = (".jsonl", ".csv", ".parquet")

Line = tuple[int, Mapping[str, Any]]
"""A row as it is in the file: its line (or row) number from 1, and its cells by column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; without a contributor column every row is the caller's."""

    prompt: str | None = "prompt"
    """None: rows are plain text, which is the completion."""
    completion: str = "completion"
    contributor: str | None = None

    def names(self) -> tuple[str, ...]:
        """The columns that the table must have."""
        names = (self.prompt, self.completion, self.contributor)
        return tuple(name for name in names if name is not None)


@dataclass(frozen=True, slots=True)
class ContributedRow:
    """A row of a table and the name in its contributor column ("" where none is mapped)."""

    row: Row
    contributor: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a table that cannot be read, and what to do about it."""

    number: int
    message: str
    remedy: str


def read_table(path: Path, columns: Columns) -> tuple[ContributedRow, ...]:
    """Read every row of the table at `path`, in the order of the file.

    Raises a `TableError` that says which file, line or column is at fault and what to do about it.
    """
    rows: list[ContributedRow] = []
    for item in table_rows(path, columns):
        if isinstance(item, BadRow):
            raise CellInvalid(item.message, remedy=item.remedy)
        rows.append(item)
    return tuple(rows)


def table_rows(path: Path, columns: Columns) -> Iterator[ContributedRow | BadRow]:
    """Every row of a table, or what is wrong with it, one at a time; memory stays the same.

    Raises a `TableError` for what is wrong with the table as a whole.
    """
    count = 0
    for number, cells in _lines(path, columns.names()):
        if count == TABLE_ROWS_MAX:
            message = f"{path} has more than {TABLE_ROWS_MAX} rows."
            raise TableTooLarge(message, remedy="Split it into several files.")
        count += 1
        try:
            row = _contributed_row(path, number, cells, columns)
        except CellInvalid as error:
            yield BadRow(number, error.message, error.remedy)
        else:
            yield row
    if not count:
        raise TableEmpty(f"{path} has no rows.", remedy="Give a table with at least one row.")


def table_columns(path: Path) -> tuple[str, ...]:
    """The names of the table's columns, in its order (of JSON lines: those of the first object).

    Raises a `TableError` for a file that is no table.
    """
    match _format_of(path):
        case ".jsonl":
            return next((tuple(cells) for _number, cells in _json_lines(path, ())), ())
        case ".csv":
            reader = _csv_reader(path)
            try:
                return tuple(reader.fieldnames or ())
            except csv.Error as error:
                raise _not_csv(path, reader.line_num, error) from None
        case _:
            return tuple(_parquet_file(path).schema_arrow.names)


def _lines(path: Path, required: Sequence[str]) -> Iterator[Line]:
    match _format_of(path):
        case ".jsonl":
            return _json_lines(path, required)
        case ".csv":
            return _csv_lines(path, required)
        case _:
            return _parquet_lines(path, required)


def _format_of(path: Path) -> str:
    if path.is_dir():
        message = f"{path} is a directory."
        raise TableMissing(message, remedy="Give the table file inside it.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if suffixes and suffixes[-1] in FORMATS:
        return suffixes[-1]
    message = f"{path} is not named like a table."
    raise TableUnreadable(message, remedy=f"Name it *{', *'.join(FORMATS)}, or one of these .gz.")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed; reading it raises a `TableError` too."""
    try:
        with _open(path) as file:
            yield file
    except FileNotFoundError:
        message = f"There is no file {path}."
        raise TableMissing(message, remedy="Check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        message = f"{path} is not a whole gzip file."
        raise TableUnreadable(message, remedy="Compress it again, or drop the .gz.") from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise TableUnreadable(message, remedy="Check the file's permissions.") from None


def _open(path: Path) -> BinaryIO:
    compressed = path.suffix.lower() == ".gz"
    return cast("BinaryIO", gzip.open(path, "rb") if compressed else path.open("rb"))


def _text_lines(path: Path) -> Iterator[str]:
    """The lines of a file with their ends; never more than `TABLE_BYTES_MAX` bytes in all."""
    size_bytes = number = 0
    is_empty = True
    with _opened(path) as file:
        while line := file.readline(min(LINE_BYTES_MAX, TABLE_BYTES_MAX) + 1):
            number += 1
            size_bytes += len(line)
            is_empty = is_empty and not line.strip()
            if size_bytes > TABLE_BYTES_MAX or len(line) > LINE_BYTES_MAX:
                raise _too_large(path, number, len(line))
            try:
                # The mark that some programs put first is no part of the text.
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                message = (
                    f"{path} is not UTF-8: line {number} holds the byte 0x{line[error.start]:02x}."
                )
                remedy = "Save it as UTF-8, for example with `iconv -f latin1 -t utf-8`."
                raise TableUnreadable(message, remedy=remedy) from None
    if is_empty:
        raise TableEmpty(f"{path} is empty.", remedy="Give a table with at least one row.")


def _too_large(path: Path, number: int, line_bytes: int) -> TableTooLarge:
    if line_bytes > LINE_BYTES_MAX:
        message = f"Line {number} of {path} has more than {LINE_BYTES_MAX} bytes."
        return TableTooLarge(message, remedy="Write one row a line.")
    message = f"{path} has more than {TABLE_BYTES_MAX} bytes."
    return TableTooLarge(message, remedy="Split it into several files.")


def _json_lines(path: Path, required: Sequence[str]) -> Iterator[Line]:
    for number, line in enumerate(_text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError):
            cells = None
        if not isinstance(cells, dict):
            message = f"Line {number} of {path} is not a JSON object."
            remedy = 'Write one object a line, such as {"prompt": "...", "completion": "..."}.'
            raise TableUnreadable(message, remedy=remedy)
        _require_columns(path, required, tuple(cells), where=f"line {number}")
        yield number, cells


def _csv_lines(path: Path, required: Sequence[str]) -> Iterator[Line]:
    reader = _csv_reader(path)
    try:
        _require_columns(path, required, tuple(reader.fieldnames or ()), where="the header")
        for cells in reader:
            if None in cells:
                message = f"Line {reader.line_num} of {path} has more cells than the header."
                raise CellInvalid(message, remedy="Put cells with commas into double quotes.")
            yield reader.line_num, {name: _csv_cell(value) for name, value in cells.items()}
    except csv.Error as error:
        raise _not_csv(path, reader.line_num, error) from None


def _csv_reader(path: Path) -> csv.DictReader[str]:
    # `field_size_limit` bounds a cell; a lone quote would otherwise swallow the rest of the file.
    csv.field_size_limit(ROW_BYTES_MAX)
    return csv.DictReader(_text_lines(path), strict=True)


def _not_csv(path: Path, line: int, error: csv.Error) -> TableUnreadable:
    message = f"Line {line} of {path} is not CSV: {error}."
    remedy = f"Check its quotes; a cell has at most {ROW_BYTES_MAX} characters."
    return TableUnreadable(message, remedy=remedy)


def _csv_cell(value: str | None) -> str | None:
    # Exports write a missing value as nothing or as "NaN"; neither is a text somebody wrote.
    return None if value is None or value.strip().lower() in {"", "nan"} else value


def _parquet_lines(path: Path, required: Sequence[str]) -> Iterator[Line]:
    import pyarrow as pa

    table = _parquet_file(path)
    _require_columns(path, required, tuple(table.schema_arrow.names), where="the schema")
    try:
        number = 0
        for batch in table.iter_batches(batch_size=1024, columns=list(required)):
            for cells in batch.to_pylist():
                number += 1
                yield number, cells
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None


def _parquet_file(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    # Parquet is read from its end: the file is in memory, and its limit a smaller one.
    with _opened(path) as file:
        data = file.read(PARQUET_BYTES_MAX + 1)
    if len(data) > PARQUET_BYTES_MAX:
        message = f"{path} has more than {PARQUET_BYTES_MAX} bytes."
        raise TableTooLarge(message, remedy="Split it into several files.")
    try:
        return parquet.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None


def _not_parquet(path: Path, error: Exception) -> TableUnreadable:
    message = f"{path} is not a Parquet file that can be read: {error}."
    return TableUnreadable(message, remedy="Write it again with a Parquet library.")


def _require_columns(
    path: Path, required: Sequence[str], present: Sequence[str], where: str
) -> None:
    for name in required:
        if name not in present:
            message = f"{path} has no column {name!r}; {where} has {', '.join(map(repr, present))}."
            raise ColumnMissing(message, remedy="Map the columns to names that the table has.")


def _contributed_row(
    path: Path, number: int, cells: Mapping[str, Any], columns: Columns
) -> ContributedRow:
    prompt = "" if columns.prompt is None else _text_cell(path, number, columns.prompt, cells)
    completion = _text_cell(path, number, columns.completion, cells)
    size_bytes = len(prompt.encode()) + len(completion.encode())
    if size_bytes > ROW_TEXT_BYTES_MAX:
        message = f"Row {number} of {path} has {size_bytes} bytes of text."
        remedy = f"A row has at most {ROW_TEXT_BYTES_MAX}: shorten or split it."
        raise CellInvalid(message, remedy=remedy)
    if columns.contributor is None:
        return ContributedRow(Row(prompt, completion), "")
    contributor = _text_cell(path, number, columns.contributor, cells)
    if len(contributor.encode()) > CONTRIBUTOR_BYTES_MAX:
        message = (
            f"Row {number} of {path} names a contributor of over {CONTRIBUTOR_BYTES_MAX} bytes."
        )
        raise CellInvalid(message, remedy="Map the column that holds short names.")
    return ContributedRow(Row(prompt, completion), contributor)


def _text_cell(path: Path, number: int, column: str, cells: Mapping[str, Any]) -> str:
    """The cell's text; a number is not turned into one, because NaN and 1e3 would be too."""
    value = cells[column]
    if value is None or value == "":
        message = f"Row {number} of {path} has no value in column {column!r}."
        raise CellInvalid(message, remedy="Fill the cell in or remove the row.")
    if not isinstance(value, str):
        message = f"Row {number} of {path} holds {value!r:.80} in column {column!r}, not a text."
        raise CellInvalid(message, remedy="Write the value as a text, or remove the row.")
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"Row {number} of {path} holds half a surrogate pair in column {column!r}."
        raise CellInvalid(message, remedy="Write the character itself in UTF-8.") from None
    return value
