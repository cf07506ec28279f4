"""Versions as anybody can read them: records, diffs, verdicts, rows; checked against the chain."""

from __future__ import annotations

from typing import TypeVar

from node.client import NodeClient
from node.errors import ContentDamaged
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.merkle import list_root
from runtime.wire.blobs import decode_blob
from runtime.wire.datanets import RowChange, Submission
from runtime.wire.rows import Row, RowRecord, hash_of_item, row_of_item

ITEMS_MAX = 1_000_000
"""Rows, records, changes or verdicts of one blob."""
_REMEDY = "Do not use this version; tell the Datanet's curator, or report it."
T = TypeVar("T")


def latest_of(client: NodeClient, datanet: int) -> int:
    """The number of the latest version; 0 before the first."""
    return int(client.read("Datanets", "latest_version", datanet))


def records_of(
    client: NodeClient, datanet: int, version: int | None = None
) -> tuple[RowRecord, ...]:
    """The records of a version, by default of the latest; none before the first.

    Raises `ContentMissing`, and `ContentDamaged` for records that do not lead to the root on chain.
    """
    number = latest_of(client, datanet) if version is None else version
    record = client.read("Datanets", "versions", datanet, number)
    if record is None:
        return ()
    return _listed(client, record.records, record.rows_root, RowRecord)


def changes_of(client: NodeClient, datanet: int, version: int) -> tuple[RowChange, ...]:
    """What joined and left with a version, when and why; raises as `records_of`."""
    notes = client.read("Datanets", "notes", datanet, version)
    if notes is None:
        return ()
    return _listed(client, notes.changes, notes.changes_root, RowChange)


def verdict_leaves(client: NodeClient, datanet: int) -> list[bytes]:
    """The encoded verdicts of all versions so far, in order of review; raises as `records_of`."""
    leaves: list[bytes] = []
    for version in range(1, latest_of(client, datanet) + 1):
        notes = client.read("Datanets", "notes", datanet, version)
        leaves += decode_blob(client.get_content(notes.verdicts), ITEMS_MAX)
    return leaves


def rows_of(client: NodeClient, submission: Submission) -> tuple[Row | None, ...] | None:
    """The rows of a revealed submission, each None that was erased.

    None for a blob that does not hold what was committed to.  Raises `ContentMissing`.
    """
    if submission.blob is None:
        return None
    return rows_in(client.get_content(submission.blob), submission)


def rows_in(data: bytes, submission: Submission) -> tuple[Row | None, ...] | None:
    """The rows of a submission's blob, each None that was erased; None as of `rows_of`."""
    try:
        items = decode_blob(data, ITEMS_MAX)
        rows = tuple(row_of_item(item) for item in items)
        led = list_root([hash_of_item(item) for item in items]) == submission.rows_root
    except DecodeError:
        return None
    # A tombstone may be longer than its row.
    fits = None in rows or len(data) <= submission.offer.size_bytes
    return rows if led and fits and len(rows) == submission.offer.row_count else None


def _listed(client: NodeClient, blob: bytes, root: bytes, kind: type[T]) -> tuple[T, ...]:
    try:
        items = decode_blob(client.get_content(blob), ITEMS_MAX)
        found = tuple(codec_of(kind).decode(item) for item in items)
    except DecodeError as error:
        message = f"The content {blob.hex()} cannot be read: {error.message}"
        raise ContentDamaged(message, remedy=_REMEDY) from error
    if list_root(items) != root:
        message = f"The content {blob.hex()} does not lead to the root on chain."
        raise ContentDamaged(message, remedy=_REMEDY)
    return found
