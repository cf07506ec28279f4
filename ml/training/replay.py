"""Any state of a run again, from the nearest one that was kept: what an opening needs."""

from __future__ import annotations

from ml.exact.optimiser import AdamState
from ml.training.job import PreparedJob
from ml.training.run_files import RunFiles
from ml.training.steps import advance, begin


def state_after(job: PreparedJob, files: RunFiles, step: int) -> bytes:
    """The canonical bytes of the state after a step of the run, 0 being the initial one."""
    before = [kept for kept in files.kept() if kept <= step]
    if before:
        start, state = before[-1], AdamState.decode(files.state(before[-1]))
    else:
        start, state = 0, begin(job)[0]
    for number in range(start + 1, step + 1):
        state, _leaf = advance(job, state, number)
    return state.encode()
