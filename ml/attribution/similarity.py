"""Influence by the similarity of gradients where the training ended: a preview, cheap and rough.

`score[row, target] = sum over the row's steps of rate / batch * <gradient(row), gradient(target)>`
with both gradients at the last state: what plain gradient descent would have done, had they always
been so.  It knows nothing of AdamW's scaling, nor of what training did to the row's effect later;
`ml.attribution.metagradient` does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ml.errors import AttributionInvalid
from ml.exact.adapter import Adapter
from ml.exact.gradients import GRADIENT_UNITS, TokenRow, row_gradients
from ml.exact.model import ExactModel
from ml.training.job import PreparedJob
from ml.training.recipe import step_settings

ROWS_AT_ONCE = 32
"""How many rows' gradients are in memory together."""


def similarity(
    training: PreparedJob, adapter: Adapter, targets: Sequence[TokenRow]
) -> torch.Tensor:
    """float64 [trained rows, targets] in nats, positive where the row helped.

    `adapter` is the training's.  Raises `AttributionInvalid` where a gradient is not finite.
    """
    trained = training.plan.trained()
    rates = rates_of(training)
    said = gradients_of(training.model, adapter, targets)
    scores = torch.zeros((len(trained), len(targets)), dtype=torch.float64)
    for start in range(0, len(trained), ROWS_AT_ONCE):
        part = trained[start : start + ROWS_AT_ONCE]
        weights = torch.tensor([[rates[index]] for index in part], dtype=torch.float64)
        taught = gradients_of(training.model, adapter, training.encoded(part))
        scores[start : start + len(part)] = (taught @ said.t()).mul_(weights)
    return scores


def gradients_of(model: ExactModel, adapter: Adapter, rows: Sequence[TokenRow]) -> torch.Tensor:
    """float64 [rows, numbers]: each row's own gradient; raises `AttributionInvalid`."""
    found = row_gradients(model, adapter, rows)
    if found.fault:
        message = f"A row's gradient has the fault {found.fault.name}."
        raise AttributionInvalid(message, remedy="Do not attribute a training that is not stable.")
    return found.gradients.double().mul_(1 / GRADIENT_UNITS)


def rates_of(training: PreparedJob) -> dict[int, float]:
    """Of each trained row, the sum of its steps' rates over their batches' rows."""
    rates: dict[int, float] = {}
    for step, places in enumerate(training.plan.batches, 1):
        rate = step_settings(training.parameters, step).learning_rate / len(places)
        for index in places:
            rates[index] = rates.get(index, 0.0) + rate
    return rates
