"""The next version of a Datanet, as the published validator judges what was revealed.

Anybody gets the same from the same chain and content (`node/datanets/curating.py` has the command
line's): rows that are in the newest version and were not withdrawn stay, and new ones are judged
behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml.data.review import RowVerdict, Submission, SubmissionCounts, review
from node.datanets.curating import unreadable_rows
from node.errors import ContentDamaged
from runtime.merkle import list_root
from runtime.wire.datanets import RowChange
from runtime.wire.rows import Row, RowRecord, Verdict
from studio.chain import datanets
from studio.chain.contents import Contents
from studio.chain.state import Entry, State

REVIEWED_MAX = 256
"""How many submissions one version reviews, as the pallet has it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before it is published."""

    rows: Mapping[int, tuple[Row | None, ...]]
    """The rows of the submissions that were looked at, old ones and new."""
    owners: Mapping[int, bytes]
    records: tuple[RowRecord, ...]
    joined: tuple[RowRecord, ...]
    left: tuple[RowRecord, ...]
    """What was withdrawn since the version before."""
    verdicts: tuple[RowVerdict, ...]
    """On the submissions that are reviewed now."""
    earlier: tuple[RowVerdict, ...]
    """On those of the versions before."""

    def counts(self) -> list[SubmissionCounts]:
        """How each submission fared that is reviewed now."""
        numbers = sorted({each.submission for each in self.verdicts})
        return [SubmissionCounts(number, *self._fared(number)) for number in numbers]

    def verdicts_root(self) -> bytes:
        """The root of all verdicts so far."""
        return list_root([each.encode() for each in (*self.earlier, *self.verdicts)])

    def changes(self, height: int) -> list[RowChange]:
        """The lines of its diff against the version before."""
        return [
            *(_change(each, height, "withdrawn", joined=False) for each in self.left),
            *(_change(each, height, "accepted", joined=True) for each in self.joined),
        ]

    def _fared(self, number: int) -> Iterator[int]:
        verdicts = [each.verdict for each in self.verdicts if each.submission == number]
        return (verdicts.count(each) for each in Verdict)


async def draft(state: State, contents: Contents, number: int, record: Any) -> Draft | None:
    """The next version of a Datanet; None while nothing was revealed or withdrawn.

    Raises `ContentMissing`.
    """
    entries = await datanets.submissions(state, number)
    waiting = [each for each in entries if each.value.state.name == "REVEALED"][:REVIEWED_MAX]
    before = await datanets.newest_records(state, contents, number)
    gone = await datanets.withdrawn(state, number)
    left = tuple(each for each in before if (each.submission, each.index) in gone)
    if not waiting and not left:
        return None
    kept = tuple(each for each in before if (each.submission, each.index) not in gone)
    known = await datanets.known_rows(state, contents, number)
    rows = await _all_rows(contents, entries)
    new, unreadable = _to_judge(waiting, rows)
    schema = datanets.schema_of(record)
    found = await asyncio.to_thread(review, [*known, *new], record.minhash_seed, schema)
    behind = sum(len(each.rows) for each in known)
    numbers = {each.index for each in new}
    joined = tuple(each for each in found.records if each.submission in numbers)
    return Draft(
        rows=rows,
        owners={entry.key[1]: entry.value.contributor for entry in entries},
        records=(*kept, *joined),
        joined=joined,
        left=left,
        verdicts=tuple(sorted((*found.verdicts[behind:], *unreadable), key=_place)),
        earlier=await _earlier(state, contents, number),
    )


def _to_judge(
    waiting: list[Entry], rows: Mapping[int, tuple[Row | None, ...]]
) -> tuple[list[Submission], list[RowVerdict]]:
    """What the validator reads, and the verdicts on what nobody can read."""
    new, unreadable = [], []
    for entry in waiting:
        number, shown = entry.key[1], rows.get(entry.key[1], ())
        readable = tuple(row for row in shown if row is not None)
        # Nothing is erased before it is reviewed.
        if not readable or len(readable) < len(shown):
            unreadable += unreadable_rows(number, entry.value.offer.row_count)
        else:
            new.append(Submission(number, entry.value.contributor, readable))
    return new, unreadable


def _place(verdict: RowVerdict) -> tuple[int, int]:
    return verdict.submission, verdict.index


async def _all_rows(contents: Contents, entries: list[Entry]) -> dict[int, tuple[Row | None, ...]]:
    stored = [each for each in entries if each.value.blob is not None]
    rows = await asyncio.gather(*(_rows(contents, each.value) for each in stored))
    return {entry.key[1]: each for entry, each in zip(stored, rows, strict=True)}


async def _rows(contents: Contents, submission: Any) -> tuple[Row | None, ...]:
    try:
        return await contents.rows(submission)
    except ContentDamaged:
        return ()


async def _earlier(state: State, contents: Contents, number: int) -> tuple[RowVerdict, ...]:
    """The verdicts of all versions so far, in order of review."""
    latest = await state.read("Datanets", "latest_version", number) or 0
    places = [(number, version) for version in range(1, latest + 1)]
    notes = await state.read_many("Datanets", "notes", places)
    found = await asyncio.gather(*(contents.items(each.verdicts, RowVerdict) for each in notes))
    return tuple(verdict for each in found for verdict in each)


def _change(record: RowRecord, height: int, reason: str, *, joined: bool) -> RowChange:
    return RowChange(record.row_hash, record.submission, record.index, joined, height, reason)
