"""The steps of a training job as pure functions: a state in, the next state and its leaf out.

    begin -> advance 1 -> ... -> advance T -> conclude

`next_leaf` is any one of them by what came before: the function that settles a dispute.  It reads
nothing but the job and one state, so a worker, a challenger and a validator run the same code, and
with the exact operators they get the same bits.

A fault (a loss, gradient or state that is not a number one can commit to) leaves the state as it
was, and its leaf is the last one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ml.errors import OrderInvalid
from ml.exact.adapter import Adapter, adapter_files
from ml.exact.golden import OPERATORS
from ml.exact.gradients import Fault, batch_gradient, evaluate
from ml.exact.optimiser import AdamState, adam_step
from ml.manifest import manifest_of_files
from ml.training.job import PreparedJob
from ml.training.order import stream_key
from ml.training.recipe import dropped_units, step_settings
from runtime.hashing import ZERO_HASH
from runtime.merkle import list_root
from runtime.wire.transcripts import TranscriptLeaf, state_root


def begin(job: PreparedJob) -> tuple[AdamState, TranscriptLeaf]:
    """The initial state, and leaf 0 with the validation loss before training."""
    state = initial_state(job)
    loss, fault = validate(job, state)
    return state, _leaf(job, 0, state, ZERO_HASH, loss, fault)


def initial_state(job: PreparedJob) -> AdamState:
    """The state that the job starts from."""
    return AdamState.initial(job.layout.initial(stream_key(job.order)))


def advance(job: PreparedJob, state: AdamState, step: int) -> tuple[AdamState, TranscriptLeaf]:
    """The state after a step, counted from 1, and its leaf."""
    sequences = job.batch(step)
    adapter = Adapter(job.layout, state.parameters)
    dropout = job.dropout(step, len(sequences))
    batch = batch_gradient(job.model, adapter, sequences, dropout)
    fault, reached = batch.fault, state
    if fault is Fault.NONE:
        moved = adam_step(state, batch, step_settings(job.parameters, step))
        if moved.is_finite:
            reached = moved
        else:
            fault = Fault.STATE_NOT_FINITE
    consumed = [job.rows[place].record.row_hash for place in job.plan.batches[step - 1]]
    loss = 0 if fault else mean([batch.loss], len(sequences))
    return reached, _leaf(job, step, reached, list_root(consumed), loss, fault)


def conclude(job: PreparedJob, state: AdamState) -> TranscriptLeaf:
    """The last leaf: what adapter the last state is, and the validation loss after training."""
    loss, fault = validate(job, state)
    manifest = manifest_of_files(result_files(job, state)).hash()
    adapter = ZERO_HASH if fault else manifest
    return _leaf(job, job.parameters.steps + 1, state, adapter, loss, fault)


def next_leaf(
    job: PreparedJob, before: TranscriptLeaf | None, state: bytes | None
) -> TranscriptLeaf | None:
    """The leaf that follows `before`, which `state` belongs to; without both, leaf 0.

    None where no leaf may follow: after a fault, and after the conclusion.  Raises `OrderInvalid`
    for a leaf of another job or a state that is not the leaf's.
    """
    if before is None or state is None:
        return begin(job)[1]
    if before.job != job.order_hash or before.operators != OPERATORS:
        message = f"Leaf {before.step} is not of job {job.order.job} by {OPERATORS}."
        raise OrderInvalid(message, remedy="Judge it by its own order and operators.")
    if state_root(state) != before.state_root:
        message = f"The state is not the one that leaf {before.step} commits to."
        raise OrderInvalid(message, remedy="Fetch the state that the worker opened.")
    if before.fault or before.step > job.parameters.steps:
        return None
    decoded = AdamState.decode(state)
    if before.step == job.parameters.steps:
        return conclude(job, decoded)
    return advance(job, decoded, before.step + 1)[1]


def validate(job: PreparedJob, state: AdamState) -> tuple[int, Fault]:
    """The mean loss of the validation rows in 2**-30 nats; 0 without any, and beside a fault."""
    losses = evaluate(job.model, Adapter(job.layout, state.parameters), job.validation)
    if any(loss < 0 for loss in losses):
        return 0, Fault.LOSS_NOT_FINITE
    return mean(losses, len(losses)), Fault.NONE


def result_files(job: PreparedJob, state: AdamState) -> dict[str, bytes]:
    """The PEFT directory of a state, by file name."""
    return adapter_files(Adapter(job.layout, state.parameters), job.order.base_model)


def mean(losses: Sequence[int], count: int) -> int:
    """The sum of integer losses over a count, rounded half up; 0 for none."""
    return (2 * sum(losses) + count) // (2 * count) if count else 0


def _leaf(
    job: PreparedJob, step: int, state: AdamState, batch_root: bytes, loss: int, fault: Fault
) -> TranscriptLeaf:
    parameters = job.parameters
    is_step = 1 <= step <= parameters.steps
    rate = step_settings(parameters, step).learning_rate if is_step else 0.0
    cursor = min(step, parameters.steps) * parameters.batch_rows
    return TranscriptLeaf(
        operators=OPERATORS,
        job=job.order_hash,
        step=step,
        state_root=state_root(state.encode()),
        batch_root=batch_root,
        random_counter=cursor if dropped_units(parameters) else 0,
        cursor=cursor,
        learning_rate_bits=int.from_bytes(struct.pack(">f", rate), "big"),
        loss_grid=loss,
        fault=int(fault),
    )
