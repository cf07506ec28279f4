"""An attribute job from its inputs to the files of its result, and the leaf that settles a dispute.

What a run leaves in its folder, beside what every run does (`ml/training/run_files.py`):

    result/result    the encoded `AttributionResult`, whose hash the last leaf has
    result/scores    the blob of score leaves
    result/payouts   the blob of payout leaves

The states that are kept are those of the training at attribution's checkpoints: what a preview of
single answers looks at.  A run that was ended begins anew; its outcome is the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.attribution.influence_job import InfluenceJob, prepare_influence
from ml.attribution.influence_steps import next_leaf
from ml.attribution.inputs import InfluenceInputs
from ml.attribution.metagradient import Replay, replay
from ml.attribution.tracin import checkpoints_of, tracin
from ml.errors import OrderInvalid
from ml.training.job import prepare
from ml.training.recipe import attribution_steps
from ml.training.run_files import METRICS_FILE, RunFiles
from ml.training.train import state_record
from runtime.hashing import ZERO_HASH, hash_content
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.influence_transcripts import decode_influence_leaf, needs
from runtime.wire.records import TrainingOutcome

RESULT_DIRECTORY = "result"


def prepared(inputs: InfluenceInputs, base_model: Path) -> InfluenceJob:
    """The job made ready; raises what `prepare` and `prepare_influence` do."""
    training = prepare(inputs.training, inputs.rows, base_model)
    return prepare_influence(training, inputs.order, inputs.answers)


def attribute(inputs: InfluenceInputs, base_model: Path, folder: Path) -> TrainingOutcome:
    """Replay the training, divide the pool, and write transcript, checkpoints and result."""
    job, files = prepared(inputs, base_model), RunFiles(folder)
    looked_at = frozenset(attribution_steps(job.training.parameters))
    with (folder / METRICS_FILE).open("w", encoding="utf-8") as metrics:

        def keep(position: int, state: bytes) -> None:
            if position in looked_at:
                files.keep(position, state)
            metrics.write(json.dumps({"step": position, "loss": None}) + "\n")
            metrics.flush()

        done = replay(job, keep)
    encoded = [leaf.encode() for leaf in done.leaves]
    records = [state_record(step, files.state(step)).encode() for step in files.kept()]
    return TrainingOutcome(
        adapter=_write_result(done, job.order.pool, folder / RESULT_DIRECTORY),
        transcript_root=list_root(encoded),
        transcript=hash_content(files.finish(encoded, {})),
        states=hash_content(encode_blob(records)),
        leaf_count=len(encoded),
        fault=done.leaves[-1].fault,
        validation_loss_before_ppb=0,
        validation_loss_after_ppb=0,
    )


def states_at(
    inputs: InfluenceInputs, base_model: Path, positions: Sequence[int]
) -> dict[int, bytes]:
    """The states of these leaves, by a whole replay: what a worker opens in a dispute."""
    found: dict[int, bytes] = {}

    def keep(position: int, state: bytes) -> None:
        if position in positions:
            found[position] = state

    replay(prepared(inputs, base_model), keep)
    return found


def judged_leaf(
    inputs: InfluenceInputs,
    base_model: Path,
    position: int,
    opened: Sequence[tuple[bytes, bytes]],
) -> bytes | None:
    """The encoded leaf at a position, from the opened leaves with their states.

    None where none follows.  Raises `OrderInvalid` for leaves of another place, job or state.
    """
    job = prepared(inputs, base_model)
    leaves = [(decode_influence_leaf(leaf), state) for leaf, state in opened]
    if any(leaf.fault for leaf, _state in leaves):
        return None
    by_position = {leaf.position: (leaf, state) for leaf, state in leaves}
    needed = needs(job.shape, position)
    if any(place not in by_position for place in needed):
        message = f"Leaf {position} is judged from {needed}, and {sorted(by_position)} were opened."
        raise OrderInvalid(message, remedy="Open the leaves that it depends on.")
    leaf = next_leaf(job, position, [by_position[place] for place in needed])
    return None if leaf is None else leaf.encode()


def preview(inputs: InfluenceInputs, base_model: Path, folder: Path) -> npt.NDArray[np.float64]:
    """Every trained row's influence on every single answer by TracIn, from a finished run's folder.

    It pays nobody: it is quick, and explains single answers.
    """
    job, files = prepared(inputs, base_model), RunFiles(folder)
    parameters = inputs.training.parameters
    states = {step: files.state(step) for step in attribution_steps(parameters)}
    checkpoints = checkpoints_of(parameters, states)
    rows = job.trained_rows()
    return tracin(base_model, parameters, checkpoints, rows, inputs.answers, lambda _done: None)


def _write_result(done: Replay, pool: int, folder: Path) -> bytes:
    """Write the result's files; returns the result's hash, zeros after a fault."""
    if done.payout is None:
        return ZERO_HASH
    result = done.payout.result(pool)
    files = {
        "result": result.encode(),
        "scores": encode_blob(done.payout.encoded_scores()),
        "payouts": encode_blob(done.payout.encoded_payouts()),
    }
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return result.hash()
