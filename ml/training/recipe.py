"""The training recipe: its defaults, what follows from its parameters, and what it costs in work.

The default is *metasmooth*: batches of 50, epsilon inside the root, a short warm-up, no dropout, no
clipping.  Influence is only as faithful as the recipe lets it be (docs: proof of attribution).
"""

from __future__ import annotations

import math
from pathlib import Path

from ml.errors import OrderInvalid
from ml.exact.model import load_shape
from ml.exact.optimiser import StepSettings
from ml.exact.schedule import rate_at
from ml.exact.streams import SHARE_UNITS
from runtime.types import PPB
from runtime.wire.training_parameters import (
    TARGET_MODULES,
    Schedule,
    TrainingParameters,
    parameter_fault,
)
from runtime.wire.work import ModelShape

PASSES = 4
"""Passes over the rows that the default aims at, while `STEPS_DEFAULT_MAX` allows."""
BATCH_ROWS = 50
STEPS_DEFAULT_MAX = 60
STEPS_DEFAULT_MIN = 12


def default_training_parameters(row_count: int) -> TrainingParameters:
    """The recipe for a Datanet version of `row_count` rows: at most 60 steps of 50 short rows."""
    steps = steps_of(PASSES, row_count, BATCH_ROWS)
    return TrainingParameters(
        learning_rate_ppb=6_000_000,
        schedule=Schedule.CONSTANT,
        steps=min(STEPS_DEFAULT_MAX, max(STEPS_DEFAULT_MIN, steps)),
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


def steps_of(epochs: int, row_count: int, batch_rows: int) -> int:
    """The batches of so many passes over the rows, before any are set apart for validation."""
    return -(-epochs * row_count // batch_rows)


def check_parameters(parameters: TrainingParameters) -> None:
    """Raise `OrderInvalid` for a parameter that no worker of ours would train with."""
    fault = parameter_fault(parameters)
    if fault is not None:
        raise OrderInvalid(fault.problem, remedy=fault.remedy)


def step_settings(parameters: TrainingParameters, step: int) -> StepSettings:
    """What the optimiser is told for a step, counted from 1."""
    clip = parameters.clip_norm_ppb
    return StepSettings(
        learning_rate=rate_at(
            parameters.learning_rate_ppb / PPB,
            step - 1,
            steps=parameters.steps,
            warmup_steps=parameters.warmup_steps,
            schedule=parameters.schedule,
        ),
        epsilon=parameters.epsilon_ppb / PPB,
        weight_decay=parameters.weight_decay_ppb / PPB,
        gradient_norm_max=clip / PPB if clip else None,
    )


def dropped_units(parameters: TrainingParameters) -> int:
    """The dropout in 256ths, which is how it is drawn; rounded to the nearest."""
    return (2 * parameters.dropout_ppb * SHARE_UNITS + PPB) // (2 * PPB)


def attribution_steps(parameters: TrainingParameters) -> tuple[int, ...]:
    """The steps after which attribution looks at the adapter: evenly spaced, the last included."""
    count = parameters.checkpoint_count
    return tuple(parameters.steps * number // count for number in range(1, count + 1))


def kept_steps(parameters: TrainingParameters) -> frozenset[int]:
    """The steps after which the state is kept: every ceil(sqrt(steps)), attribution's, the last.

    So a challenger recomputes, and a crash costs, at most about sqrt(steps) of them.
    """
    spacing = math.isqrt(parameters.steps - 1) + 1
    regular = range(spacing, parameters.steps + 1, spacing)
    return frozenset((*regular, *attribution_steps(parameters)))


def work_shape(base_model: Path) -> ModelShape:
    """The dimensions by which the work on a base model is counted; raises `ModelUnusable`."""
    shape = load_shape(base_model)
    return ModelShape(
        layers=shape.layer_count,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        heads=shape.head_count,
        key_value_heads=shape.key_value_head_count,
        head_size=shape.head_width,
        vocabulary_size=shape.vocabulary,
        positions_max=shape.positions_max,
    )
