"""How much work a job is, and what that costs: multiply-adds of the exact operators.

The count follows from shapes alone, with every row as long as it may be, so that the chain can take
what a quote has shown (`least_fee` of `order_work`).  What the builder's rows really have is less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from runtime.types import PPB, U32
from runtime.wire.records import JobKind, JobOrder
from runtime.wire.training_parameters import TrainingParameters

WORK_UNIT = 10**9
"""The multiply-adds that a price is for."""
DIMENSION_MAX = 2**24
"""The largest dimension of a base model."""
_FROZEN_PASSES = 2
"""A frozen product is computed forward, and backward to its input."""
_TRAINED_PASSES = 3
"""Attention and an adapter's product have a gradient for both factors besides."""
_EXAM_PASSES = 2
"""A row of an exam is read once for its loss, and once for what decoding would give."""
_OPTIMISER_OPERATIONS = 20
"""Elementwise operations of AdamW on each trained number."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions of a Llama-family base model, by which work is counted."""

    layers: U32
    hidden_size: U32
    intermediate_size: U32
    heads: U32
    key_value_heads: U32
    head_size: U32
    vocabulary_size: U32
    positions_max: U32
    """Tokens that a sequence has at most."""


def shape_fault(shape: ModelShape) -> str | None:
    """The first dimension that no model has, in a sentence; None for a shape to count with."""
    for field in fields(shape):
        value = getattr(shape, field.name)
        if not 1 <= value <= DIMENSION_MAX:
            return f"The dimension {field.name} is {value}, not 1 to {DIMENSION_MAX}."
    return None


def linear_shapes(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each linear layer of a block."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries, keys = shape.heads * shape.head_size, shape.key_value_heads * shape.head_size
    return {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }


def trained_numbers(shape: ModelShape, parameters: TrainingParameters) -> int:
    """How many numbers the adapter has; a state has three float32 for each."""
    linears = linear_shapes(shape)
    width = sum(sum(linears[name]) for name in parameters.target_modules)
    return shape.layers * parameters.rank * width


def step_work(shape: ModelShape, parameters: TrainingParameters) -> int:
    """The multiply-adds of one step at most: a batch forward and backward, and the optimiser."""
    adapter = trained_numbers(shape, parameters)
    token = (
        _FROZEN_PASSES * _frozen_products(shape)
        + _TRAINED_PASSES * adapter
        + _TRAINED_PASSES * _attention_products(shape, parameters.tokens_max)
    )
    tokens = parameters.batch_rows * parameters.tokens_max
    return tokens * token + _OPTIMISER_OPERATIONS * adapter


def evaluation_work(shape: ModelShape, parameters: TrainingParameters, row_count: int) -> int:
    """The multiply-adds of one look at the validation share of `row_count` rows."""
    token = (
        _frozen_products(shape)
        + trained_numbers(shape, parameters)
        + _attention_products(shape, parameters.tokens_max)
    )
    rows = -(-row_count * parameters.validation_ppb // PPB)
    return rows * parameters.tokens_max * token


def order_work(
    shape: ModelShape, order: JobOrder, row_count: int, tokens_max: int | None = None
) -> int:
    """The multiply-adds of an order over `row_count` rows, of an exam's `tokens_max`, at most.

    A leaf of an attribute job is as much as a sequence of the model's full length, forward and
    backward through all its weights.
    """
    if order.kind is JobKind.TRAIN and order.parameters is not None:
        return job_work(shape, order.parameters, row_count)
    tokens = shape.positions_max if tokens_max is None else tokens_max
    frozen, attention = _frozen_products(shape), _attention_products(shape, tokens)
    if order.kind is JobKind.EVALUATE:
        return row_count * tokens * _EXAM_PASSES * (frozen + attention)
    token = _FROZEN_PASSES * frozen + _TRAINED_PASSES * attention
    return order.leaf_count * tokens * token


def least_fee(work: int, fee_min: int, price: int) -> int:
    """What the chain asks for so many multiply-adds: the least fee, and `price` for 10**9 each."""
    return fee_min - (-work * price // WORK_UNIT)


def job_work(shape: ModelShape, parameters: TrainingParameters, row_count: int) -> int:
    """The multiply-adds of a whole job on `row_count` rows, validated before and after."""
    steps = parameters.steps * step_work(shape, parameters)
    return steps + 2 * evaluation_work(shape, parameters, row_count)


def _frozen_products(shape: ModelShape) -> int:
    """Multiply-adds of the base model's linear layers for one token."""
    block = sum(inputs * outputs for inputs, outputs in linear_shapes(shape).values())
    return shape.layers * block + shape.hidden_size * shape.vocabulary_size


def _attention_products(shape: ModelShape, tokens: int) -> int:
    """Multiply-adds of scores and mixed values for one token beside `tokens` others."""
    return 2 * shape.layers * shape.heads * shape.head_size * tokens
