"""Exact metagradients: what every row of a training moved, by going back through the training.

`replay` runs an attribute job: one target, the answers of an epoch together, at every node, with
the transcript that a dispute can open.  `metagradients` scores single targets side by side, with
one way forward for all of them and no transcript: what calibration and `bench` ask for.

Scores are in nats: by how much the target's log-likelihood grows with the row's weight.
Engstrom, Ilyas et al., "Optimizing ML training with metagradient descent" (2025); Ilyas and
Engstrom, "MAGIC: near-optimal data attribution for deep learning" (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ml.attribution.influence_job import InfluenceJob
from ml.attribution.influence_steps import backward, begin, conclude, forward_leaf, target
from ml.attribution.payout import EpochPayout
from ml.attribution.states import ReplayState
from ml.attribution.trail import Trail
from ml.errors import AttributionInvalid
from ml.exact.adapter import Adapter
from ml.exact.adjoint import Adjoint, carry, undo_step
from ml.exact.curvature import curvature
from ml.exact.gradients import GRADIENT_UNITS, Fault, TokenRow, row_gradients
from ml.exact.optimiser import AdamState
from ml.training.job import PreparedJob
from ml.training.recipe import step_settings
from ml.training.steps import initial_state
from runtime.wire.influence_transcripts import InfluenceLeaf

Keep = Callable[[int, bytes], None]
"""Hears of every state by its position in the transcript; what it keeps is its own affair."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A finished attribute job."""

    leaves: tuple[InfluenceLeaf, ...]
    """A fault is the last one."""
    node_scores: torch.Tensor
    """int64 [nodes, trained rows] of 2**-40 nats: full weights answer "what if this row were
    missing", half weights "what if half of the rows were"."""
    payout: EpochPayout | None
    """None after a fault."""


def replay(job: InfluenceJob, keep: Keep = lambda _position, _state: None) -> Replay:
    """Run an attribute job from its beginning to its conclusion or its fault."""
    run = _Run(job, keep)
    while run.node < job.order.nodes and not run.is_over:
        run.replay_node()
    payout = None
    if not run.is_over:
        payout, leaf = conclude(job, len(run.leaves), run.past)
        run.leaves.append(leaf)
    return Replay(tuple(run.leaves), run.scores, payout)


class _Run:
    """The leaves so far, and how the last node ended."""

    def __init__(self, job: InfluenceJob, keep: Keep) -> None:
        self.job = job
        self.node = 0
        self.leaves: list[InfluenceLeaf] = []
        self._keep = keep
        self._past: ReplayState | None = None

    @property
    def is_over(self) -> bool:
        """Whether a fault ended the job."""
        return bool(self.leaves) and bool(self.leaves[-1].fault)

    @property
    def past(self) -> ReplayState:
        """How the last node ended."""
        assert self._past is not None  # noqa: S101 # there is at least one node
        return self._past

    @property
    def scores(self) -> torch.Tensor:
        """int64 [nodes, trained rows] so far."""
        fresh = torch.zeros((0, len(self.job.trained)), dtype=torch.int64)
        return fresh if self._past is None else self._past.scores

    def replay_node(self) -> None:
        """Forward, target and backward at one weight."""
        job = self.job
        trail = Trail(job.training, job.weight(self.node))
        state, leaf = begin(job, len(self.leaves))
        self._note(leaf, state)
        for taken, after, fault in trail.forward():
            state = after
            self._note(forward_leaf(job, len(self.leaves), taken.batch, after, fault), after)
        if self.is_over:
            return
        self._past, leaf = target(job, len(self.leaves), state, self._past)
        self._note(leaf, self._past)
        for taken in trail.backward():
            if self.is_over:
                return
            position = len(self.leaves)
            self._past, leaf = backward(job, position, self.past, taken.before, taken.batch)
            self._note(leaf, self._past)
        self.node += 1

    def _note(self, leaf: InfluenceLeaf, state: AdamState | ReplayState) -> None:
        self._keep(leaf.position, state.encode())
        self.leaves.append(leaf)


def metagradients(
    training: PreparedJob, targets: Sequence[TokenRow], weight: float = 1.0
) -> torch.Tensor:
    """Score every trained row for every target at one weight of all rows.

    float64 [trained rows, targets] in nats, positive where the row helped; the targets are
    answers, each by the mean log-likelihood of its tokens.  Raises `AttributionInvalid` where the
    training or the way back ends with a fault.
    """
    trail, last = Trail(training, weight), initial_state(training)
    for _taken, after, fault in trail.forward():
        _require(fault)
        last = after
    found = row_gradients(training.model, Adapter(training.layout, last.parameters), targets)
    _require(found.fault)
    adjoint = Adjoint.of_last(found.gradients.double().mul_(-1.0 / GRADIENT_UNITS).float())
    trained = {index: number for number, index in enumerate(training.plan.trained())}
    scores = torch.zeros((len(trained), len(targets)), dtype=torch.float64)
    for taken in trail.backward():
        settings = step_settings(training.parameters, taken.step)
        undone = undo_step(adjoint, taken.before, taken.batch, settings, weight)
        rows = training.batch(taken.step)
        adapter = Adapter(training.layout, taken.before.parameters)
        dropout = training.dropout(taken.step, len(rows))
        curved = curvature(training.model, adapter, rows, undone.direction, dropout)
        _require(curved.fault)
        adjoint = carry(undone.adjoint, curved.products.mul_(weight / len(rows)))
        numbers = [trained[index] for index in training.plan.batches[taken.step - 1]]
        scores.index_add_(0, torch.tensor(numbers), curved.slopes.t() / len(rows))
    return scores


def _require(fault: Fault) -> None:
    if fault:
        message = f"The replay ends with the fault {fault.name}."
        raise AttributionInvalid(message, remedy="Do not attribute a training that is not stable.")
