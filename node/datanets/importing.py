"""Importing a table: read into a spool, previewed by the published validator, made into blobs.

Nothing here holds more than a spool's index and the validator's sketches in memory: the bound is
about 600 bytes a row (`python -m bench.datanets`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml.data.findings import REASONS, Finding
from ml.data.review import RowVerdict, Submission, review
from ml.data.spool import RowSpool
from ml.data.tables import BadRow, Columns
from node.datanets.tables import confined_rows
from runtime.wire.datanets import Schema
from runtime.wire.rows import Verdict

BAD_ROWS_MAX = 1_000
"""How many unreadable rows are remembered one by one."""
NEW = 2**32 - 1
"""The number that rows have in a preview: behind all submissions there are."""


@dataclass(slots=True)
class Imported:
    """What a table held: the readable rows are in the spool."""

    rows: int = 0
    unreadable: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the validator would say of new rows, and why."""

    verdicts: tuple[RowVerdict, ...]
    """In the order of the rows."""

    def counts(self) -> dict[str, int]:
        """How many rows are accepted, duplicate, rejected."""
        found = Counter(each.verdict for each in self.verdicts)
        return {verdict.name.lower(): found[verdict] for verdict in Verdict}

    def reasons(self) -> list[tuple[Finding, int, str, str]]:
        """(finding, rows, reason, remedy) of what is not accepted, the most frequent first."""
        found = Counter(
            each.finding for each in self.verdicts if each.verdict is not Verdict.ACCEPTED
        )
        return [(finding, count, *REASONS[finding]) for finding, count in found.most_common()]


def read_into(spool: RowSpool, path: Path, columns: Columns) -> Imported:
    """Append the readable rows of a table to a spool; raises a `TableError`."""
    found = Imported()
    for item in confined_rows(path, columns):
        if isinstance(item, BadRow):
            found.unreadable += 1
            if len(found.bad_rows) < BAD_ROWS_MAX:
                found.bad_rows.append(item)
        else:
            found.rows += 1
            spool.append(item.row)
    return found


def preview(
    spool: RowSpool, owner: bytes, schema: Schema, seed: int, known: Sequence[Submission] = ()
) -> Preview:
    """Judge the rows of a spool behind those that are known; nothing is sent."""
    found = review([*known, Submission(NEW, owner, spool)], seed, schema)
    return Preview(found.verdicts[len(found.verdicts) - len(spool) :])
