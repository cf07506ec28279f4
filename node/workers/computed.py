"""A job computed in this worker's folder, whether it is its worker, its auditor or a challenger.

The order is the chain's, so all three compute the same.  The run is a confined process that goes on
where an earlier one was ended (`runs.py`); its outcome is journalled, because it is dear to repeat.
While it runs, disputes about other results are answered: their clocks do not wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from ml.attribution.inputs import encode_influence_inputs
from ml.attribution.settlement import RESULT_DIRECTORY
from ml.training.inputs import encode_inputs
from ml.training.run_files import (
    ABORT_FILE,
    ADAPTER_DIRECTORY,
    METRICS_FILE,
    TRANSCRIPT_FILE,
    RunFiles,
)
from node.workers.disputes import answer_disputes
from node.workers.exams import compute_exam
from node.workers.influence import influence_of, task_of
from node.workers.model_folders import upload_folder
from node.workers.orders import order_of
from node.workers.progress import Progress, Stage
from node.workers.runs import RunPlace, run_attribution, run_training
from node.workers.states import upload_states
from node.workers.workplace import Workplace
from runtime.wire.records import Job, JobKind, TrainingOutcome

LOOK_INTERVAL_S = 5.0
"""How often the chain is looked at while a run goes on."""
LINE_BYTES_MAX = 512
"""The longest line of a run's metrics."""
_log = structlog.get_logger("worker")


def compute(place: Workplace, number: int, job: Job, stage: Stage) -> TrainingOutcome:
    """The outcome of a claimed job, from the journal or computed now; raises `JobRefused`."""
    noted = place.records.computed(number)
    if noted is not None:
        return noted
    folder = place.job_directory(number)
    base_model = place.base_model(job.order.base_model)
    steps = job.order.leaf_count
    place.show(Progress(stage, job=number, total=steps))
    _log.info(stage, job=number, leaves=steps)
    watch = _watcher(place, number, stage, steps, folder)
    if job.order.kind is JobKind.EVALUATE:
        outcome = compute_exam(place.client, number, job, RunPlace(folder, base_model), watch)
    elif job.order.kind is JobKind.ATTRIBUTE:
        found = influence_of(
            place.client, place.servers, number, task_of(place.client, number, job)
        )
        inputs = encode_influence_inputs(found.inputs)
        outcome = run_attribution(folder, inputs, base_model, watch)
    else:
        inputs = encode_inputs(*order_of(place.client, number, job))
        outcome = run_training(folder, inputs, base_model, watch)
    place.records.note_computed(number, outcome)
    _log.info("computed", job=number, transcript_root=outcome.transcript_root.hex())
    return outcome


def upload(place: Workplace, number: int) -> None:
    """Store all that the outcome of a computed job names, as often as one likes."""
    folder = place.job_directory(number)
    if (folder / ADAPTER_DIRECTORY).exists():
        upload_folder(place.client, folder / ADAPTER_DIRECTORY)
    for path in sorted((folder / RESULT_DIRECTORY).glob("*")):
        place.client.put_content(path.read_bytes())
    place.client.put_content((folder / TRANSCRIPT_FILE).read_bytes())
    upload_states(place.client, RunFiles(folder))


def _watcher(
    place: Workplace, number: int, stage: Stage, steps: int, folder: Path
) -> Callable[[], None]:
    """What is done while a run goes on; it raises `StopRequested`."""
    looked_at = time.monotonic()

    def watch() -> None:
        nonlocal looked_at
        done, loss = _last_metrics(folder / METRICS_FILE)
        place.show(Progress(stage, job=number, done=min(done, steps), total=steps, loss=loss))
        if time.monotonic() - looked_at >= LOOK_INTERVAL_S:
            looked_at = time.monotonic()
            if stage != "auditing" and place.read_job(number).aborted:
                (folder / ABORT_FILE).touch()
            answer_disputes(place)

    return watch


def _last_metrics(path: Path) -> tuple[int, float | None]:
    """Step and loss of the last whole line that a run has written."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 2 * LINE_BYTES_MAX))
            line = json.loads(file.read().splitlines()[-1])
            return int(line["step"]), line["loss"]
    except (OSError, ValueError, IndexError):
        return 0, None
