"""Runs in a process of their own: confined, watched, and ended with whoever started them.

    inputs.cbor      the order and its rows            outcome.cbor   what a run came to
    before, state    a leaf, its state                 result         the 32 bytes of the next leaf
    step             the step whose state is wanted    state          that state
    log              what the process printed          error.json     why it refused

The rest of the folder is the run's own (`ml/training/run_files.py`), so a run that was ended by
force goes on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ml.training.bundle import INPUTS_FILE, OUTCOME_FILE
from node.workers.errors import JobRefused, RunFailed
from runtime.codec import codec_of
from runtime.wire.records import TrainingOutcome

BEFORE_FILE = "before"
STATE_FILE = "state"
STEP_FILE = "step"
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
