"""What a worker's journal remembers: results that are dear to repeat and not yet on the chain.

Records, by their first item:

    computed    job, outcome                       of a run in the job's folder
    attributed  model, epoch, pool, outcome        blobs of scores and payouts, which are uploaded
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.workers.journal import Journal, JournalDamaged
from runtime.codec import codec_of
from runtime.types import U32, Hash
from runtime.wire.records import TrainingOutcome


@dataclass(frozen=True, slots=True)
class AttributionOutcome:
    """The arguments of `Attribution.commit` beside model, epoch and method."""

    payout_root: Hash
    leaf_count: U32
    payouts: Hash
    scores_root: Hash
    scores: Hash


class WorkRecords:
    """The finished work of one worker, by job and by epoch."""

    def __init__(self, path: Path) -> None:
        """Open the journal and replay it; raises `JournalError`, `InUse`."""
        self._journal = Journal(path)
        self._computed: dict[int, TrainingOutcome] = {}
        self._attributed: dict[tuple[bytes, int, int], AttributionOutcome] = {}
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

    def attributed(self, model: bytes, epoch: int, pool: int) -> AttributionOutcome | None:
        """The division of this pool of the epoch, if it has been computed and uploaded."""
        return self._attributed.get((model, epoch, pool))

    def note_attributed(
        self, model: bytes, epoch: int, pool: int, outcome: AttributionOutcome
    ) -> None:
        """Keep the division of an epoch's pool, after its blobs are uploaded."""
        encoded = codec_of(AttributionOutcome).encode(outcome)
        self._journal.append(["attributed", model, epoch, pool, encoded])
        self._attributed[model, epoch, pool] = outcome

    def _replay(self, offset: int, record: list[Any]) -> None:
        match record:
            case ["computed", int(job), bytes(encoded)]:
                self._computed[job] = codec_of(TrainingOutcome).decode(encoded)
            case ["attributed", bytes(model), int(epoch), int(pool), bytes(encoded)]:
                outcome = codec_of(AttributionOutcome).decode(encoded)
                self._attributed[model, epoch, pool] = outcome
            case _:
                raise JournalDamaged(
                    f"The journal has an unknown record at byte {offset}.",
                    remedy="Start the version of the worker that wrote it.",
                )
