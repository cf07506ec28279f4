"""AdamW with epsilon inside the root.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, but with `m /
sqrt(v + epsilon)` for `m / (sqrt(v) + epsilon)`.  A LoRA adapter starts with B = 0, where every
gradient of A is exactly 0: the root is then not differentiable in v, and a replay of the training
(which exact attribution needs) would divide by zero.  As epsilon goes to 0 both forms agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

BETA_MEAN = 0.9
BETA_SQUARE = 0.95
"""Below torch's 0.999: a run of 60 steps has no time to forget its first gradients."""


@dataclass(slots=True)
class Moments:
    """A parameter's running means of its gradient and of the gradient's square."""

    mean: torch.Tensor
    square: torch.Tensor


class AdamW:
    """The optimiser of one run; `moments` by parameter name is its whole state beside `steps`."""

    def __init__(
        self, parameters: Mapping[str, torch.nn.Parameter], *, epsilon: float, weight_decay: float
    ) -> None:
        """Start with zero moments; `epsilon` is added to the bias-corrected mean square."""
        self._parameters = dict(parameters)
        self._epsilon = epsilon
        self._weight_decay = weight_decay
        self.steps = 0
        self.moments = {
            name: Moments(torch.zeros_like(parameter), torch.zeros_like(parameter))
            for name, parameter in self._parameters.items()
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter against its gradient, then drop the gradients."""
        self.steps += 1
        for name, parameter in self._parameters.items():
            if parameter.grad is None:
                continue
            moments = self.moments[name]
            moments.mean.mul_(BETA_MEAN).add_(parameter.grad * (1 - BETA_MEAN))
            moments.square.mul_(BETA_SQUARE).add_(parameter.grad.square() * (1 - BETA_SQUARE))
            mean = moments.mean / (1 - BETA_MEAN**self.steps)
            square = moments.square / (1 - BETA_SQUARE**self.steps)
            direction = mean / (square + self._epsilon).sqrt()
            parameter.sub_(learning_rate * (direction + self._weight_decay * parameter))
            parameter.grad = None
