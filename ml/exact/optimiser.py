"""AdamW with epsilon inside the root, schedules and clipping, from single rounded kernels.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, but with `m /
sqrt(v + epsilon)` for `m / (sqrt(v) + epsilon)`.  A LoRA adapter starts with B = 0, where every
gradient of A is exactly 0: the root is then not differentiable in v, and a replay of the training
(which exact attribution needs) would divide by zero.  As epsilon goes to 0 both forms agree.

Scalars are computed in Python's floats, by + - * / and square roots alone, and reach the vectors as
one multiplication or addition each.  The powers of the betas come by repeated multiplication, and
are part of the state.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

import torch

from ml.errors import ModelUnusable
from ml.exact.gradients import GRADIENT_UNITS, BatchGradient
from ml.exact.grids import exponent_of

BETA_MEAN = 0.9
BETA_SQUARE = 0.95
"""Below torch's 0.999: a run of 60 steps has no time to forget its first gradients."""
_NUMBER_BYTES = 4
_POWERS = struct.Struct("<dd")
_PRODUCT_BITS = 26
"""Products are added at 26 bits below the largest: exact for up to 2**27 numbers."""
NUMBERS_MAX = 2**27
"""The most numbers of an adapter whose norm is exact."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """What a step depends on beside state and gradient."""

    learning_rate: float
    epsilon: float
    """Added to the bias-corrected mean square."""
    weight_decay: float
    gradient_norm_max: float | None
    """The gradient is scaled down to this norm; None leaves it."""


@dataclass(frozen=True, slots=True)
class AdamState:
    """All that a step starts from: three vectors in the adapter's layout, and two powers."""

    parameters: torch.Tensor
    """float32"""
    means: torch.Tensor
    squares: torch.Tensor
    power_mean: float
    """`BETA_MEAN` to the number of steps done."""
    power_square: float

    @classmethod
    def initial(cls, parameters: torch.Tensor) -> AdamState:
        """The state before the first step."""
        zeros = torch.zeros_like(parameters)
        return cls(parameters, zeros, zeros, 1.0, 1.0)

    @property
    def is_finite(self) -> bool:
        """Whether training may go on from here; else it ends with `Fault.STATE_NOT_FINITE`."""
        vectors = (self.parameters, self.means, self.squares)
        return all(bool(torch.isfinite(vector).all()) for vector in vectors)

    def encode(self) -> bytes:
        """The canonical bytes: float32 little-endian vectors, then both powers as float64."""
        vectors = (self.parameters, self.means, self.squares)
        parts = [vector.numpy().astype("<f4", copy=False).tobytes() for vector in vectors]
        return b"".join(parts) + _POWERS.pack(self.power_mean, self.power_square)

    @classmethod
    def decode(cls, data: bytes) -> AdamState:
        """The state of canonical bytes; raises `ModelUnusable` for a length that none has."""
        count, odd = divmod(len(data) - _POWERS.size, 3 * _NUMBER_BYTES)
        if odd or count < 1:
            message = f"A training state cannot have {len(data)} bytes."
            raise ModelUnusable(message, remedy="Fetch the state again.")
        numbers = torch.frombuffer(bytearray(data), dtype=torch.float32, count=3 * count)
        parameters, means, squares = numbers.view(3, count).unbind()
        return cls(parameters, means, squares, *_POWERS.unpack(data[-_POWERS.size :]))


def adam_step(
    state: AdamState, batch: BatchGradient, settings: StepSettings, weight: float = 1.0
) -> AdamState:
    """The state after one step down the mean gradient of the batch's rows, times a weight."""
    gradient = mean_gradient(batch, weight)
    if settings.gradient_norm_max is not None:
        norm = exact_norm(gradient)
        if norm > settings.gradient_norm_max:
            gradient.mul_(settings.gradient_norm_max / norm)
    power_mean = state.power_mean * BETA_MEAN
    power_square = state.power_square * BETA_SQUARE
    squares = (state.squares * BETA_SQUARE).add_((gradient * gradient).mul_(1.0 - BETA_SQUARE))
    means = (state.means * BETA_MEAN).add_(gradient.mul_(1.0 - BETA_MEAN))
    root = (squares * (1.0 / (1.0 - power_square))).add_(settings.epsilon).sqrt_()
    direction = (means * (1.0 / (1.0 - power_mean))).div_(root)
    parameters = state.parameters * (1.0 - settings.learning_rate * settings.weight_decay)
    parameters.sub_(direction.mul_(settings.learning_rate))
    return replace(
        state,
        parameters=parameters,
        means=means,
        squares=squares,
        power_mean=power_mean,
        power_square=power_square,
    )


def mean_gradient(batch: BatchGradient, weight: float = 1.0) -> torch.Tensor:
    """The float32 mean of the rows' gradients, times a weight that all of them have."""
    return batch.gradient.double().mul_(weight / batch.row_count / GRADIENT_UNITS).float()


def exact_norm(vector: torch.Tensor) -> float:
    """The Euclidean norm of a float32 vector of at most `NUMBERS_MAX` numbers, in any order.

    A square of two float32 numbers is exact in float64; squares are rounded to 26 bits below the
    largest and added without rounding.
    """
    return math.sqrt(exact_dot(vector, vector))


def exact_dot(one: torch.Tensor, other: torch.Tensor) -> float:
    """The dot product of two float32 vectors of at most `NUMBERS_MAX` numbers, in any order.

    A product of two float32 numbers is exact in float64; products are rounded to 26 bits below
    what the largest can be and added without rounding.
    """
    most = torch.stack([one.abs().amax(), other.abs().amax()])
    if not bool(torch.isfinite(most).all()):
        return math.nan
    # Every product is below 2 to the sum of both exponents.
    unit = math.ldexp(1.0, int(exponent_of(most).sum()) - _PRODUCT_BITS)
    return float((one.double() * other).mul_(1 / unit).round_().sum()) * unit
