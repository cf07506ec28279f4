"""What a curator does: run the published validator on what was revealed, and publish the version.

Anybody gets the same result from the same chain and content: it is also how a panelist scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ml.data.findings import Finding
from ml.data.review import RowVerdict, SubmissionCounts, review
from ml.data.review import Submission as ReviewedSubmission
from node.client import NodeClient
from node.datanets.versions import records_of, rows_of, verdict_leaves
from node.errors import ConfigError
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VERDICT_COUNTS_MAX, VersionRoots
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import RowChange, Submission, SubmissionState
from runtime.wire.rows import RowRecord, Verdict

SUBMISSIONS_MAX = 100_000
"""How many submissions of one Datanet are looked at."""
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Draft:
    """The next version before it is published."""

    records: tuple[RowRecord, ...]
    verdicts: tuple[RowVerdict, ...]
    """On the submissions that are reviewed now."""
    counts: tuple[SubmissionCounts, ...]
    left: tuple[RowRecord, ...]
    """What was in the version before and was withdrawn since."""


def submissions_of(client: NodeClient, datanet: int) -> dict[int, Submission]:
    """The submissions of a Datanet by their numbers, in their order."""
    count = min(int(client.read("Submissions", "next_submission", datanet)), SUBMISSIONS_MAX)
    found = {
        number: client.read("Submissions", "submissions", datanet, number)
        for number in range(count)
    }
    return {number: each for number, each in found.items() if each is not None}


def known_rows(client: NodeClient, datanet: int) -> list[ReviewedSubmission]:
    """The rows of the latest version that were not withdrawn, for the validator.

    Raises `ContentMissing`.
    """
    submissions = submissions_of(client, datanet)
    gone = _withdrawn(client, datanet, submissions)
    records = records_of(client, datanet)
    kept = [each for each in records if (each.submission, each.index) not in gone]
    return _accepted_before(client, submissions, kept)


def draft_version(client: NodeClient, datanet: int, without: Iterable[_Place] = ()) -> Draft:
    """Judge what was revealed since the last version; `without` are rows that reports took out.

    Raises `ConfigError` if there is nothing to publish, and `ContentMissing`.
    """
    submissions = submissions_of(client, datanet)
    before = records_of(client, datanet)
    gone = _withdrawn(client, datanet, submissions) | frozenset(without)
    kept = tuple(each for each in before if (each.submission, each.index) not in gone)
    left = tuple(each for each in before if (each.submission, each.index) in gone)
    revealed = [
        number for number, each in submissions.items() if each.state is SubmissionState.REVEALED
    ][:VERDICT_COUNTS_MAX]
    if not revealed and not left:
        message = f"Nothing was revealed or withdrawn in Datanet {datanet} since its last version."
        raise ConfigError(message, remedy="Wait for contributors.")
    with client.reading() as pallets:
        fixed = pallets.datanets.datanet(datanet)
    known = _accepted_before(client, submissions, kept)
    new, unreadable = [], []
    for number in revealed:
        rows = rows_of(client, submissions[number])
        shown = tuple(row for row in rows or () if row is not None)
        if rows is None or len(shown) < len(rows):  # nothing is erased before it is reviewed
            unreadable += unreadable_rows(number, submissions[number].offer.row_count)
        else:
            new.append(ReviewedSubmission(number, submissions[number].contributor, shown))
    found = review([*known, *new], fixed.minhash_seed, fixed.schema)
    numbers = frozenset(revealed)
    behind = sum(len(each.rows) for each in known)
    verdicts = sorted(
        (*found.verdicts[behind:], *unreadable), key=lambda each: (each.submission, each.index)
    )
    accepted = [record for record in found.records if record.submission in numbers]
    return Draft(
        records=(*kept, *accepted),
        verdicts=tuple(verdicts),
        counts=_counted(verdicts),
        left=left,
    )


def publish(client: NodeClient, keypair: Keypair, datanet: int, draft: Draft) -> int:
    """Publish a draft; returns the version's number.  Raises what `NodeClient.submit` raises."""
    height = client.height()
    records = [each.encode() for each in draft.records]
    verdicts = [each.encode() for each in draft.verdicts]
    reviewed = frozenset(each.submission for each in draft.counts)
    joined = [each for each in draft.records if each.submission in reviewed]
    changes = [
        *(_change(each, height, "withdrawn", joined=False) for each in draft.left),
        *(_change(each, height, "accepted", joined=True) for each in joined),
    ]
    leaves = [*verdict_leaves(client, datanet), *verdicts]
    call = Submissions.publish_version.Call(
        datanet=datanet,
        roots=VersionRoots(
            rows_root=list_root(records),
            records=client.put_content(encode_blob(records)),
            verdicts_root=list_root(leaves),
            verdicts=client.put_content(encode_blob(verdicts)),
            changes_root=list_root(changes),
            changes=client.put_content(encode_blob(changes)),
        ),
        row_count=len(records),
        reviewed_count=len(leaves),
        verdict_counts=tuple(
            (each.submission, each.accepted, each.duplicate, each.rejected) for each in draft.counts
        ),
    )
    return int(client.submit(call, keypair).fields("Datanets", "VersionPublished")["version"])


def _withdrawn(
    client: NodeClient, datanet: int, submissions: dict[int, Submission]
) -> frozenset[_Place]:
    """The rows that were withdrawn, one by one or with their submission."""
    single = {
        (submission, index)
        for (place, submission, index), _ in client.entries("DataRights", "tombstones")
        if place == datanet
    }
    whole = {
        number
        for (place, number), each in client.entries("DataRights", "withdrawals")
        if place == datanet and each.is_whole
    }
    rows = {
        (number, index)
        for number in whole & submissions.keys()
        for index in range(submissions[number].offer.row_count)
    }
    return frozenset(single | rows)


def _accepted_before(
    client: NodeClient, submissions: dict[int, Submission], kept: Sequence[RowRecord]
) -> list[ReviewedSubmission]:
    """What is in the Datanet already, one owner's row after another's, in its order."""
    by_submission: dict[int, list[int]] = {}
    for record in kept:
        by_submission.setdefault(record.submission, []).append(record.index)
    known = []
    for number, indexes in by_submission.items():
        rows = rows_of(client, submissions[number])
        if rows is not None:
            kept_rows = [rows[index] for index in indexes]
            chosen = tuple(row for row in kept_rows if row is not None)
            known.append(ReviewedSubmission(number, submissions[number].contributor, chosen))
    return known


def unreadable_rows(submission: int, count: int) -> list[RowVerdict]:
    """The verdicts on a submission whose rows are not what it committed to, or are gone."""
    return [
        RowVerdict(submission, index, Verdict.REJECTED, submission, index, Finding.UNREADABLE)
        for index in range(count)
    ]


def _counted(verdicts: Sequence[RowVerdict]) -> tuple[SubmissionCounts, ...]:
    counts: dict[int, dict[Verdict, int]] = {}
    for each in verdicts:
        of_submission = counts.setdefault(each.submission, dict.fromkeys(Verdict, 0))
        of_submission[each.verdict] += 1
    return tuple(
        SubmissionCounts(number, *(found[verdict] for verdict in Verdict))
        for number, found in counts.items()
    )


def _change(record: RowRecord, height: int, reason: str, *, joined: bool) -> bytes:
    return RowChange(
        row_hash=record.row_hash,
        submission=record.submission,
        index=record.index,
        joined=joined,
        height=height,
        reason=reason,
    ).encode()
