"""What a builder chooses for a training job, and what it may choose.

The chain refuses a value that workers would refuse, before any fee is held (`parameter_fault`).
What the work costs is in `runtime.wire.work`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.types import PPB, U32, Max, ShortText

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
RANKS = (8, 16, 32, 64)
SOURCES_MAX = 8
"""The most Datanet versions that one job is trained on."""
STEPS_MAX = 20_000
KEPT_STEPS_MAX = 256
"""The most states that a run keeps: for 20,000 steps one every 142, and 32 for attribution."""
TEMPLATE_BYTES_MAX = 256
PROMPT_FIELD = "{prompt}"
COMPLETION_FIELD = "{completion}"


class Schedule(IntEnum):
    """How the learning rate goes on after its linear warm-up."""

    CONSTANT = 0
    LINEAR = 1
    """Down to 0 after the last step."""
    COSINE = 2
    """Down to 0 along half a cosine."""


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """What a builder chooses for a training job; integers, so that every node reads the same."""

    learning_rate_ppb: U32
    schedule: Schedule
    steps: U32
    """Batches; `ml.training.recipe.steps_of` gives the number for some epochs."""
    batch_rows: U32
    rank: U32
    alpha: U32
    dropout_ppb: U32
    """Of an adapter's inputs."""
    warmup_steps: U32
    weight_decay_ppb: U32
    epsilon_ppb: U32
    """Added to the mean square inside AdamW's root."""
    clip_norm_ppb: U32
    """The largest norm of a batch's gradient; 0 for no limit."""
    tokens_max: U32
    """Tokens of a row, or of a packed sequence."""
    packing: bool
    """Whether the rows of a batch share sequences of up to `tokens_max` tokens."""
    prompt_template: Annotated[str, Max(TEMPLATE_BYTES_MAX)]
    """A text with `{prompt}` and then `{completion}`; empty for the base model's own framing."""
    checkpoint_count: U32
    """Checkpoints that attribution looks at."""
    validation_ppb: U32
    seed: U32
    target_modules: Annotated[tuple[ShortText, ...], Max(7)]


@dataclass(frozen=True, slots=True)
class Bound:
    """The inclusive range of one parameter."""

    name: str
    least: int
    most: int


BOUNDS = (
    Bound("learning_rate_ppb", 1, PPB),
    Bound("steps", 1, STEPS_MAX),
    Bound("batch_rows", 1, 1_024),
    Bound("rank", RANKS[0], RANKS[-1]),
    Bound("alpha", 1, 1_024),
    Bound("dropout_ppb", 0, PPB // 2),
    Bound("warmup_steps", 0, STEPS_MAX),
    Bound("weight_decay_ppb", 0, PPB),
    Bound("epsilon_ppb", 1, PPB),
    Bound("clip_norm_ppb", 0, 2**32 - 1),
    Bound("tokens_max", 16, 4_096),
    Bound("checkpoint_count", 1, 32),
    Bound("validation_ppb", 0, PPB // 2),
)
"""Every limit on a training order; a base model's own context length binds besides."""


@dataclass(frozen=True, slots=True)
class ParameterFault:
    """A parameter that no worker would train with, and what to choose instead."""

    parameter: str
    problem: str
    remedy: str


def parameter_fault(parameters: TrainingParameters) -> ParameterFault | None:
    """The first parameter out of bounds, or None for an order that can be trained."""
    for bound in BOUNDS:
        value = getattr(parameters, bound.name)
        if not bound.least <= value <= bound.most:
            problem = f"The training parameter {bound.name} is {value}."
            return ParameterFault(bound.name, problem, f"Choose {bound.least} to {bound.most}.")
    return _combined_fault(parameters)


def _combined_fault(parameters: TrainingParameters) -> ParameterFault | None:
    """What no range can say."""
    if parameters.rank not in RANKS:
        problem = f"The training parameter rank is {parameters.rank}."
        return ParameterFault("rank", problem, f"Choose one of {', '.join(map(str, RANKS))}.")
    for name in ("checkpoint_count", "warmup_steps"):
        value = getattr(parameters, name)
        if value > parameters.steps:
            problem = f"{parameters.steps} steps cannot have a {name} of {value}."
            return ParameterFault(name, problem, f"Choose at most {parameters.steps}.")
    targets = parameters.target_modules
    if not targets or len(set(targets)) != len(targets) or not set(targets) <= set(TARGET_MODULES):
        problem = f"The target modules are {', '.join(targets) or 'none'}."
        remedy = f"Choose among {', '.join(TARGET_MODULES)}, each once."
        return ParameterFault("target_modules", problem, remedy)
    if parameters.prompt_template and template_parts(parameters.prompt_template) is None:
        problem = f"The prompt template is {parameters.prompt_template!r}."
        remedy = f"Write {PROMPT_FIELD} and then {COMPLETION_FIELD} into it, each once."
        return ParameterFault("prompt_template", problem, remedy)
    return None


def template_parts(template: str) -> tuple[str, str, str] | None:
    """The texts before, between and after the fields of a template; None for a bad one."""
    before, found, rest = template.partition(PROMPT_FIELD)
    between, also_found, after = rest.partition(COMPLETION_FIELD)
    parts = (before, between, after)
    repeated = any(field in part for part in parts for field in (PROMPT_FIELD, COMPLETION_FIELD))
    return parts if found and also_found and not repeated else None


def leaves_of(parameters: TrainingParameters) -> int:
    """The leaves of a transcript without a fault: initial state, every step, conclusion."""
    return parameters.steps + 2
