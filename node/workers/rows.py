"""The rows of a Datanet version, fetched by content hash and checked against the roots on chain."""

from __future__ import annotations

from node.client import NodeClient
from node.workers.errors import JobRefused
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.merkle import list_root
from runtime.offchain import TrainingRow
from runtime.wire.blobs import decode_blob
from runtime.wire.records import DatanetVersion
from runtime.wire.rows import Row, RowRecord, hash_of_item, row_of_item

ROWS_MAX = 1_000_000
"""Rows of one version, and of one submission."""
_REMEDY = "Do not train on this version; tell the Datanet's curator."


def fetch_version(client: NodeClient, datanet: int, version: int) -> DatanetVersion:
    """The version's record on chain; raises `JobRefused` if there is none."""
    record = client.read("Datanets", "versions", datanet, version)
    if record is None:
        message = f"Datanet {datanet} has no version {version}."
        raise JobRefused(message, remedy="Wait until its curator has published it.")
    found: DatanetVersion = record
    return found


def fetch_rows(
    client: NodeClient, datanet: int, version: DatanetVersion
) -> tuple[TrainingRow, ...]:
    """Every row of the version with its record, in the version's order.

    Checked: the records lead to `rows_root`; the rows of every submission lead to the root that its
    contributor revealed; each record names a row there by its hash, and its contributor as owner.
    Raises `JobRefused`, and `ContentMissing` or `ContentDamaged` for what cannot be fetched.
    """
    records = _records(client, version)
    submissions = {
        number: _submission(client, datanet, number)
        for number in sorted({record.submission for record in records})
    }
    return tuple(_row_of(record, *submissions[record.submission]) for record in records)


def _records(client: NodeClient, version: DatanetVersion) -> tuple[RowRecord, ...]:
    try:
        items = decode_blob(client.get_content(version.records), ROWS_MAX)
        records = tuple(codec_of(RowRecord).decode(item) for item in items)
    except DecodeError as error:
        message = f"The version's records cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error
    if len(records) != version.row_count or list_root(items) != version.rows_root:
        message = f"The version's {len(records)} records do not lead to its rows root."
        raise JobRefused(message, remedy=_REMEDY)
    return records


def _submission(
    client: NodeClient, datanet: int, number: int
) -> tuple[bytes, tuple[Row | None, ...]]:
    """The contributor and the rows of one submission, each None that was erased."""
    submission = client.read("Submissions", "submissions", datanet, number)
    if submission is None or submission.blob is None or submission.rows_root is None:
        message = f"Submission {number} of Datanet {datanet} was never revealed."
        raise JobRefused(message, remedy=_REMEDY)
    try:
        items = decode_blob(client.get_content(submission.blob), ROWS_MAX)
        rows = tuple(row_of_item(item) for item in items)
        root = list_root([hash_of_item(item) for item in items])
    except DecodeError as error:
        message = f"The rows of submission {number} cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error
    if root != submission.rows_root:
        message = f"The rows of submission {number} do not lead to the root it revealed."
        raise JobRefused(message, remedy=_REMEDY)
    return submission.contributor, rows


def _row_of(record: RowRecord, contributor: bytes, rows: tuple[Row | None, ...]) -> TrainingRow:
    place = f"row {record.index} of submission {record.submission}"
    row = rows[record.index] if record.index < len(rows) else None
    if row is None or row.hash() != record.row_hash:
        message = f"The version names {place}, which was erased or is another row."
        raise JobRefused(message, remedy=_REMEDY)
    if record.owner != contributor:
        message = f"The version gives {place} to an account that did not contribute it."
        raise JobRefused(message, remedy=_REMEDY)
    return TrainingRow(row, record)
