"""The first part of the story: rows are committed and revealed, a version is published."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ml.data.review import SubmissionCounts
from node.client import NodeClient
from node.datanets.curating import draft_version
from node.datanets.curating import publish as publish_draft
from node.demo.corpus import Contribution, Corpus, CorpusError
from node.demo.people import People
from node.demo.stages import Bar
from pallets.balances.pallet import Balances
from pallets.datanets.pallet import Datanets
from pallets.submissions.pallet import Submissions
from pallets.utility.pallet import BATCH_CALLS_MAX, Utility
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.types import OPEN
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import (
    ALL_PURPOSES,
    DIALOGUE,
    Access,
    Curation,
    Offer,
    Terms,
)
from runtime.wire.rows import RowRecord, submission_commitment

BOND_PER_ROW = OPEN // 1_000
FEE_MONEY = OPEN // 100
"""What a newcomer is given: some dozens of extrinsics."""
ROWS_ACCEPTED_MIN = 20
"""With fewer there is nothing to train on and to hold out."""
SALT_BYTES = 32
LANGUAGE = "en"
"""Of the default corpus; the demo's schema takes any."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A contribution on chain: its index in the Datanet is its place in the order of credit."""

    contribution: Contribution
    submission: int
    salt: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """A Datanet version and what came of every row."""

    datanet: int
    version: int
    records: tuple[RowRecord, ...]
    counts: dict[str, SubmissionCounts]
    """By contributor."""


def create_datanet(client: NodeClient, people: People, corpus: Corpus) -> int:
    """The curator opens a Datanet that sponsors the first bond of whoever has no OPEN."""
    call = Datanets.create.Call(
        name=corpus.title[:64],
        description=f"Questions and answers: {corpus.title}"[:1_024],
        schema=DIALOGUE,
        terms=Terms(
            licence=corpus.licence,
            purposes=ALL_PURPOSES,
            contributor_bond_per_row=BOND_PER_ROW,
            curation=Curation.OWNER,
            access=Access.PUBLIC,
            rows_min=0,
        ),
    )
    created = client.submit(call, people.curator).fields("Datanets", "Created")
    datanet = int(created["datanet"])
    budget = sum(least_bond(client, datanet, each) for each in corpus.contributions)
    sponsor = Datanets.set_sponsor_budget.Call(datanet=datanet, budget=budget)
    client.submit(sponsor, people.curator)
    welcome(client, people)
    return datanet


def blob_of(contribution: Contribution) -> bytes:
    """The file that lists a contribution's rows."""
    return encode_blob([row.encode() for row in contribution.rows])


def least_bond(client: NodeClient, datanet: int, contribution: Contribution) -> int:
    """What a contribution must bond: for its rows, and for the bytes that are kept."""
    with client.reading() as pallets:
        return pallets.submissions.least_bond(
            datanet, len(contribution.rows), len(blob_of(contribution))
        )


def welcome(client: NodeClient, people: People) -> None:
    """The curator sends every contributor a little OPEN for the fees of extrinsics, in batches."""
    payments = [
        Balances.transfer.Call(receiver=keypair.account, amount=FEE_MONEY)
        for keypair in people.contributors.values()
    ]
    for start in range(0, len(payments), BATCH_CALLS_MAX):
        batch = tuple(payments[start : start + BATCH_CALLS_MAX])
        client.submit(Utility.batch_all.Call(calls=batch), people.curator)


def commit(
    client: NodeClient, datanet: int, contribution: Contribution, keypair: Keypair
) -> Submitted:
    """Commit to rows without showing them."""
    root = list_root([row.hash() for row in contribution.rows])
    salt = os.urandom(SALT_BYTES)
    with client.reading() as pallets:
        licence = pallets.datanets.terms_of(datanet).licence
    call = Submissions.commit.Call(
        datanet=datanet,
        commitment=submission_commitment(keypair.account, root, salt),
        offer=Offer(
            row_count=len(contribution.rows),
            size_bytes=len(blob_of(contribution)),
            licence=licence,
            language=LANGUAGE,
            purposes=ALL_PURPOSES,
        ),
        bond=least_bond(client, datanet, contribution),
        sponsored=True,
    )
    committed = client.submit(call, keypair).fields("Submissions", "Committed")
    return Submitted(contribution, int(committed["submission"]), salt, root)


def reveal(client: NodeClient, datanet: int, submitted: Submitted, keypair: Keypair) -> None:
    """Show the rows that were committed to."""
    call = Submissions.reveal.Call(
        datanet=datanet,
        submission=submitted.submission,
        rows_root=submitted.root,
        salt=submitted.salt,
        blob=client.put_content(blob_of(submitted.contribution)),
    )
    client.submit(call, keypair)


def contribute(
    client: NodeClient, people: People, corpus: Corpus, datanet: int, bar: Bar
) -> tuple[Submitted, ...]:
    """All commit, in the corpus's order, then all reveal."""
    steps = 2 * len(corpus.contributions)
    submitted = []
    for number, contribution in enumerate(corpus.contributions):
        bar.show(number, steps, f"{contribution.name} commits")
        keypair = people.contributors[contribution.name]
        submitted.append(commit(client, datanet, contribution, keypair))
    for number, item in enumerate(submitted, len(submitted)):
        bar.show(number, steps, f"{item.contribution.name} reveals")
        reveal(client, datanet, item, people.contributors[item.contribution.name])
    return tuple(submitted)


def publish(
    client: NodeClient, people: People, datanet: int, submitted: tuple[Submitted, ...]
) -> Published:
    """The curator runs the published validator and publishes what it accepts."""
    draft = draft_version(client, datanet)
    require_enough(len(draft.records), len(draft.verdicts))
    version = publish_draft(client, people.curator, datanet, draft)
    names = {item.submission: item.contribution.name for item in submitted}
    counts = {names[count.submission]: count for count in draft.counts}
    return Published(datanet, version, draft.records, counts)


def require_enough(accepted: int, submitted: int) -> None:
    """Raise `CorpusError` when review leaves too few rows to train on."""
    if accepted < ROWS_ACCEPTED_MIN:
        raise CorpusError(
            f"Of {submitted} rows only {accepted} are neither duplicates nor unusable.",
            remedy=f"Bring at least {ROWS_ACCEPTED_MIN} different rows of two contributors.",
        )
