"""The base model's linear layers, in the two precisions that the engine computes them in.

`Int8Linear` gives each token (row) its own scale, so that a token's result is the same integers and
the same roundings whatever other tokens are in the batch.  A scale for the whole tensor, as
`torch.ao.quantization` takes it, would let a neighbour change your answer.

Prior art: ZeroQuant (Yao et al. 2022, section 4.1: token-wise activations, row-wise weights).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

Precision = Literal["int8", "float32"]
"""How base linears are computed: `int8` for the lane `fast`; `float32` is what PEFT computes."""

Linear = Callable[[torch.Tensor], torch.Tensor]
"""Maps float32 [..., inputs] to a new float32 [..., outputs]."""

_INT8_MAX = 127
_SCALE_MIN = 1e-12
"""Keeps a row of zeros from dividing by zero; no activation that matters is as small."""


class FloatLinear:
    """`x @ weight.T + bias` as it is."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        """Keep float32 [outputs, inputs] and [outputs]."""
        self._weight = weight
        self._bias = bias

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product."""
        return torch.nn.functional.linear(inputs, self._weight, self._bias)


class Int8Linear:
    """The same with weights and activations rounded to 8 bits, one scale a row."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        """Round float32 [outputs, inputs]; the bias stays float32."""
        self._scales = weight.abs().amax(dim=1).clamp_min(_SCALE_MIN) / _INT8_MAX
        rounded = (weight / self._scales[:, None]).round().to(torch.int8)
        self._columns = rounded.t()
        self._bias = bias

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product; exact in the integers, so independent of the other rows."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        scales = rows.abs().amax(dim=1, keepdim=True).clamp_min_(_SCALE_MIN).div_(_INT8_MAX)
        rounded = torch.div(rows, scales).round_().to(torch.int8)
        # torch offers no public int8 product; `_int_mm` is what its own quantisation calls.
        sums = torch._int_mm(rounded, self._columns)  # noqa: SLF001 # see above
        outputs = sums.to(torch.float32).mul_(self._scales).mul_(scales)
        if self._bias is not None:
            outputs.add_(self._bias)
        return outputs.view(*inputs.shape[:-1], -1)


def linear_of(
    precision: Precision, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> Linear:
    """The layer in the wanted precision."""
    if precision == "int8":
        return Int8Linear(weight, bias)
    return FloatLinear(weight, bias)
