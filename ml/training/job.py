"""A training job made ready: everything that its steps read, and nothing of it ever changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ml.errors import OrderInvalid
from ml.exact.adapter import AdapterLayout, AdapterShape
from ml.exact.gradients import Dropout
from ml.exact.model import ExactModel
from ml.exact.products import Backend
from ml.manifest import manifest_of
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer, pack
from ml.training.order import TrainingPlan, check_rows, plan_of, stream_key
from ml.training.recipe import check_parameters, dropped_units
from runtime.offchain import TrainingOrder, TrainingRow
from runtime.wire.training_parameters import TrainingParameters

_NUMBER_BYTES = 8


@dataclass(frozen=True)
class PreparedJob:
    """The order with its rows, its base model and what follows from them."""

    order: TrainingOrder
    rows: tuple[TrainingRow, ...]
    plan: TrainingPlan
    model: ExactModel
    layout: AdapterLayout
    tokenizer: Any

    @property
    def parameters(self) -> TrainingParameters:
        """The order's parameters."""
        return self.order.parameters

    @cached_property
    def order_hash(self) -> bytes:
        """What binds every leaf to this job, 32 bytes."""
        return self.order.hash()

    @cached_property
    def validation(self) -> tuple[EncodedRow, ...]:
        """The rows that are looked at and never trained on."""
        return self.encoded(self.plan.validation)

    def batch(self, step: int) -> tuple[EncodedRow, ...]:
        """The sequences of a step, counted from 1; encoded only now, as a judge needs one batch."""
        rows = self.encoded(self.plan.batches[step - 1])
        return pack(rows, self.parameters.tokens_max) if self.parameters.packing else rows

    def dropout(self, step: int, sequence_count: int) -> Dropout | None:
        """What a step drops: every sequence has a stream of its own."""
        units = dropped_units(self.parameters)
        if not units:
            return None
        prefix = stream_key(self.order) + step.to_bytes(_NUMBER_BYTES, "big")
        numbers = range(sequence_count)
        keys = tuple(prefix + number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)
        return Dropout(units, keys)

    def encoded(self, places: Sequence[int]) -> tuple[EncodedRow, ...]:
        """The rows at these indices, as training reads them."""
        parameters = self.parameters
        texts = [self.rows[place].row for place in places]
        template = parameters.prompt_template
        return encode_rows(self.tokenizer, texts, parameters.tokens_max, template)


def prepare(
    order: TrainingOrder,
    rows: Sequence[TrainingRow],
    base_model: Path,
    backend: Backend = "int8",
) -> PreparedJob:
    """Check the order, its rows and its base model against each other and load the model.

    Both backends give the same bits.  Raises `OrderInvalid` for parameters, rows or a base model
    that are not the order's, and `ModelUnusable` for a directory that holds no such model.
    """
    parameters = order.parameters
    check_parameters(parameters)
    check_rows(order, rows)
    if manifest_of(base_model).hash() != order.base_model:
        message = f"{base_model} is not the base model of job {order.job}."
        raise OrderInvalid(message, remedy="Use the directory whose manifest hash the order names.")
    model = ExactModel.load(base_model, backend)
    if parameters.tokens_max > model.shape.positions_max:
        message = f"The order's rows have up to {parameters.tokens_max} tokens."
        remedy = f"This base model reads at most {model.shape.positions_max}."
        raise OrderInvalid(message, remedy=remedy)
    shape = AdapterShape(parameters.rank, parameters.alpha, parameters.target_modules)
    return PreparedJob(
        order=order,
        rows=tuple(rows),
        plan=plan_of(order, rows),
        model=model,
        layout=AdapterLayout(model.shape, shape),
        tokenizer=load_tokenizer(base_model),
    )
