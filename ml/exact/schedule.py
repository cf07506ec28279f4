"""The learning rate of every step: a linear warm-up, then constant, linear or cosine decay.

Rates are computed with + - * / alone (the cosine in decimal arithmetic), so that every machine
takes the same.
"""

from __future__ import annotations

from decimal import Context, localcontext

from ml.exact.rotary import PI, cosine_and_sine
from runtime.wire.training_parameters import Schedule

_DIGITS = 40


def rate_at(peak: float, step: int, *, steps: int, warmup_steps: int, schedule: Schedule) -> float:
    """The learning rate of a step, counted from 0, of `steps` in all."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule is Schedule.CONSTANT:
        return peak
    done, whole = step - warmup_steps, steps - warmup_steps
    if schedule is Schedule.LINEAR:
        return peak * (whole - done) / whole
    return peak * _half_cosine(done, whole)


def _half_cosine(done: int, whole: int) -> float:
    """(1 + cos(pi * done / whole)) / 2, correctly rounded."""
    with localcontext(Context(prec=_DIGITS)):
        # cos x = 1 - 2 sin(x/2)**2, and x/2 <= pi/2; the series wants it below 1.
        quarter = PI * done / whole / 4
        cosine, sine = cosine_and_sine(quarter)
        return float(1 - (2 * sine * cosine) ** 2)
