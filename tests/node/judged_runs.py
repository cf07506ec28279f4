"""Tiny training runs, right and wrong, and what workers upload and post of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genesis.embedded_model import EMBEDDED_MODEL
from ml.manifest import manifest_of_files
from ml.training.job import PreparedJob, prepare
from ml.training.recipe import default_training_parameters
from ml.training.steps import advance, begin, conclude, result_files
from node.client import NodeClient
from node.workers.orders import order_of
from node.workers.states import upload_state
from runtime.hashing import hash_content
from runtime.merkle import list_root
from runtime.types import PPB
from runtime.wire.blobs import encode_blob
from runtime.wire.records import Job, TrainingOutcome
from runtime.wire.training_parameters import TrainingParameters
from runtime.wire.transcripts import TranscriptLeaf, state_root

STEPS = 6
PARAMETERS: TrainingParameters = replace(
    default_training_parameters(24),
    steps=STEPS,
    batch_rows=2,
    tokens_max=16,
    warmup_steps=1,
    checkpoint_count=1,
    validation_ppb=0,
    target_modules=("q_proj",),
)
LOSS_UNITS = 2**30


@dataclass(frozen=True, slots=True)
class Run:
    """Every state and leaf of a job."""

    leaves: tuple[bytes, ...]
    states: tuple[bytes, ...]
    """After each step, from 0 on."""
    files: dict[str, bytes]
    """The adapter's."""
    outcome: TrainingOutcome


def run_of(client: NodeClient, number: int, job: Job, lie_after: int | None = None) -> Run:
    """The run of a claimed job; one bit of the state after step `lie_after` is changed."""
    order, rows = order_of(client, number, job)
    return _run(prepare(order, rows, Path(EMBEDDED_MODEL)), lie_after)


def _run(job: PreparedJob, lie_after: int | None) -> Run:
    state, leaf = begin(job)
    leaves, states = [leaf], [state.encode()]
    for step in range(1, job.parameters.steps + 1):
        state, leaf = advance(job, state, step)
        if step == lie_after:
            state = replace(state, parameters=state.parameters * 2)
            leaf = replace(leaf, state_root=state_root(state.encode()))
        leaves.append(leaf)
        states.append(state.encode())
    leaves.append(conclude(job, state))
    files = result_files(job, state)
    encoded = tuple(each.encode() for each in leaves)
    return Run(encoded, tuple(states), files, _outcome(leaves, encoded, states, files))


def _outcome(
    leaves: Sequence[TranscriptLeaf],
    encoded: Sequence[bytes],
    states: Sequence[bytes],
    files: dict[str, bytes],
) -> TrainingOutcome:
    losses = [round(leaf.loss_grid * PPB / LOSS_UNITS) for leaf in (leaves[0], leaves[-1])]
    return TrainingOutcome(
        adapter=manifest_of_files(files).hash(),
        transcript_root=list_root(encoded),
        transcript=hash_content(encode_blob(encoded)),
        states=hash_content(encode_blob([])),
        leaf_count=len(encoded),
        fault=0,
        validation_loss_before_ppb=losses[0],
        validation_loss_after_ppb=losses[1],
    )


def upload(client: NodeClient, run: Run) -> None:
    """Store all that the outcome names."""
    for data in (*run.files.values(), manifest_of_files(run.files).encode()):
        client.put_content(data)
    client.put_content(encode_blob(run.leaves))
    client.put_content(encode_blob([]))


def state_before(client: NodeClient, run: Run, index: int) -> bytes | None:
    """Upload the state that a leaf is computed from; returns its content hash."""
    return upload_state(client, run.states[index - 1]) if index else None
