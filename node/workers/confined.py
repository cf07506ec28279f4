"""The process that computes: `python -m node.workers.confined TASK FOLDER BASE_MODEL`.

It gets rows and models of strangers, so it is confined (`node/confinement.py`) before it opens any
of them, and speaks with nobody: what it reads and writes is in its folder (`runs.py`).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

import ml
import runtime
from ml.attribution.inputs import InfluenceInputs, decode_influence_inputs
from ml.attribution.settlement import attribute, judged_leaf, preview, states_at
from ml.errors import MachineLearningError
from ml.exams.inputs import decode_exam
from ml.exams.run import run_exam
from ml.exams.steps import PreparedExam, next_exam_leaf, prepare_exam
from ml.training.bundle import INPUTS_FILE, OUTCOME_FILE
from ml.training.inputs import decode_inputs
from ml.training.job import prepare
from ml.training.replay import state_after
from ml.training.run_files import RunFiles
from ml.training.steps import next_leaf
from ml.training.train import train
from node.confinement import confine
from node.workers.runs import (
    BEFORE_FILE,
    ERROR_FILE,
    OTHER_FILE,
    OTHER_STATE_FILE,
    PREVIEW_FILE,
    REFUSED,
    RESULT_FILE,
    STATE_FILE,
    STEP_FILE,
    SUBJECT_FILE,
)
from runtime.codec import codec_of
from runtime.hashing import ZERO_HASH
from runtime.wire.exams import decode_exam_leaf
from runtime.wire.records import TrainingOutcome
from runtime.wire.transcripts import decode_leaf, leaf_result

NICENESS = 5
"""A run takes minutes: whoever answers people goes first."""


def main() -> int:
    """Confine this process, compute, and leave the result in the folder."""
    task, folder, base_model = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    os.nice(max(0, NICENESS - os.nice(0)))
    os.environ |= {"TMPDIR": str(folder), "HOME": str(folder), "HF_HUB_OFFLINE": "1"}
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A hub's folder holds links into its store.
    files = [path.resolve() for path in base_model.iterdir()] if base_model.is_dir() else []
    missing = confine(
        writable=folder,
        readable=(base_model, *files),
        packages=(ml, runtime),
        memory_bytes=memory_bytes,
    )
    if missing:
        sys.stderr.write(f"This process is not wholly confined: no {', '.join(missing)}.\n")
    try:
        TASKS[task](folder, base_model)
    except MachineLearningError as error:
        text = json.dumps({"message": error.message, "remedy": error.remedy})
        (folder / ERROR_FILE).write_text(text, encoding="utf-8")
        return REFUSED
    return 0


def run_job(folder: Path, base_model: Path) -> None:
    """Train, or go on training, and write the outcome."""
    order, rows = decode_inputs((folder / INPUTS_FILE).read_bytes())
    report = train(order, rows, base_model, folder, lambda _metrics: None)
    (folder / OUTCOME_FILE).write_bytes(codec_of(TrainingOutcome).encode(report.outcome))


def judge(folder: Path, base_model: Path) -> None:
    """Compute the leaf after a leaf and its state, and write its 32 bytes; zeros for none."""
    order, rows = decode_inputs((folder / INPUTS_FILE).read_bytes())
    job = prepare(order, rows, base_model)
    if (folder / BEFORE_FILE).exists():
        before = decode_leaf((folder / BEFORE_FILE).read_bytes())
        leaf = next_leaf(job, before, (folder / STATE_FILE).read_bytes())
    else:
        leaf = next_leaf(job, None, None)
    result = ZERO_HASH if leaf is None else leaf_result(leaf.encode())
    (folder / RESULT_FILE).write_bytes(result)


def replay(folder: Path, base_model: Path) -> None:
    """Write the state after the step that is named, from those that the run has kept."""
    order, rows = decode_inputs((folder / INPUTS_FILE).read_bytes())
    step = int((folder / STEP_FILE).read_text(encoding="ascii"))
    state = state_after(prepare(order, rows, base_model), RunFiles(folder), step)
    (folder / STATE_FILE).write_bytes(state)


def attribute_epoch(folder: Path, base_model: Path) -> None:
    """Replay a training, divide the pool, and write the outcome."""
    outcome = attribute(_influence_inputs(folder), base_model, folder)
    (folder / OUTCOME_FILE).write_bytes(codec_of(TrainingOutcome).encode(outcome))


def preview_answers(folder: Path, base_model: Path) -> None:
    """Write every row's influence on every answer, from what a finished run has kept."""
    np.save(folder / PREVIEW_FILE, preview(_influence_inputs(folder), base_model, folder))


def open_states(folder: Path, base_model: Path) -> None:
    """Write the states of the leaves that are named."""
    position, other = json.loads((folder / STEP_FILE).read_text(encoding="ascii"))
    states = states_at(_influence_inputs(folder), base_model, (position, other))
    (folder / STATE_FILE).write_bytes(states[position])
    if other is not None:
        (folder / OTHER_STATE_FILE).write_bytes(states[other])


def judge_influence(folder: Path, base_model: Path) -> None:
    """Compute a leaf of an attribute job from the opened ones, and write its 32 bytes."""
    position = int((folder / STEP_FILE).read_text(encoding="ascii"))
    names = ((BEFORE_FILE, STATE_FILE), (OTHER_FILE, OTHER_STATE_FILE))
    opened = [
        ((folder / leaf).read_bytes(), (folder / state).read_bytes())
        for leaf, state in names
        if (folder / leaf).exists()
    ]
    leaf = judged_leaf(_influence_inputs(folder), base_model, position, opened)
    (folder / RESULT_FILE).write_bytes(ZERO_HASH if leaf is None else leaf_result(leaf))


def _influence_inputs(folder: Path) -> InfluenceInputs:
    return decode_influence_inputs((folder / INPUTS_FILE).read_bytes())


def take_exam(folder: Path, base_model: Path) -> None:
    """Score a model, and write the outcome."""
    outcome = run_exam(_exam(folder, base_model), folder)
    (folder / OUTCOME_FILE).write_bytes(codec_of(TrainingOutcome).encode(outcome))


def judge_exam(folder: Path, base_model: Path) -> None:
    """Compute the leaf of an exam after a leaf, and write its 32 bytes; zeros for none."""
    path = folder / BEFORE_FILE
    before = decode_exam_leaf(path.read_bytes()) if path.exists() else None
    leaf = next_exam_leaf(_exam(folder, base_model), before)
    result = ZERO_HASH if leaf is None else leaf_result(leaf.encode())
    (folder / RESULT_FILE).write_bytes(result)


def _exam(folder: Path, base_model: Path) -> PreparedExam:
    order, rows = decode_exam((folder / INPUTS_FILE).read_bytes())
    name = (folder / SUBJECT_FILE).read_text(encoding="utf-8")
    return prepare_exam(order, rows, base_model, folder / name if name else None)


TASKS = {
    "train": run_job,
    "judge": judge,
    "replay": replay,
    "attribute": attribute_epoch,
    "preview": preview_answers,
    "states": open_states,
    "judge-influence": judge_influence,
    "exam": take_exam,
    "judge-exam": judge_exam,
}


if __name__ == "__main__":
    sys.exit(main())
