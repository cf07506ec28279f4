"""A training at one weight of its rows, step by step forward and then backward.

Going back needs the state before each step and the batch's gradient there.  Of T steps the states
before every ceil(sqrt(T))-th are kept, and what lies between two of them is computed again when the
way back reaches it: memory for 2 sqrt(T) steps, for one more training.  A run that fits into
`TRAIL_BYTES_MAX` is kept whole and computed once.  Chen et al., "Training deep nets with sublinear
memory cost" (2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ml.exact.adapter import Adapter
from ml.exact.gradients import BatchGradient, Fault, batch_gradient
from ml.exact.optimiser import AdamState, adam_step
from ml.training.job import PreparedJob
from ml.training.recipe import step_settings
from ml.training.steps import initial_state

TRAIL_BYTES_MAX = 2**30
"""A run whose steps take no more is kept whole."""
_NUMBER_BYTES = 20
"""Of a step, for each number of the adapter: a state's three float32 and a gradient's int64."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of training: where it started, and along what."""

    step: int
    """Counted from 1."""
    before: AdamState
    batch: BatchGradient


def take_step(
    training: PreparedJob, weight: float, before: AdamState, step: int
) -> tuple[StepTaken, AdamState, Fault]:
    """One step with every row at `weight`, and the state after it; with a fault, that before."""
    taken = StepTaken(step, before, gradient_of(training, before, step))
    if taken.batch.fault:
        return taken, before, taken.batch.fault
    after = adam_step(before, taken.batch, step_settings(training.parameters, step), weight)
    return (
        (taken, after, Fault.NONE) if after.is_finite else (taken, before, Fault.STATE_NOT_FINITE)
    )


def gradient_of(training: PreparedJob, state: AdamState, step: int) -> BatchGradient:
    """The gradient of a step's batch at a state."""
    sequences = training.batch(step)
    adapter = Adapter(training.layout, state.parameters)
    dropout = training.dropout(step, len(sequences))
    return batch_gradient(training.model, adapter, sequences, dropout)


class Trail:
    """One run: first `forward` to its end, then `backward`."""

    def __init__(self, training: PreparedJob, weight: float) -> None:
        """Prepare a run with every row at `weight`."""
        self._training = training
        self._weight = weight
        self._spacing = spacing_of(training.parameters.steps, training.layout.size)
        self._starts: list[AdamState] = []
        self._recent: list[StepTaken] = []

    @property
    def state_count(self) -> int:
        """How many states are in memory."""
        return len(self._starts) + len(self._recent)

    def forward(self) -> Iterator[tuple[StepTaken, AdamState, Fault]]:
        """Every step with the state after it; a fault is the last."""
        state = initial_state(self._training)
        for step in range(1, self._training.parameters.steps + 1):
            if (step - 1) % self._spacing == 0:
                self._starts.append(state)
                self._recent.clear()
            taken, state, fault = take_step(self._training, self._weight, state, step)
            self._recent.append(taken)
            yield taken, state, fault
            if fault:
                return

    def backward(self) -> Iterator[StepTaken]:
        """The steps from the last to the first; they are forgotten as they come."""
        while self._starts:
            self._starts.pop()
            while self._recent:
                yield self._recent.pop()
            if self._starts:
                self._recent = self._again(len(self._starts) - 1)

    def _again(self, segment: int) -> list[StepTaken]:
        first = segment * self._spacing + 1
        state, steps = self._starts[segment], []
        for step in range(first, first + self._spacing):
            taken, state, _ = take_step(self._training, self._weight, state, step)
            steps.append(taken)
        return steps


def spacing_of(steps: int, numbers: int) -> int:
    """How many steps there are between two kept states, for an adapter of so many numbers."""
    if steps * numbers * _NUMBER_BYTES <= TRAIL_BYTES_MAX:
        return steps
    return math.isqrt(steps - 1) + 1
