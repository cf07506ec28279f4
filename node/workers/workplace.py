"""What every piece of a worker's work needs, and the layout of its folder.

<work>/journal                  results that are not on chain yet (`records.py`)
<work>/progress.json            what is being done now (`progress.py`)
<work>/jobs/<job>/              a training run: adapter/, transcript.cbor
<work>/models/<hash>/           adapters fetched to be attributed
<work>/influence/               each row's influence on each answer (`influence_file.py`)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.manifest import manifest_of
from node.client import NodeClient
from node.workers.answers import AnswerServers
from node.workers.errors import JobRefused, StopRequested
from node.workers.progress import Progress, ProgressFile
from node.workers.records import WorkRecords
from node.workers.rows import fetch_rows, fetch_version
from runtime.block import Header
from runtime.codec import codec_of
from runtime.keys import Keypair
from runtime.offchain import TrainingOrder, TrainingRow
from runtime.wire.records import TrainingJob

CLAIM_SEARCH_BLOCKS_MAX = 500_000
"""How far back the claim of somebody else's job is looked for."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The node, the key, the folder, and what is known of base models and servers."""

    client: NodeClient
    keypair: Keypair
    work: Path
    base_models: dict[bytes, Path]
    """Folders by manifest hash."""
    servers: AnswerServers
    records: WorkRecords
    progress: ProgressFile
    stop: threading.Event
    """Set when the process is asked to end; work looks at it between two steps."""

    def show(self, progress: Progress) -> None:
        """Show how far the work is; raises `StopRequested`."""
        if self.stop.is_set():
            raise StopRequested
        self.progress.show(progress)

    def job_directory(self, number: int) -> Path:
        """Where the run of a job is written."""
        return self.work / "jobs" / str(number)

    @property
    def models(self) -> Path:
        """Where fetched adapters are kept."""
        return self.work / "models"

    def base_model(self, base_hash: bytes) -> Path:
        """The folder of a base model; raises `JobRefused` without it."""
        found = self.base_models.get(base_hash)
        if found is None:
            message = f"The base model {base_hash.hex()} is not here."
            raise JobRefused(message, remedy="Give its folder with --base-model.")
        return found

    def read_job(self, number: int) -> TrainingJob:
        """The job as the chain has it; raises `JobRefused` for an unknown number."""
        job: TrainingJob | None = self.client.read("Compute", "training_jobs", number)
        if job is None:
            raise JobRefused(f"There is no job {number}.", remedy="Check the node's URL.")
        return job

    def order_of(self, number: int, job: TrainingJob) -> tuple[TrainingOrder, list[TrainingRow]]:
        """The work order of a claimed job with its rows, all of it from the chain.

        The beacon is that of the block after the claim, which nobody knew when the job was
        submitted or claimed.  Raises `JobRefused`.
        """
        version = fetch_version(self.client, job.datanet, job.version)
        order = TrainingOrder(
            job=number,
            base_model=job.base_model,
            rows_root=version.rows_root,
            beacon=self._beacon_after(self._claim_height(number)),
            parameters=job.parameters,
        )
        return order, list(fetch_rows(self.client, job.datanet, version))

    def _beacon_after(self, height: int) -> bytes:
        self.client.wait_height(height + 1)
        encoded = self.client.call("chain_getHeader", height + 1)["header"]
        return codec_of(Header).decode(bytes.fromhex(encoded)).beacon

    def _claim_height(self, number: int) -> int:
        """The height of the block in which the job was claimed, by its event there."""
        noted = self.records.claim_height(number)
        if noted is not None:
            return noted
        head = self.client.height()
        for height in range(head, max(0, head - CLAIM_SEARCH_BLOCKS_MAX), -1):
            for record in self.client.events(height):
                is_claim = (record.pallet, record.name) == ("Compute", "Claimed")
                if is_claim and record.fields["job"] == number:
                    self.records.note_claimed(number, height)
                    return height
        message = f"The claim of job {number} is in none of the last blocks."
        raise JobRefused(message, remedy="Ask the worker that trained it to attribute it.")


def base_models_of(directories: Sequence[Path]) -> dict[bytes, Path]:
    """Folders by manifest hash; raises `ModelUnusable` for one that is no model."""
    return {manifest_of(directory).hash(): directory for directory in directories}
