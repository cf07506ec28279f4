"""Rows out of the tables people have: JSON lines, CSV and Parquet, each also gzipped.

The format is taken from the file's name.  A table is read as a whole or not at all: the first cell
that cannot become a row is an error that names its line, because a contributor who uploads 2,000
rows should not learn later that 1,900 arrived.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.errors import (
    CellInvalid,
    ColumnMissing,
    TableEmpty,
    TableMissing,
    TableTooLarge,
    TableUnreadable,
)
from runtime.wire.rows import ROW_BYTES_MAX, Row

TABLE_BYTES_MAX = 256 * 2**20
"""The largest table, in bytes, after decompression."""
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

    prompt: str = "prompt"
    completion: str = "completion"
    contributor: str | None = None

    def names(self) -> tuple[str, ...]:
        """The columns that the table must have."""
        optional = () if self.contributor is None else (self.contributor,)
        return (self.prompt, self.completion, *optional)


@dataclass(frozen=True, slots=True)
class ContributedRow:
    """A row of a table and the name in its contributor column ("" where none is mapped)."""

    row: Row
    contributor: str


def read_table(path: Path, columns: Columns) -> tuple[ContributedRow, ...]:
    """Read every row of the table at `path`, in the order of the file.

    Raises a `TableError` that says which file, line or column is at fault and what to do about it.
    """
    data = _read_bytes(path)
    rows: list[ContributedRow] = []
    for number, cells in _lines(path, data, columns):
        if len(rows) == TABLE_ROWS_MAX:
            message = f"{path} has more than {TABLE_ROWS_MAX} rows."
            raise TableTooLarge(message, remedy="Split it into several files.")
        rows.append(_contributed_row(path, number, cells, columns))
    if not rows:
        raise TableEmpty(f"{path} has no rows.", remedy="Give a table with at least one row.")
    return tuple(rows)


def table_columns(path: Path) -> tuple[str, ...]:
    """The names of the table's columns, in its order (of JSON lines: those of the first object).

    Raises a `TableError` for a file that is no table.
    """
    data = _read_bytes(path)
    match _format_of(path):
        case ".jsonl":
            lines = _json_lines(path, data, required=())
            return next((tuple(cells) for _number, cells in lines), ())
        case ".csv":
            reader = _csv_reader(path, data)
            try:
                return tuple(reader.fieldnames or ())
            except csv.Error as error:
                raise _not_csv(path, reader.line_num, error) from None
        case _:
            return tuple(_parquet_file(path, data).schema_arrow.names)


def _lines(path: Path, data: bytes, columns: Columns) -> Iterator[Line]:
    match _format_of(path):
        case ".jsonl":
            return _json_lines(path, data, columns.names())
        case ".csv":
            return _csv_lines(path, data, columns.names())
        case _:
            return _parquet_lines(path, data, columns.names())


def _format_of(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if suffixes and suffixes[-1] in FORMATS:
        return suffixes[-1]
    message = f"{path} is not named like a table."
    raise TableUnreadable(message, remedy=f"Name it *{', *'.join(FORMATS)}, or one of these .gz.")


def _read_bytes(path: Path) -> bytes:
    """The file's bytes, decompressed; never more than `TABLE_BYTES_MAX`, whatever a gzip claims."""
    if path.is_dir():
        message = f"{path} is a directory."
        raise TableMissing(message, remedy="Give the table file inside it.")
    _format_of(path)
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as compressed:
                data = compressed.read(TABLE_BYTES_MAX + 1)
        else:
            with path.open("rb") as file:
                data = file.read(TABLE_BYTES_MAX + 1)
    except FileNotFoundError:
        message = f"There is no file {path}."
        raise TableMissing(message, remedy="Check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        message = f"{path} is not a whole gzip file."
        raise TableUnreadable(message, remedy="Compress it again, or drop the .gz.") from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise TableUnreadable(message, remedy="Check the file's permissions.") from None
    if len(data) > TABLE_BYTES_MAX:
        message = f"{path} has more than {TABLE_BYTES_MAX} bytes."
        raise TableTooLarge(message, remedy="Split it into several files.")
    if not data.strip():
        raise TableEmpty(f"{path} is empty.", remedy="Give a table with at least one row.")
    return data


def _text_of(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path} is not UTF-8: line {line} holds the byte 0x{data[error.start]:02x}."
        remedy = "Save it as UTF-8, for example with `iconv -f latin1 -t utf-8`."
        raise TableUnreadable(message, remedy=remedy) from None


def _json_lines(path: Path, data: bytes, required: Sequence[str]) -> Iterator[Line]:
    # Not splitlines(): it would also cut at U+2028 and its like, which JSON strings may hold.
    for number, line in enumerate(_text_of(path, data).split("\n"), start=1):
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


def _csv_lines(path: Path, data: bytes, required: Sequence[str]) -> Iterator[Line]:
    reader = _csv_reader(path, data)
    try:
        _require_columns(path, required, tuple(reader.fieldnames or ()), where="the header")
        for cells in reader:
            if None in cells:
                message = f"Line {reader.line_num} of {path} has more cells than the header."
                raise CellInvalid(message, remedy="Put cells with commas into double quotes.")
            yield reader.line_num, {name: _csv_cell(value) for name, value in cells.items()}
    except csv.Error as error:
        raise _not_csv(path, reader.line_num, error) from None


def _csv_reader(path: Path, data: bytes) -> csv.DictReader[str]:
    # `field_size_limit` bounds a cell; a lone quote would otherwise swallow the rest of the file.
    csv.field_size_limit(ROW_BYTES_MAX)
    return csv.DictReader(io.StringIO(_text_of(path, data), newline=""), strict=True)


def _not_csv(path: Path, line: int, error: csv.Error) -> TableUnreadable:
    message = f"Line {line} of {path} is not CSV: {error}."
    remedy = f"Check its quotes; a cell has at most {ROW_BYTES_MAX} characters."
    return TableUnreadable(message, remedy=remedy)


def _csv_cell(value: str | None) -> str | None:
    # Exports write a missing value as nothing or as "NaN"; neither is a text somebody wrote.
    return None if value is None or value.strip().lower() in {"", "nan"} else value


def _parquet_lines(path: Path, data: bytes, required: Sequence[str]) -> Iterator[Line]:
    import pyarrow as pa

    table = _parquet_file(path, data)
    _require_columns(path, required, tuple(table.schema_arrow.names), where="the schema")
    try:
        number = 0
        for batch in table.iter_batches(batch_size=1024, columns=list(required)):
            for cells in batch.to_pylist():
                number += 1
                yield number, cells
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None


def _parquet_file(path: Path, data: bytes) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

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
    prompt = _text_cell(path, number, columns.prompt, cells)
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
