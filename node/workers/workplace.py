"""What every piece of a worker's work needs, and the layout of its folder.

<work>/journal                  results that are not on chain yet (`records.py`)
<work>/progress.json            what is being done now (`progress.py`)
<work>/jobs/<job>/              a training run (`ml/training/run_files.py`)
<work>/models/<hash>/           a base model that was fetched (`model_folders.py`)
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
from node.workers.model_folders import find_base_model
from node.workers.progress import Progress, ProgressFile
from node.workers.records import WorkRecords
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.wire.records import Job


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
        self.check_stop()
        self.progress.show(progress)

    def check_stop(self) -> None:
        """Raise `StopRequested` once the process is asked to end."""
        if self.stop.is_set():
            raise StopRequested

    def salt(self, number: int) -> bytes:
        """What blinds this worker's root of a job: secret, and always the same."""
        return hash_text(self.keypair.sign(f"salt of job {number}".encode()))

    def job_directory(self, number: int) -> Path:
        """Where the run of a job is written."""
        return self.work / "jobs" / str(number)

    def base_model(self, base_hash: bytes) -> Path:
        """The folder of a base model, fetched where it is not known; raises `JobRefused`."""
        return find_base_model(self.client, self.base_models, base_hash, self.work / "models")

    def read_job(self, number: int) -> Job:
        """The job as the chain has it; raises `JobRefused` for an unknown number."""
        job: Job | None = self.client.read("Compute", "jobs", number)
        if job is None:
            raise JobRefused(f"There is no job {number}.", remedy="Check the node's URL.")
        return job


def base_models_of(directories: Sequence[Path]) -> dict[bytes, Path]:
    """Folders by manifest hash; raises `ModelUnusable` for one that is no model."""
    return {manifest_of(directory).hash(): directory for directory in directories}
