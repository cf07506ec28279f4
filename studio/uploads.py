"""Uploads: a table read row by row, with the reason for each row that will not be taken.

What is committed to the chain is kept in a file first: the salt and the rows that reveal it survive
a closed tab, and a restart.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.data.review import Submission, review
from ml.data.tables import ROW_TEXT_BYTES_MAX, TABLE_ROWS_MAX
from node.files import write_atomically
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.rows import Row, Verdict, submission_commitment
from studio.errors import FieldInvalid

FILE_BYTES_MAX = 64 * 2**20
COLUMNS_MAX = 256
SALT_BYTES = 32
REMEDIES = {
    Verdict.DUPLICATE: "Leave it out: a copy earns nothing.",
    Verdict.REJECTED: "Mend the row, or leave it out.",
}
Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file that will not be taken as it is."""

    number: int
    """Its place in the file, from 1; the head of a CSV file is not counted."""
    text: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a file."""

    rows: tuple[Row, ...]
    """Those that will be committed."""
    refused: tuple[Line, ...]
    accepted: int


@dataclass(frozen=True, slots=True)
class Upload:
    """Rows that are about to be committed, or are committed and not yet revealed."""

    datanet: int
    contributor: str
    salt: str
    rows_root: str
    blob: str
    """The rows as the content store has them, in hexadecimal digits."""
    row_count: int
    submission: int | None = None

    def commitment(self) -> bytes:
        """What the chain is told first: nobody learns the rows, and nobody can copy them."""
        return submission_commitment(
            bytes.fromhex(self.contributor),
            bytes.fromhex(self.rows_root),
            bytes.fromhex(self.salt),
        )


def read_cells(name: str, data: bytes) -> list[Cells]:
    """The rows of a JSONL, CSV or Parquet file as cells; raises `FieldInvalid` for what is none."""
    if len(data) > FILE_BYTES_MAX:
        message = f"{name} has more than {FILE_BYTES_MAX // 2**20} MiB."
        raise FieldInvalid(message, remedy="Split it, or use `openledger datanet import`.")
    try:
        rows = list(_cells(name.lower(), data))
    except (ValueError, csv.Error, OSError) as error:
        message = f"{name} cannot be read: {error}."
        raise FieldInvalid(message, remedy="Save it as UTF-8 JSONL, CSV, or Parquet.") from error
    if not rows:
        raise FieldInvalid(f"{name} has no rows.", remedy="Give a table with at least one row.")
    return rows


def columns_of(cells: Sequence[Cells]) -> list[str]:
    """The names of the columns, in their order."""
    names = dict.fromkeys(name for row in cells[:100] for name in row)
    return list(names)[:COLUMNS_MAX]


def preview(cells: Sequence[Cells], prompt: str, completion: str, seed: int) -> Preview:
    """Read each row by its columns, and judge it as the Datanet's validator will."""
    refused: list[Line] = []
    numbers: list[int] = []
    rows: list[Row] = []
    for number, each in enumerate(cells, 1):
        fault = _fault(each, prompt, completion)
        if fault is not None:
            refused.append(Line(number, _shown(each), *fault))
            continue
        numbers.append(number)
        rows.append(Row(str(each[prompt]), str(each[completion])))
    judged = review([Submission(0, bytes(32), tuple(rows))], seed)
    kept = []
    for number, row, verdict in zip(numbers, rows, judged.verdicts, strict=True):
        if verdict.verdict is Verdict.ACCEPTED:
            kept.append(row)
            continue
        reason = verdict.reason
        if verdict.verdict is Verdict.DUPLICATE:
            reason = f"{reason} (row {numbers[verdict.class_index]})"
        refused.append(Line(number, row.prompt, reason, REMEDIES[verdict.verdict]))
    return Preview(tuple(kept), tuple(sorted(refused, key=lambda each: each.number)), len(kept))


def prepare(datanet: int, contributor: str, rows: Sequence[Row]) -> Upload:
    """Rows as they will be committed, with a new salt."""
    root = list_root([row.hash() for row in rows])
    blob = encode_blob([row.encode() for row in rows])
    return Upload(
        datanet,
        contributor,
        os.urandom(SALT_BYTES).hex(),
        root.hex(),
        blob.hex(),
        len(rows),
    )


def keep(folder: Path, upload: Upload) -> None:
    """Keep an upload until it is revealed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(_path(folder, upload), json.dumps(asdict(upload)).encode(), folder)


def forget(folder: Path, upload: Upload) -> None:
    """It is revealed: the rows are in the content store now."""
    _path(folder, upload).unlink(missing_ok=True)


def kept(folder: Path, datanet: int) -> list[Upload]:
    """The uploads to a Datanet that are not revealed."""
    paths = sorted(folder.glob(f"{datanet}-*.json")) if folder.is_dir() else []
    return [Upload(**json.loads(path.read_bytes())) for path in paths]


def _path(folder: Path, upload: Upload) -> Path:
    return folder / f"{upload.datanet}-{upload.rows_root[:24]}.json"


def _cells(name: str, data: bytes) -> Iterator[Cells]:
    if name.endswith(".parquet"):
        from pyarrow import BufferReader, parquet

        yield from parquet.read_table(BufferReader(data)).to_pylist()[:TABLE_ROWS_MAX]
        return
    text = data.decode("utf-8-sig")
    if name.endswith((".jsonl", ".json")):
        for line in text.split("\n"):
            if line.strip():
                yield _json_cells(line)
        return
    if not name.endswith(".csv"):
        raise ValueError("its name ends in neither .csv, .jsonl nor .parquet")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for row in reader:
        yield {str(key): value for key, value in row.items() if key is not None}


def _json_cells(line: str) -> Cells:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    # A line that is no object is a row without columns: it is refused with its reason.
    return found if isinstance(found, dict) else {}


def _fault(cells: Cells, prompt: str, completion: str) -> tuple[str, str] | None:
    """Why a row cannot be read, and what to do; None if it can."""
    for column in (prompt, completion):
        value = cells.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"Its column “{column}” is empty.", "Fill the cell in, or leave the row out."
        if not isinstance(value, str):
            return f"Its column “{column}” holds no text.", "Write the value as a text."
    size_bytes = sum(len(str(cells[column]).encode()) for column in (prompt, completion))
    if size_bytes > ROW_TEXT_BYTES_MAX:
        return f"It has {size_bytes:,} bytes of text.", f"At most {ROW_TEXT_BYTES_MAX:,}: split it."
    return None


def _shown(cells: Cells) -> str:
    return next((str(value) for value in cells.values() if value), "")
