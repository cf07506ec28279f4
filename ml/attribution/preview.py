"""What rows probably did to an answer, in milliseconds: similarity by sketches of gradients.

Every trained row's gradient at the last state is folded into `SKETCH_SIZE` numbers once: each of
its numbers is added to one of them, with a sign, both drawn from a fixed stream (a count sketch;
Charikar, Chen and Farach-Colton, "Finding frequent items in data streams", 2002).  Products of
sketches are products of gradients, but for noise of 1 / sqrt(SKETCH_SIZE) of the gradients' sizes.
So an answer takes its own gradient and one product with the table.

A preview is labelled as one wherever it is shown: what pays is `ml.attribution.metagradient`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ml.attribution.similarity import ROWS_AT_ONCE, gradients_of, rates_of
from ml.exact.adapter import Adapter
from ml.exact.gradients import TokenRow
from ml.exact.model import ExactModel
from ml.exact.streams import CounterStream
from ml.training.job import PreparedJob

SKETCH_SIZE = 1_024
"""Numbers of a sketch, a power of two: 10,000 rows take 40 MiB."""
_KEY = b"openledger preview"


@dataclass(frozen=True, slots=True)
class PreviewIndex:
    """The sketches of one training's rows."""

    adapter: Adapter
    sketches: torch.Tensor
    """float32 [trained rows, SKETCH_SIZE], times the rates of the row's steps."""

    def scores(self, model: ExactModel, answer: TokenRow) -> torch.Tensor:
        """float32 [trained rows] in nats, positive where the row helped, as `similarity`.

        Raises `AttributionInvalid` where the answer's gradient is not finite.
        """
        gradient = gradients_of(model, self.adapter, [answer])
        return self.sketches @ _sketch(gradient)[0]


def preview_index(training: PreparedJob, adapter: Adapter) -> PreviewIndex:
    """Sketch every trained row at the training's adapter; raises `AttributionInvalid`."""
    trained, rates = training.plan.trained(), rates_of(training)
    parts = []
    for start in range(0, len(trained), ROWS_AT_ONCE):
        part = trained[start : start + ROWS_AT_ONCE]
        weights = torch.tensor([[rates[index]] for index in part])
        gradients = gradients_of(training.model, adapter, training.encoded(part))
        parts.append(_sketch(gradients).mul_(weights))
    return PreviewIndex(adapter, torch.cat(parts))


def _sketch(gradients: torch.Tensor) -> torch.Tensor:
    """float32 [rows, SKETCH_SIZE] of float64 [rows, numbers]."""
    places, signs = _basis(gradients.shape[1])
    sketches = torch.zeros((len(gradients), SKETCH_SIZE))
    return sketches.index_add_(1, places, gradients.float().mul_(signs))


@lru_cache(maxsize=4)
def _basis(numbers: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each number of an adapter its place in the sketch, and its sign."""
    words = CounterStream(_KEY, "basis").words(numbers).astype(np.int64)
    places = torch.from_numpy(words % SKETCH_SIZE)
    signs = torch.from_numpy(words >> 31).float().mul_(2.0).sub_(1.0)
    return places, signs
