"""The leaves of an attribute job as pure functions: states in, the next state and its leaf out.

    node 0:  begin -> forward 1 .. T -> target -> backward T .. 1
    node 1:  ...                                                  -> conclude

`next_leaf` is any one of them from the states that `needs` names: the function that settles a
dispute.  `row_contribution` settles one about a single row at a single step.

The target is what the answers' log-likelihood is worth: each answer's mean over its tokens, times
its share.  At the first node, where every row has its whole weight, the shares are found: fee over
what the adapter gained, so that an answer which an adapter merely echoes is worth no more than its
fee.  Positive: training on the row made the answers more likely.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ml.attribution.influence_job import InfluenceJob
from ml.attribution.payout import EpochPayout, divide_pool, mean_over_nodes
from ml.attribution.states import ReplayState
from ml.attribution.trail import gradient_of, take_step
from ml.errors import OrderInvalid
from ml.exact.adapter import Adapter
from ml.exact.adjoint import Adjoint, carry, undo_step
from ml.exact.curvature import curvature, slopes
from ml.exact.golden import OPERATORS
from ml.exact.gradients import (
    GRADIENT_UNITS,
    BatchGradient,
    Dropout,
    Fault,
    evaluate,
    first_fault,
    row_gradients,
)
from ml.exact.loss import LOSS_UNITS
from ml.exact.optimiser import AdamState
from ml.training.recipe import step_settings
from ml.training.steps import initial_state, mean
from runtime.hashing import ZERO_HASH
from runtime.merkle import list_root
from runtime.wire.influence_transcripts import (
    InfluenceLeaf,
    Phase,
    RowContribution,
    needs,
    place_of,
)
from runtime.wire.transcripts import state_root

CONTRIBUTION_UNITS = GRADIENT_UNITS
"""A contribution is an integer of 1 / CONTRIBUTION_UNITS nats."""
CONTRIBUTION_MAX = 2.0**48
"""The most units of one row at one step, 256 nats: 20,000 steps of them stay below 2**63."""
ANSWERS_AT_ONCE = 8
"""How many answers' gradients are in memory together."""
Opened = tuple[InfluenceLeaf, bytes]
"""A leaf and the bytes of its state."""


def begin(job: InfluenceJob, position: int) -> tuple[AdamState, InfluenceLeaf]:
    """The adapter before training, and its leaf."""
    state = initial_state(job.training)
    return state, _leaf(job, position, state.encode())


def forward(job: InfluenceJob, position: int, before: AdamState) -> tuple[AdamState, InfluenceLeaf]:
    """One step of training at the node's weight."""
    place = place_of(job.shape, position)
    taken, after, fault = take_step(job.training, job.weight(place.node), before, place.step)
    return after, forward_leaf(job, position, taken.batch, after, fault)


def forward_leaf(
    job: InfluenceJob, position: int, batch: BatchGradient, after: AdamState, fault: Fault
) -> InfluenceLeaf:
    """The leaf of a step of training that has been taken."""
    places = job.training.plan.batches[place_of(job.shape, position).step - 1]
    rows = list_root([job.training.rows[index].record.row_hash for index in places])
    loss = 0 if fault else mean([batch.loss], batch.row_count)
    return _leaf(job, position, after.encode(), record=rows, total=loss, fault=fault)


def target(
    job: InfluenceJob, position: int, last: AdamState, past: ReplayState | None
) -> tuple[ReplayState, InfluenceLeaf]:
    """The adjoint at the last state of a node; `past` is how the node before ended."""
    adapter = Adapter(job.training.layout, last.parameters)
    shares, fault = _shares(job, adapter) if past is None else (past.shares, Fault.NONE)
    gradient = torch.zeros(job.training.layout.size, dtype=torch.int64)
    loss = 0
    for start in range(0, len(job.answers), ANSWERS_AT_ONCE):
        part = slice(start, start + ANSWERS_AT_ONCE)
        found = row_gradients(job.training.model, adapter, job.answers[part])
        fault = first_fault(fault, found.fault)
        weights = shares[part].double().mul_(1.0 / LOSS_UNITS)
        # The shares sum to at most 1, so the sum has no more units than one row.
        gradient += found.gradients.double().mul_(weights[:, None]).round_().to(torch.int64).sum(0)
        loss += sum(
            one * share for one, share in zip(found.losses, shares[part].tolist(), strict=True)
        )
    if fault:
        gradient.zero_()
    adjoint = Adjoint.of_last(gradient.double().mul_(-1.0 / GRADIENT_UNITS).float()[None])
    fresh = torch.zeros((1, len(job.trained)), dtype=torch.int64)
    scores = fresh if past is None else torch.cat([past.scores, fresh])
    state = ReplayState(adjoint, scores, shares)
    total = 0 if fault else mean([loss], LOSS_UNITS)
    return state, _leaf(job, position, state.encode(), total=total, fault=fault)


def backward(
    job: InfluenceJob,
    position: int,
    after: ReplayState,
    before: AdamState,
    batch: BatchGradient | None = None,
) -> tuple[ReplayState, InfluenceLeaf]:
    """One step of training backward, from the adjoint after it and the state `before` it.

    `batch` is the step's gradient where it is at hand.
    """
    place, training = place_of(job.shape, position), job.training
    rows, weight = training.batch(place.step), job.weight(place.node)
    if batch is None:
        batch = gradient_of(training, before, place.step)
    settings = step_settings(training.parameters, place.step)
    undone = undo_step(after.adjoint, before, batch, settings, weight)
    adapter = Adapter(training.layout, before.parameters)
    dropout = training.dropout(place.step, len(rows))
    found = curvature(training.model, adapter, rows, undone.direction, dropout)
    units, fault = _contributions(found.slopes[0], len(rows))
    adjoint = carry(undone.adjoint, found.products.mul_(weight / len(rows)))
    fault = first_fault(
        found.fault, fault, Fault.NONE if adjoint.is_finite else Fault.ADJOINT_NOT_FINITE
    )
    indices = training.plan.batches[place.step - 1]
    state = (
        after if fault else ReplayState(adjoint, _added(job, after, indices, units), after.shares)
    )
    records = [
        RowContribution(training.rows[index].record.row_hash, one).encode()
        for index, one in zip(indices, units.tolist(), strict=True)
    ]
    return state, _leaf(
        job,
        position,
        state.encode(),
        record=ZERO_HASH if fault else list_root(records),
        direction=ZERO_HASH if fault else state_root(direction_bytes(undone.direction)),
        total=0 if fault else int(units.sum()),
        fault=fault,
    )


def conclude(
    job: InfluenceJob, position: int, last: ReplayState
) -> tuple[EpochPayout, InfluenceLeaf]:
    """Every row's score, and what its owner is paid for it."""
    units = int(CONTRIBUTION_UNITS) // LOSS_UNITS
    scores = mean_over_nodes(last.scores.tolist(), units)
    order = job.order
    payout = divide_pool(job.trained_rows(), scores, job.classes, order.pool, order.treasury)
    result = payout.result(order.pool).hash()
    return payout, _leaf(job, position, last.encode(), record=result, total=payout.credits)


def next_leaf(job: InfluenceJob, position: int, opened: Sequence[Opened]) -> InfluenceLeaf | None:
    """The leaf at a position, from the leaves that `needs` names there, each with its state.

    None where no leaf follows, after a fault.  Raises `OrderInvalid` for other leaves, for leaves
    of another job, and for a state that is not its leaf's.
    """
    needed = needs(job.shape, position)
    if tuple(leaf.position for leaf, _state in opened) != needed:
        message = f"Leaf {position} is judged from {needed}."
        raise OrderInvalid(message, remedy="Open the leaves at those positions, in this order.")
    for leaf, state in opened:
        check_opened(job, leaf, state)
    if any(leaf.fault for leaf, _state in opened):
        return None
    states = [state for _leaf_of, state in opened]
    phase = place_of(job.shape, position).phase
    if phase is Phase.BEGIN:
        return begin(job, position)[1]
    if phase is Phase.FORWARD:
        return forward(job, position, AdamState.decode(states[0]))[1]
    if phase is Phase.TARGET:
        past = ReplayState.decode(states[1]) if len(states) > 1 else None
        return target(job, position, AdamState.decode(states[0]), past)[1]
    last = ReplayState.decode(states[0])
    if phase is Phase.BACKWARD:
        return backward(job, position, last, AdamState.decode(states[1]))[1]
    return conclude(job, position, last)[1]


def check_opened(job: InfluenceJob, leaf: InfluenceLeaf, state: bytes) -> None:
    """Raise `OrderInvalid` unless the leaf is of this job, and the state is the leaf's."""
    if leaf.job != job.order_hash or leaf.operators != OPERATORS:
        message = f"Leaf {leaf.position} is not of job {job.order.job} by {OPERATORS}."
        raise OrderInvalid(message, remedy="Judge it by its own order and operators.")
    if state_root(state) != leaf.state_root:
        message = f"The state is not the one that leaf {leaf.position} commits to."
        raise OrderInvalid(message, remedy="Fetch the state that the worker opened.")


def row_contribution(
    job: InfluenceJob, position: int, direction: bytes, before: AdamState, number: int
) -> RowContribution:
    """What one row of a backward step's batch contributed, by this row alone.

    `direction` is what the leaf's `direction_root` commits to, `before` the forward state that
    `needs` names, `number` the row's place in the batch.
    """
    place, training = place_of(job.shape, position), job.training
    rows = training.batch(place.step)
    dropout = training.dropout(place.step, len(rows))
    if dropout is not None:
        dropout = Dropout(dropout.dropped_units, dropout.keys[number : number + 1])
    along = torch.frombuffer(bytearray(direction), dtype=torch.float32)
    adapter = Adapter(training.layout, before.parameters)
    found = slopes(training.model, adapter, rows[number : number + 1], along[None], dropout)
    units, _fault = _contributions(found[0], len(rows))
    index = training.plan.batches[place.step - 1][number]
    return RowContribution(training.rows[index].record.row_hash, int(units[0]))


def direction_bytes(direction: torch.Tensor) -> bytes:
    """The canonical bytes of the float32 direction of one target: little-endian."""
    return direction.numpy().astype("<f4", copy=False).tobytes()


def _shares(job: InfluenceJob, adapter: Adapter) -> tuple[torch.Tensor, Fault]:
    """What each answer weighs in the target, int64 [answers] of 2**-30: at most 1 in all."""
    floor, paid = job.order.gain_floor_grid, sum(job.fees)
    model = job.training.model
    if not floor:
        shares = [LOSS_UNITS * fee // paid for fee in job.fees]
        return torch.tensor(shares, dtype=torch.int64), Fault.NONE
    losses, bases = evaluate(model, adapter, job.answers), evaluate(model, None, job.answers)
    shares = [
        LOSS_UNITS * fee * floor // (paid * max(base - loss, floor))
        for fee, base, loss in zip(job.fees, bases, losses, strict=True)
    ]
    fault = Fault.LOSS_NOT_FINITE if min(*losses, *bases) < 0 else Fault.NONE
    return torch.tensor(shares, dtype=torch.int64), fault


def _contributions(found: torch.Tensor, row_count: int) -> tuple[torch.Tensor, Fault]:
    """int64 [rows]: what the rows' slopes along the direction of their mean are worth."""
    units = (found * (CONTRIBUTION_UNITS / row_count)).round_()
    # Written so that NaN, which compares false, is a fault.
    if not bool(units.abs().amax() <= CONTRIBUTION_MAX):
        return torch.zeros_like(units, dtype=torch.int64), Fault.CONTRIBUTION_TOO_LARGE
    return units.to(torch.int64), Fault.NONE


def _added(
    job: InfluenceJob, after: ReplayState, indices: Sequence[int], units: torch.Tensor
) -> torch.Tensor:
    scores = after.scores.clone()
    numbers = torch.tensor([job.trained[index] for index in indices])
    # A small Datanet has a row twice in one batch, which indexing would add once.
    scores[-1].index_add_(0, numbers, units)
    return scores


def _leaf(
    job: InfluenceJob,
    position: int,
    state: bytes,
    *,
    record: bytes = ZERO_HASH,
    direction: bytes = ZERO_HASH,
    total: int = 0,
    fault: Fault = Fault.NONE,
) -> InfluenceLeaf:
    return InfluenceLeaf(
        operators=OPERATORS,
        job=job.order_hash,
        position=position,
        state_root=state_root(state),
        record_root=record,
        direction_root=direction,
        total=total,
        fault=int(fault),
    )
