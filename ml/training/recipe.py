"""The training recipe: what its parameters may be, what they are by default, and the learning rate.

The default is *metasmooth*: batches of 50, epsilon inside the root, a short warm-up, no dropout, no
clipping.  Influence is only as faithful as the recipe lets it be (docs: proof of attribution).
"""

from __future__ import annotations

from ml.errors import OrderInvalid
from runtime.types import PPB
from runtime.wire.training_parameters import (
    TARGET_MODULES,
    Schedule,
    TrainingParameters,
    parameter_fault,
)

PASSES = 4
"""Passes over the rows that the default aims at, while `STEPS_DEFAULT_MAX` allows."""
BATCH_ROWS = 50
STEPS_DEFAULT_MAX = 60
STEPS_DEFAULT_MIN = 12


def default_training_parameters(row_count: int) -> TrainingParameters:
    """The recipe for a Datanet version of `row_count` rows: at most 60 steps of 50 short rows."""
    steps = min(STEPS_DEFAULT_MAX, max(STEPS_DEFAULT_MIN, -(-PASSES * row_count // BATCH_ROWS)))
    return TrainingParameters(
        learning_rate_ppb=6_000_000,
        schedule=Schedule.CONSTANT,
        steps=steps,
        batch_rows=BATCH_ROWS,
        rank=8,
        alpha=32,
        dropout_ppb=0,
        warmup_steps=8,
        weight_decay_ppb=0,
        epsilon_ppb=10_000,
        clip_norm_ppb=0,
        tokens_max=48,
        packing=False,
        prompt_template="",
        checkpoint_count=2,
        validation_ppb=50_000_000,
        seed=0,
        target_modules=TARGET_MODULES,
    )


def check_parameters(parameters: TrainingParameters) -> None:
    """Raise `OrderInvalid` for a parameter that no worker of ours would train with."""
    fault = parameter_fault(parameters)
    if fault is not None:
        raise OrderInvalid(fault.problem, remedy=fault.remedy)


def learning_rate_at(parameters: TrainingParameters, step: int) -> float:
    """The learning rate of a step (from 0): a linear warm-up, then constant."""
    peak = parameters.learning_rate_ppb / PPB
    return peak * min(1.0, (step + 1) / max(1, parameters.warmup_steps))


def checkpoint_steps(parameters: TrainingParameters) -> tuple[int, ...]:
    """After how many steps a checkpoint is kept: evenly spaced, the last after the last step."""
    count = parameters.checkpoint_count
    return tuple(parameters.steps * number // count for number in range(1, count + 1))
