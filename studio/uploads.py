"""Uploads: a table read row by row, with the reason for each row that will not be taken.

The table is parsed and judged as `openledger datanet preview` does it.  What is committed to the
chain is kept in a file first: the salt and the rows that reveal it survive a closed tab, and a
restart.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ml.data.review import Submission
from ml.data.spool import RowSpool
from ml.data.tables import BadRow, Columns, table_columns
from ml.errors import TableError
from node.datanets.importing import preview as judged
from node.datanets.tables import confined_rows
from node.files import write_atomically
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import Schema
from runtime.wire.rows import Row, Verdict, submission_commitment

FILE_BYTES_MAX = 64 * 2**20
COLUMNS_MAX = 256
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file that will not be taken as it is."""

    number: int
    """Its place among the rows of the file, from 1."""
    text: str
    """Its prompt or text; nothing of a row that cannot be read."""
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a file."""

    rows: tuple[Row, ...]
    """Those that will be committed."""
    refused: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """By what a Datanet's validator judges new rows."""

    schema: Schema
    seed: int
    known: Sequence[Submission]
    """The rows that the Datanet has already."""


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


def columns_of(name: str, data: bytes) -> list[str]:
    """The names of the columns, in their order; raises a `TableError` for what is no table."""
    with _kept_file(name, data) as path:
        return list(table_columns(path))[:COLUMNS_MAX]


def preview(name: str, data: bytes, columns: Columns, owner: bytes, judge: Judge) -> Preview:
    """Read each row by its columns, and judge it as the Datanet's validator will.

    Raises a `TableError` for what is wrong with the table as a whole.
    """
    refused: list[Line] = []
    numbers: list[int] = []
    taken: list[Row] = []
    with RowSpool() as spool, _kept_file(name, data) as path:
        for number, item in enumerate(confined_rows(path, columns), 1):
            if isinstance(item, BadRow):
                # Its number is that of a line; ours, beside it, counts rows.
                said = item.message.replace(f"Row {item.number} of {path}", "It")
                refused.append(Line(number, "", said, item.remedy))
            else:
                numbers.append(number)
                spool.append(item.row)
        found = judged(spool, owner, judge.schema, judge.seed, judge.known)
        for number, row, verdict in zip(numbers, spool, found.verdicts, strict=True):
            if verdict.verdict is Verdict.ACCEPTED:
                taken.append(row)
            else:
                text = row.prompt or row.completion
                refused.append(Line(number, text, verdict.reason, verdict.remedy))
    return Preview(tuple(taken), tuple(sorted(refused, key=lambda each: each.number)))


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


@contextmanager
def _kept_file(name: str, data: bytes) -> Iterator[Path]:
    """An upload as a file, for as long as it is read; errors name it as its owner does."""
    with tempfile.TemporaryDirectory(prefix="openledger-upload-") as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        try:
            yield path
        except TableError as error:
            said = error.message.replace(str(path), name)
            raise type(error)(said, remedy=error.remedy) from error
