"""A Datanet with one published version on a real chain: rows of one contributor, all accepted."""

from __future__ import annotations

from genesis.chain_spec import development_keypair
from node.client import NodeClient
from pallets.datanets.pallet import Datanets
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VersionRoots
from runtime.merkle import list_root
from runtime.types import OPEN
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import ALL_PURPOSES, DIALOGUE, Access, Curation, Offer, Terms
from runtime.wire.rows import Row, RowRecord, submission_commitment

WORDS = ["red", "green", "blue", "round", "square", "small", "large", "quick", "slow", "plain"]


def rows(row_count: int) -> list[Row]:
    """Different rows."""
    return [
        Row(f"What is thing {index}?", f"It is a {WORDS[index % 10]} thing number {index}.")
        for index in range(row_count)
    ]


def publish_rows(client: NodeClient, row_count: int) -> int:
    """One contributor, no duplicates: the version is exactly what was submitted."""
    curator, contributor = development_keypair("faucet"), development_keypair("builder")
    create = Datanets.create.Call(
        name="things",
        description="Things.",
        schema=DIALOGUE,
        terms=Terms("CC0-1.0", ALL_PURPOSES, 1, Curation.OWNER, Access.PUBLIC, rows_min=0),
    )
    datanet: int = client.submit(create, curator).fields("Datanets", "Created")["datanet"]
    contributed, salt = rows(row_count), bytes(32)
    root = list_root([row.hash() for row in contributed])
    content = encode_blob([row.encode() for row in contributed])
    commit = Submissions.commit.Call(
        datanet=datanet,
        commitment=submission_commitment(contributor.account, root, salt),
        offer=Offer(row_count, len(content), "CC0-1.0", "en", ALL_PURPOSES),
        bond=OPEN,
        sponsored=False,
    )
    number = client.submit(commit, contributor).fields("Submissions", "Committed")["submission"]
    blob = client.put_content(content)
    reveal = Submissions.reveal.Call(
        datanet=datanet, submission=number, rows_root=root, salt=salt, blob=blob
    )
    client.submit(reveal, contributor)
    records = [
        RowRecord(row.hash(), contributor.account, number, index).encode()
        for index, row in enumerate(contributed)
    ]
    verdicts = [b"\x00"] * row_count
    publish = Submissions.publish_version.Call(
        datanet=datanet,
        roots=VersionRoots(
            rows_root=list_root(records),
            records=client.put_content(encode_blob(records)),
            verdicts_root=list_root(verdicts),
            verdicts=client.put_content(encode_blob(verdicts)),
            changes_root=list_root([]),
            changes=client.put_content(encode_blob([])),
        ),
        row_count=row_count,
        reviewed_count=row_count,
        verdict_counts=((number, row_count, 0, 0),),
    )
    client.submit(publish, curator)
    return datanet
