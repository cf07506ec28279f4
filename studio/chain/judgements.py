"""What was judged: the verdict on each row of a submission, reports about it, how they ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.data.review import RowVerdict
from node.errors import ContentError
from runtime.wire.rows import Row
from studio.chain.contents import Contents
from studio.chain.index import Index
from studio.chain.state import Entry, State
from studio.chain.tables import EventRow
from studio.errors import ObjectMissing

REPORTS_MAX = 2_000
EVENTS_LOOKED_AT = 1_000
"""How far back an event is looked for by its fields."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A submission with what was said of its rows."""

    record: Any
    verdicts: tuple[RowVerdict, ...]
    """In the order of its rows; none before its review."""
    rows: tuple[Row | None, ...]
    """Each None that was erased; none at all where the content is not stored here."""


async def judged(state: State, contents: Contents, datanet: int, submission: int) -> Judged:
    """A submission and the verdicts on its rows; raises `ObjectMissing`."""
    record = await state.read("Submissions", "submissions", datanet, submission)
    if record is None:
        message = f"Datanet {datanet} has no submission {submission}."
        raise ObjectMissing(
            message, remedy="It may have expired; the Datanet's page has the others."
        )
    verdicts, rows = await asyncio.gather(
        _verdicts(state, contents, datanet, submission, record), _rows(contents, record)
    )
    return Judged(record, verdicts, rows)


async def reports(state: State) -> list[Entry]:
    """All reports and appeals, the newest first."""
    found = await state.entries("Reports", "reports", REPORTS_MAX)
    return sorted(found, key=lambda entry: -int(entry.key[0]))


async def reports_on(state: State, datanet: int, submission: int) -> list[Entry]:
    """Those about one submission."""
    place = (datanet, submission)
    return [
        each
        for each in await reports(state)
        if (each.value.datanet, each.value.submission) == place
    ]


async def latest_event(index: Index, name: str, **fields: Any) -> EventRow | None:
    """The newest event of a name with these fields; None if it is too long ago."""
    found = await asyncio.to_thread(index.events, 0, EVENTS_LOOKED_AT, name)
    for each in found:
        if all(each.fields.get(field) == value for field, value in fields.items()):
            return each
    return None


async def _verdicts(
    state: State, contents: Contents, datanet: int, submission: int, record: Any
) -> tuple[RowVerdict, ...]:
    if not record.version:
        return ()
    notes = await state.read("Datanets", "notes", datanet, record.version)
    if notes is None:
        return ()
    try:
        found: Sequence[RowVerdict] = await contents.items(notes.verdicts, RowVerdict)
    except ContentError:
        return ()
    mine = [each for each in found if each.submission == submission]
    return tuple(sorted(mine, key=lambda each: each.index))


async def _rows(contents: Contents, record: Any) -> tuple[Row | None, ...]:
    if record.blob is None:
        return ()
    try:
        return await contents.rows(record)
    except ContentError:
        return ()
