"""Runs in a process of their own: confined, watched, and ended with whoever started them.

    inputs.cbor      the order and its rows            outcome.cbor   what a run came to
    before, state    a leaf, its state                 result         the 32 bytes of the next leaf
    step             the step whose state is wanted    state          that state
    subject-folder   where the adapter of an exam is
    log              what the process printed          error.json     why it refused

The rest of the folder is the run's own (`ml/training/run_files.py`), so a run that was ended by
force goes on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.training.bundle import INPUTS_FILE, OUTCOME_FILE
from node.workers.errors import JobRefused, RunFailed
from runtime.codec import codec_of
from runtime.wire.records import TrainingOutcome

BEFORE_FILE = "before"
STATE_FILE = "state"
OTHER_FILE = "other"
OTHER_STATE_FILE = "other-state"
PREVIEW_FILE = "preview.npy"
STEP_FILE = "step"
SUBJECT_FILE = "subject-folder"
RESULT_FILE = "result"
ERROR_FILE = "error.json"
LOG_FILE = "log"
REFUSED = 3
"""The exit status of a process that refused its inputs."""
POLL_INTERVAL_S = 0.2
STOP_S = 5.0
_LOG_TAIL_BYTES = 500
_KEPT_VARIABLES = ("PATH", "LANG", "PYTHONPATH", "LD_LIBRARY_PATH", "MKL_", "OMP_", "ATEN_")


def run_training(
    folder: Path, inputs: bytes, base_model: Path, watch: Callable[[], None]
) -> TrainingOutcome:
    """Train a job in `folder`, or go on with it; `watch` is called a few times a second.

    Whatever `watch` raises ends the process and is raised.  Raises `JobRefused` for inputs that no
    run can be made of, and `RunFailed` for a process that ended otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INPUTS_FILE).write_bytes(inputs)
    _run("train", folder, base_model, watch)
    return codec_of(TrainingOutcome).decode((folder / OUTCOME_FILE).read_bytes())


def run_step(
    folder: Path,
    inputs: bytes,
    base_model: Path,
    opened: tuple[bytes, bytes] | None,
    watch: Callable[[], None],
) -> bytes:
    """The 32 bytes of the leaf after an encoded leaf and its state; without both, of leaf 0.

    Zeros where no leaf may follow.  `folder` is empty; the errors are those of `run_training`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INPUTS_FILE).write_bytes(inputs)
    if opened is not None:
        (folder / BEFORE_FILE).write_bytes(opened[0])
        (folder / STATE_FILE).write_bytes(opened[1])
    _run("judge", folder, base_model, watch)
    return (folder / RESULT_FILE).read_bytes()


def run_replay(folder: Path, base_model: Path, step: int, watch: Callable[[], None]) -> bytes:
    """The state after a step of the run in `folder`; the errors are those of `run_training`."""
    (folder / STEP_FILE).write_text(str(step), encoding="ascii")
    _run("replay", folder, base_model, watch)
    return (folder / STATE_FILE).read_bytes()


def run_attribution(
    folder: Path, inputs: bytes, base_model: Path, watch: Callable[[], None]
) -> TrainingOutcome:
    """Divide a pool in `folder`; as `run_training` otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INPUTS_FILE).write_bytes(inputs)
    _run("attribute", folder, base_model, watch)
    return codec_of(TrainingOutcome).decode((folder / OUTCOME_FILE).read_bytes())


def run_preview(
    folder: Path, base_model: Path, watch: Callable[[], None]
) -> npt.NDArray[np.float64]:
    """The influence of every row on every answer, [rows, answers], of the run in `folder`."""
    _run("preview", folder, base_model, watch)
    found: npt.NDArray[np.float64] = np.load(folder / PREVIEW_FILE, allow_pickle=False)
    return found


def run_states(
    folder: Path, base_model: Path, position: int, other: int | None, watch: Callable[[], None]
) -> tuple[bytes, bytes | None]:
    """The states of leaf `position` and of another one, of the attribute job in `folder`."""
    (folder / STEP_FILE).write_text(json.dumps([position, other]), encoding="ascii")
    _run("states", folder, base_model, watch)
    beside = None if other is None else (folder / OTHER_STATE_FILE).read_bytes()
    return (folder / STATE_FILE).read_bytes(), beside


@dataclass(frozen=True, slots=True)
class OpenedLeaf:
    """A leaf that a judge is shown, and the state that it commits to."""

    leaf: bytes
    state: bytes


def run_influence_step(
    folder: Path,
    inputs: bytes,
    base_model: Path,
    position: int,
    opened: Sequence[OpenedLeaf],
    watch: Callable[[], None],
) -> bytes:
    """The 32 bytes of a leaf of an attribute job, from the opened leaves: the one before first.

    Zeros where no leaf may follow.  `folder` is empty; the errors are those of `run_training`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INPUTS_FILE).write_bytes(inputs)
    (folder / STEP_FILE).write_text(str(position), encoding="ascii")
    names = ((BEFORE_FILE, STATE_FILE), (OTHER_FILE, OTHER_STATE_FILE))
    for (leaf_name, state_name), each in zip(names, opened, strict=False):
        (folder / leaf_name).write_bytes(each.leaf)
        (folder / state_name).write_bytes(each.state)
    _run("judge-influence", folder, base_model, watch)
    return (folder / RESULT_FILE).read_bytes()


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run is computed: its folder, and the base model's."""

    folder: Path
    base_model: Path


def run_exam(
    place: RunPlace, inputs: bytes, subject: Path | None, watch: Callable[[], None]
) -> TrainingOutcome:
    """Score a model; `subject` is the adapter's folder, below the run's.  As `run_training`."""
    _run_on_subject("exam", place, inputs, subject, watch)
    return codec_of(TrainingOutcome).decode((place.folder / OUTCOME_FILE).read_bytes())


def run_exam_step(
    place: RunPlace,
    inputs: bytes,
    subject: Path | None,
    before: bytes | None,
    watch: Callable[[], None],
) -> bytes:
    """The 32 bytes of the leaf of an exam after an encoded one; without it, of leaf 0.

    Zeros where no leaf may follow.  The folder has nothing but the subject; errors as
    `run_training`.
    """
    if before is not None:
        place.folder.mkdir(parents=True, exist_ok=True)
        (place.folder / BEFORE_FILE).write_bytes(before)
    _run_on_subject("judge-exam", place, inputs, subject, watch)
    return (place.folder / RESULT_FILE).read_bytes()


def _run_on_subject(
    task: str, place: RunPlace, inputs: bytes, subject: Path | None, watch: Callable[[], None]
) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / INPUTS_FILE).write_bytes(inputs)
    name = "" if subject is None else str(subject.relative_to(place.folder))
    (place.folder / SUBJECT_FILE).write_text(name, encoding="utf-8")
    _run(task, place.folder, place.base_model, watch)


def _run(task: str, folder: Path, base_model: Path, watch: Callable[[], None]) -> None:
    (folder / ERROR_FILE).unlink(missing_ok=True)
    places = (str(folder.resolve()), str(base_model.resolve()))
    command = (sys.executable, "-m", "node.workers.confined", task, *places)
    with (folder / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_cleaned()
        )
        try:
            status = _watched(process, watch)
        finally:
            _end(process)
    if status == REFUSED and (folder / ERROR_FILE).exists():
        error = json.loads((folder / ERROR_FILE).read_text(encoding="utf-8"))
        raise JobRefused(error["message"], remedy=error["remedy"])
    if status:
        tail = (folder / LOG_FILE).read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        message = f"The process of a run ended with status {status}: {' '.join(tail.split())}"
        raise RunFailed(message, remedy=f"Read {folder / LOG_FILE}; it is tried again.")


def _watched(process: subprocess.Popen[bytes], watch: Callable[[], None]) -> int:
    while True:
        try:
            return process.wait(POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            watch()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cleaned() -> dict[str, str]:
    """The environment without what may be secret: passwords are sometimes given there."""
    return {name: value for name, value in os.environ.items() if name.startswith(_KEPT_VARIABLES)}
