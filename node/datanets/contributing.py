"""What a contributor does: commit to the rows of a spool, reveal them, withdraw them again."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ml.data.spool import RowSpool
from node.client import NodeClient
from node.datanets.versions import records_of
from node.errors import ConfigError
from pallets.data_rights.pallet import DataRights
from pallets.submissions.pallet import Submissions
from runtime.hashing import hash_row
from runtime.keys import Keypair
from runtime.merkle import list_path, list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import Offer
from runtime.wire.rows import submission_commitment

SALT_BYTES = 32


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
