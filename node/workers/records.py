"""What a worker's journal remembers: results that are dear to repeat and not yet on the chain.

A record is `computed`, the job and the outcome of the run in the job's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node.workers.journal import Journal, JournalDamaged
from runtime.codec import codec_of
from runtime.wire.records import TrainingOutcome


class WorkRecords:
    """The finished work of one worker, by job."""

    def __init__(self, path: Path) -> None:
        """Open the journal and replay it; raises `JournalError`, `InUse`."""
        self._journal = Journal(path)
        self._computed: dict[int, TrainingOutcome] = {}
        try:
            for offset, record in self._journal.records():
                self._replay(offset, record)
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def computed(self, job: int) -> TrainingOutcome | None:
        """The outcome of a job that was computed here."""
        return self._computed.get(job)

    def note_computed(self, job: int, outcome: TrainingOutcome) -> None:
        """Keep the outcome of a job, whose files are in its folder."""
        self._journal.append(["computed", job, codec_of(TrainingOutcome).encode(outcome)])
        self._computed[job] = outcome

    def _replay(self, offset: int, record: list[Any]) -> None:
        match record:
            case ["computed", int(job), bytes(encoded)]:
                self._computed[job] = codec_of(TrainingOutcome).decode(encoded)
            case _:
                raise JournalDamaged(
                    f"The journal has an unknown record at byte {offset}.",
                    remedy="Start the version of the worker that wrote it.",
                )
