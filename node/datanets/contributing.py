"""What a contributor does: commit to rows, reveal them, withdraw them, have them erased."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ml.data.spool import RowSpool
from node.client import NodeClient
from node.datanets.versions import records_of
from node.errors import ConfigError
from pallets.data_rights.pallet import DataRights
from pallets.submissions.pallet import Submissions
from runtime.hashing import hash_row
from runtime.keys import Keypair
from runtime.merkle import list_path, list_root
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.datanets import Offer
from runtime.wire.rows import submission_commitment, tombstone_of

SALT_BYTES = 32
TOMBSTONES_MAX = 1_000_000
"""How many tombstones of a chain are looked at."""


@dataclass(frozen=True, slots=True)
class Contributed:
    """A submission that was committed and revealed."""

    submission: int
    rows: int
    bond: int
    blob: bytes


def contribute(
    client: NodeClient,
    keypair: Keypair,
    datanet: int,
    spool: RowSpool,
    language: str,
    *,
    sponsored: bool = False,
) -> Contributed:
    """Commit to the rows of a spool and reveal them in a later block, on the Datanet's terms.

    The rows are uploaded only after the commitment has its number.  Raises what `NodeClient.submit`
    raises.
    """
    encoded = [spool.encoded(index) for index in range(len(spool))]
    content = encode_blob(encoded)
    root, salt = list_root([hash_row(each) for each in encoded]), os.urandom(SALT_BYTES)
    with client.reading() as pallets:
        terms = pallets.datanets.terms_of(datanet)
        bond = pallets.submissions.least_bond(
            datanet, len(spool), len(content), sponsored=sponsored
        )
    call = Submissions.commit.Call(
        datanet=datanet,
        commitment=submission_commitment(keypair.account, root, salt),
        offer=Offer(
            row_count=len(spool),
            size_bytes=len(content),
            licence=terms.licence,
            language=language,
            purposes=terms.purposes,
        ),
        bond=bond,
        sponsored=sponsored,
    )
    number = int(client.submit(call, keypair).fields("Submissions", "Committed")["submission"])
    blob = client.put_content(content)
    reveal = Submissions.reveal.Call(
        datanet=datanet, submission=number, rows_root=root, salt=salt, blob=blob
    )
    client.submit(reveal, keypair)
    return Contributed(number, len(spool), bond, blob)


def withdraw_row(
    client: NodeClient,
    keypair: Keypair,
    datanet: int,
    submission: int,
    index: int,
    replacement: int | None = None,
) -> None:
    """Withdraw one row of the latest version, with the path that shows it there.

    Raises `ConfigError` for a row that is not in it.
    """
    records = records_of(client, datanet)
    for position, record in enumerate(records):
        if (record.submission, record.index) == (submission, index):
            path = list_path([each.encode() for each in records], position)
            call = DataRights.withdraw_row.Call(
                datanet=datanet, row=record, path=path, replacement=replacement
            )
            client.submit(call, keypair)
            return
    message = f"Row {index} of submission {submission} is not in the latest version."
    raise ConfigError(message, remedy="See `openledger datanet show` and the version's records.")


def erase(client: NodeClient, keypair: Keypair, datanet: int, submission: int) -> bytes | None:
    """Have withdrawn rows erased; returns the blob with tombstones in their place, if any is left.

    Raises `ConfigError` if nothing was withdrawn, and what `NodeClient.submit` raises.
    """
    withdrawal = client.read("DataRights", "withdrawals", datanet, submission)
    record = client.read("Submissions", "submissions", datanet, submission)
    if withdrawal is None or record is None or record.blob is None:
        message = f"Nothing of submission {submission} waits for being erased."
        raise ConfigError(message, remedy="Withdraw rows first: `openledger datanet withdraw`.")
    redacted = None
    if not withdrawal.is_whole:
        tombstones = client.entries("DataRights", "tombstones", TOMBSTONES_MAX)
        gone = [index for place, index in _places(tombstones) if place == (datanet, submission)]
        items = list(decode_blob(client.get_content(record.blob), record.offer.row_count))
        for index in gone:
            items[index] = tombstone_of(items[index])
        redacted = client.put_content(encode_blob(items))
    call = DataRights.erase.Call(datanet=datanet, submission=submission, redacted=redacted)
    client.submit(call, keypair)
    return redacted


def _places(tombstones: Sequence[tuple[Any, Any]]) -> Iterator[tuple[tuple[int, int], int]]:
    """Each tombstone's Datanet and submission, and its row's index."""
    for (datanet, submission, index), _ in tombstones:
        yield (datanet, submission), index
