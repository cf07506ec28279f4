"""Rotary position tables, the same on every machine.

The angle of one position is computed in decimal arithmetic, which Python's `decimal` rounds
correctly; the others follow by the addition theorems in float64, doubling the table each time, and
are rounded to float32 at last.  `torch.sin` and `torch.cos` depend on the instruction set.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

import torch

from ml.errors import ModelUnusable

_DIGITS = 40
_TERMS = 40
PI = Decimal("3.14159265358979323846264338327950288419716939937510")
"""To more digits than are used."""


def rotary_tables(
    positions: int, head_width: int, parameters: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 cosines and sines [positions, head_width], the halves equal (Su et al. 2021).

    `parameters` are a configuration's `rope_parameters`, of type `default`, `linear` or `llama3`;
    raises `ModelUnusable` for another one.
    """
    with localcontext(Context(prec=_DIGITS)):
        angles = _frequencies(head_width, parameters)
        unit = [cosine_and_sine(angle) for angle in angles]
    cosine = torch.tensor([[float(pair[0]) for pair in unit]], dtype=torch.float64)
    sine = torch.tensor([[float(pair[1]) for pair in unit]], dtype=torch.float64)
    # Row n of the tables is position n; `cosine` and `sine` start as position 1.
    cosines, sines = torch.ones_like(cosine), torch.zeros_like(sine)
    while len(cosines) < positions:
        turned_cosines = cosines * cosine - sines * sine
        turned_sines = sines * cosine + cosines * sine
        cosines, sines = torch.cat([cosines, turned_cosines]), torch.cat([sines, turned_sines])
        cosine, sine = cosine * cosine - sine * sine, sine * cosine * 2.0
    cosines, sines = cosines[:positions].float(), sines[:positions].float()
    return torch.cat([cosines, cosines], -1), torch.cat([sines, sines], -1)


def _frequencies(head_width: int, parameters: Mapping[str, Any]) -> list[Decimal]:
    kind = parameters.get("rope_type", "default")
    logarithm = _decimal(parameters["rope_theta"]).ln()
    plain = [(-logarithm * 2 * pair / head_width).exp() for pair in range(head_width // 2)]
    if kind == "default":
        return plain
    if kind == "linear":
        return [frequency / _decimal(parameters["factor"]) for frequency in plain]
    if kind == "llama3":
        return [_llama3(frequency, parameters) for frequency in plain]
    message = f"The model's rotary positions are of type {kind}."
    raise ModelUnusable(message, remedy="Use a model of type default, linear or llama3.")


def _llama3(frequency: Decimal, parameters: Mapping[str, Any]) -> Decimal:
    """Slow frequencies are divided by the factor, fast ones kept, those between are mixed."""
    factor = _decimal(parameters["factor"])
    low = _decimal(parameters["low_freq_factor"])
    high = _decimal(parameters["high_freq_factor"])
    turns = parameters["original_max_position_embeddings"] * frequency / (2 * PI)
    share = min(Decimal(1), max(Decimal(0), (turns - low) / (high - low)))
    mixed: Decimal = (1 - share) * frequency / factor + share * frequency
    return mixed


def cosine_and_sine(angle: Decimal) -> tuple[Decimal, Decimal]:
    """By Taylor's series; an angle is at most 1, so 40 terms leave nothing of 40 digits."""
    cosine, sine, term = Decimal(0), Decimal(0), Decimal(1)
    for power in range(_TERMS):
        signed = term if power % 4 < 2 else -term
        if power % 2:
            sine += signed
        else:
            cosine += signed
        term = term * angle / (power + 1)
    return cosine, sine


def _decimal(number: float) -> Decimal:
    # By its text: 10000.0 and 10000 are the same base in two files.
    return Decimal(str(number))
