"""From measured points to the coefficients of a weight.

Counts are integers and exact: each slope is the steepest step between two points, and the base is
what the slopes leave at the worst point, so the fitted count is nowhere below a measured one.
Times are fitted by weighted least squares over all samples: a sample's weight is the inverse square
of its point's median, so that a long list does not drown what a short one says; the standard errors
follow (Montgomery, Peck and Vining, Introduction to Linear Regression Analysis, section 5.5).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from node.weighing.measure import Case, Point

PICO = 1_000
"""Picoseconds in a nanosecond: a byte can cost less than one nanosecond."""
COUNT_NAMES = ("reads", "writes", "hashes", "bytes")
_DIGITS = 3
"""Significant digits of a time: the next is noise."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one unit of a component costs, or of `base`, the call without any."""

    counts: tuple[int, ...]
    """In the order of `COUNT_NAMES`."""
    time_ps: int
    error_ps: int
    """Standard error of the time."""


@dataclass(frozen=True, slots=True)
class CallWeight:
    """The weight of one call."""

    name: str
    arguments: tuple[str, ...]
    base: Term
    slopes: dict[str, Term]
    """By the component's text, such as `len(data)`; only those that cost something."""


def fit_calls(cases: Iterable[Case]) -> list[CallWeight]:
    """One weight for each call that covers all its cases, in the order of the calls' indices."""
    by_index: dict[int, CallWeight] = {}
    for case in cases:
        fitted, index = fit(case), case.definition.index
        known = by_index.get(index)
        by_index[index] = fitted if known is None else _cover(known, fitted)
    return [by_index[index] for index in sorted(by_index)]


def fit(case: Case) -> CallWeight:
    """The weight of a case."""
    counts = [_fit_count(case.points, name, len(case.terms)) for name in COUNT_NAMES]
    times, errors = _fit_time(case.points, len(case.terms))
    base, *slopes = (
        Term(tuple(each[place] for each in counts), times[place], errors[place])
        for place in range(len(case.terms) + 1)
    )
    return CallWeight(
        name=case.definition.name,
        arguments=tuple(case.definition.arguments.items),
        base=base,
        slopes={
            text: term
            for text, term in zip(case.terms, slopes, strict=True)
            if any(term.counts) or term.time_ps
        },
    )


def _fit_count(points: Sequence[Point], name: str, components: int) -> list[int]:
    """Base and slopes of a count."""
    values = [(point.sizes, int(getattr(point.counts, name))) for point in points]
    slopes = [_steepest(values, place) for place in range(components)]
    rests = (
        value - sum(slope * size for slope, size in zip(slopes, sizes, strict=True))
        for sizes, value in values
    )
    return [max(0, *rests), *slopes]


def _steepest(values: Sequence[tuple[tuple[int, ...], int]], place: int) -> int:
    """The steepest step of a count along one component, rounded up."""
    steepest = 0
    for sizes, value in values:
        for others, other in values:
            apart = [at for at, size in enumerate(sizes) if size != others[at]]
            if apart == [place] and sizes[place] > others[place]:
                step = sizes[place] - others[place]
                steepest = max(steepest, -((other - value) // step))
    return steepest


def _fit_time(points: Sequence[Point], components: int) -> tuple[list[int], list[int]]:
    """Base and slopes of the time, and their standard errors, in picoseconds."""
    # Dividing a row and its time by the median is the weighting.
    medians = [statistics.median(point.times_ns) for point in points for _ in point.times_ns]
    rows = [(1, *point.sizes) for point in points for _ in point.times_ns]
    samples = [sample for point in points for sample in point.times_ns]
    times = np.array(samples, dtype=float) / medians
    design = np.array(rows, dtype=float) / np.array(medians).reshape(len(rows), 1)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ times
    freedom = max(1, len(rows) - components - 1)
    variance = float(((times - design @ coefficients) ** 2).sum()) / freedom
    errors = np.sqrt(variance * np.diag(inverse))
    return (
        [_rounded_up(max(0.0, float(each)) * PICO) for each in coefficients],
        [_rounded_up(float(each) * PICO) for each in errors],
    )


def _rounded_up(value: float) -> int:
    whole = math.ceil(value)
    unit: int = 10 ** max(0, len(str(whole)) - _DIGITS)
    return -(-whole // unit) * unit


def _cover(one: CallWeight, other: CallWeight) -> CallWeight:
    """The least weight that is nowhere below either."""
    nothing = Term((0,) * len(COUNT_NAMES), 0, 0)
    slopes = {
        text: _larger(one.slopes.get(text, nothing), other.slopes.get(text, nothing))
        for text in [*one.slopes, *other.slopes]
    }
    return CallWeight(one.name, one.arguments, _larger(one.base, other.base), slopes)


def _larger(one: Term, other: Term) -> Term:
    slower = max(one, other, key=lambda term: term.time_ps)
    counts = tuple(max(pair) for pair in zip(one.counts, other.counts, strict=True))
    return Term(counts, slower.time_ps, slower.error_ps)
