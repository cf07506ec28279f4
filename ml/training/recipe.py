"""The training recipe: what its parameters may be, what they are by default, and the learning rate.

The default is *metasmooth*: batches of 50, epsilon inside the root, a short warm-up, no dropout, no
clipping.  Influence is only as faithful as the recipe lets it be (docs: proof of attribution).
"""

from __future__ import annotations

from dataclasses import dataclass

from ml.errors import OrderInvalid
from runtime.types import PPB
from runtime.wire.records import TrainingParameters

TARGET_MODULES = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)
"""The linear layers of a Llama block that an adapter may change, in the order of the block."""
PASSES = 4
"""Passes over the rows that the default aims at, while `STEPS_DEFAULT_MAX` allows."""
BATCH_ROWS = 50
STEPS_DEFAULT_MAX = 60
STEPS_DEFAULT_MIN = 12


@dataclass(frozen=True, slots=True)
class Bound:
    """The inclusive range of one parameter."""

    name: str
    least: int
    most: int


BOUNDS = (
    Bound("learning_rate_ppb", 1, PPB),
    Bound("steps", 1, 20_000),
    Bound("batch_rows", 1, 1_024),
    Bound("rank", 1, 256),
    Bound("alpha", 1, 1_024),
    Bound("warmup_steps", 0, 20_000),
    Bound("weight_decay_ppb", 0, PPB),
    Bound("epsilon_ppb", 1, PPB),
    Bound("tokens_max", 16, 4_096),
    Bound("checkpoint_count", 1, 32),
    Bound("validation_ppb", 0, PPB // 2),
)
"""Every limit on a training order; a base model's own context length binds besides."""


def default_training_parameters(row_count: int) -> TrainingParameters:
    """The recipe for a Datanet version of `row_count` rows: at most 60 steps of 50 short rows."""
    steps = min(STEPS_DEFAULT_MAX, max(STEPS_DEFAULT_MIN, -(-PASSES * row_count // BATCH_ROWS)))
    return TrainingParameters(
        learning_rate_ppb=6_000_000,
        steps=steps,
        batch_rows=BATCH_ROWS,
        rank=8,
        alpha=32,
        warmup_steps=8,
        weight_decay_ppb=0,
        epsilon_ppb=10_000,
        tokens_max=48,
        checkpoint_count=2,
        validation_ppb=50_000_000,
        seed=0,
        target_modules=TARGET_MODULES,
    )


def check_parameters(parameters: TrainingParameters) -> None:
    """Raise `OrderInvalid` for a parameter that no worker of ours would train with."""
    for bound in BOUNDS:
        value = getattr(parameters, bound.name)
        if not bound.least <= value <= bound.most:
            message = f"The training parameter {bound.name} is {value}."
            raise OrderInvalid(message, remedy=f"Choose {bound.least} to {bound.most}.")
    if parameters.checkpoint_count > parameters.steps:
        message = f"{parameters.steps} steps cannot have {parameters.checkpoint_count} checkpoints."
        raise OrderInvalid(message, remedy="Ask for at most one checkpoint a step.")
    targets = parameters.target_modules
    if not targets or len(set(targets)) != len(targets) or not set(targets) <= set(TARGET_MODULES):
        message = f"The target modules are {', '.join(targets) or 'none'}."
        raise OrderInvalid(message, remedy=f"Choose among {', '.join(TARGET_MODULES)}, each once.")


def learning_rate_at(parameters: TrainingParameters, step: int) -> float:
    """The learning rate of a step (from 0): a linear warm-up, then constant."""
    peak = parameters.learning_rate_ppb / PPB
    return peak * min(1.0, (step + 1) / max(1, parameters.warmup_steps))


def checkpoint_steps(parameters: TrainingParameters) -> tuple[int, ...]:
    """After how many steps a checkpoint is kept: evenly spaced, the last after the last step."""
    count = parameters.checkpoint_count
    return tuple(parameters.steps * number // count for number in range(1, count + 1))
