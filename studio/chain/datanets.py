"""What pages ask of Datanets: versions, submissions, rows, and what contributors are worth."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.data.review import Submission
from runtime.cbor import encode_plain
from runtime.wire.datanets import Column, Schema
from runtime.wire.records import ScoreLeaf
from runtime.wire.rows import Row, RowRecord
from studio.chain.contents import Contents
from studio.chain.state import Entry, State
from studio.errors import ObjectMissing

NATS_GRID = 2**30
"""Scores are integers on this grid of nats."""
SETTLEMENTS_MAX = 2_000
SUBMISSIONS_MAX = 5_000


async def existing(state: State, number: int) -> Any:
    """The record of a Datanet; raises `ObjectMissing`."""
    record = await state.read("Datanets", "datanets", number)
    if record is None:
        raise missing(number)
    return record


def missing(number: int) -> ObjectMissing:
    """What says that there is no such Datanet."""
    message = f"There is no Datanet {number}."
    return ObjectMissing(message, remedy="The Datanets page has all of them.")


@dataclass(frozen=True, slots=True)
class OwnedRow:
    """A row with who brought it."""

    owner: str
    row: Row
    row_hash: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """What one contributor's rows were worth to the models of a Datanet."""

    owner: str
    rows: int
    """Accepted rows in the newest version."""
    influence: float
    """Nats, over all settled epochs."""
    error: float | None
    """One standard error of it, by those of its rows; None where none is known."""


def of_datanet(number: int) -> bytes:
    """How the keys of a Datanet's entries go on behind the item's prefix."""
    return bytes(encode_plain(number))


async def submissions(state: State, number: int) -> list[Entry]:
    """All submissions of a Datanet, in order of commitment."""
    return await state.entries("Submissions", "submissions", SUBMISSIONS_MAX, of_datanet(number))


async def versions(state: State, number: int) -> list[tuple[int, Any]]:
    """The published versions of a Datanet, the newest first."""
    latest = await state.read("Datanets", "latest_version", number)
    numbers = list(range(latest or 0, 0, -1))
    values = await state.read_many("Datanets", "versions", [(number, each) for each in numbers])
    return [(each, value) for each, value in zip(numbers, values, strict=True) if value is not None]


async def records(contents: Contents, version: Any) -> tuple[RowRecord, ...]:
    """The accepted rows of a version, by hash and owner."""
    return await contents.items(version.records, RowRecord)


async def newest_records(state: State, contents: Contents, number: int) -> tuple[RowRecord, ...]:
    """The accepted rows of the newest version; none before the first."""
    latest = await state.read("Datanets", "latest_version", number)
    version = await state.read("Datanets", "versions", number, latest or 0)
    return () if version is None else await records(contents, version)


async def rows_of(
    contents: Contents, entries: Sequence[Entry], wanted: Sequence[RowRecord]
) -> list[OwnedRow]:
    """The texts of some accepted rows; erased ones, and those never revealed, are left out."""
    shown = {entry.key[1]: entry.value for entry in entries if entry.value.blob}
    numbers = sorted({record.submission for record in wanted} & shown.keys())
    texts = await asyncio.gather(*(contents.rows(shown[each]) for each in numbers))
    row_at = {
        (number, index): row
        for number, rows in zip(numbers, texts, strict=True)
        for index, row in enumerate(rows)
        if row is not None
    }
    places = [(each.submission, each.index) for each in wanted]
    return [
        OwnedRow(record.owner.hex(), row_at[place], record.row_hash)
        for record, place in zip(wanted, places, strict=True)
        if place in row_at
    ]


async def withdrawn(state: State, number: int) -> frozenset[tuple[int, int]]:
    """The rows of a Datanet that were withdrawn, one by one or with all of their submission."""
    prefix = of_datanet(number)
    single, whole = await asyncio.gather(
        state.entries("DataRights", "tombstones", SUBMISSIONS_MAX, prefix),
        state.entries("DataRights", "withdrawals", SUBMISSIONS_MAX, prefix),
    )
    gone = [entry.key[1] for entry in whole if entry.value.is_whole]
    found = await state.read_many("Submissions", "submissions", [(number, each) for each in gone])
    rows = {
        (each, index)
        for each, submission in zip(gone, found, strict=True)
        if submission is not None
        for index in range(submission.offer.row_count)
    }
    return frozenset({entry.key[1:] for entry in single} | rows)


async def known_rows(state: State, contents: Contents, number: int) -> list[Submission]:
    """The rows of the newest version that were not withdrawn, as the validator takes them.

    Raises `ContentMissing`.
    """
    accepted = await newest_records(state, contents, number)
    gone = await withdrawn(state, number)
    kept = [each for each in accepted if (each.submission, each.index) not in gone]
    entries = await submissions(state, number)
    rows = await rows_of(contents, entries, kept)
    by_hash = {each.row_hash: each.row for each in rows}
    by_submission: dict[int, list[RowRecord]] = defaultdict(list)
    for each in kept:
        if each.row_hash in by_hash:
            by_submission[each.submission].append(each)
    return [
        Submission(submission, each[0].owner, tuple(by_hash[record.row_hash] for record in each))
        for submission, each in by_submission.items()
    ]


def schema_of(record: Any) -> Schema:
    """The schema of a Datanet's record, which the metadata decoded."""
    columns = tuple(
        Column(each.name, each.bytes_min, each.bytes_max) for each in record.schema.columns
    )
    return Schema(record.schema.media_type, columns, tuple(record.schema.languages))


async def models_on(state: State, number: int) -> set[bytes]:
    """The models that were trained on a Datanet."""
    entries = await state.entries("Models", "models")
    return {entry.key[0] for entry in entries if entry.value.datanet == number}


async def standings(state: State, contents: Contents, number: int) -> list[Standing]:
    """Contributors by measured influence, over all settled epochs of the Datanet's models."""
    found = await versions(state, number)
    owned = await records(contents, found[0][1]) if found else ()
    rows = Counter(record.owner.hex() for record in owned)
    models = await models_on(state, number)
    settled = [
        entry.value
        for entry in await state.entries("Attribution", "settlements", SETTLEMENTS_MAX)
        if entry.key[0] in models
    ]
    epochs = await asyncio.gather(*(contents.items(each.scores, ScoreLeaf) for each in settled))
    return _standings(rows, [_by_owner(leaves) for leaves in epochs])


def _by_owner(leaves: Sequence[ScoreLeaf]) -> Mapping[str, tuple[float, float]]:
    """The influence of each owner's rows in an epoch, and its variance."""
    totals: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for leaf in leaves:
        score, variance = totals[leaf.owner.hex()]
        error = leaf.error / NATS_GRID
        totals[leaf.owner.hex()] = (score + leaf.score / NATS_GRID, variance + error * error)
    return totals


def _standings(
    rows: Mapping[str, int], epochs: Sequence[Mapping[str, tuple[float, float]]]
) -> list[Standing]:
    found = []
    for owner in {*rows, *(owner for epoch in epochs for owner in epoch)}:
        mine = [epoch[owner] for epoch in epochs if owner in epoch]
        error = math.sqrt(sum(variance for _score, variance in mine))
        influence = sum(score for score, _variance in mine)
        found.append(Standing(owner, rows.get(owner, 0), influence, error or None))
    return sorted(found, key=lambda each: (-each.influence, -each.rows, each.owner))
