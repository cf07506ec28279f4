"""Whether the weights that a pallet declares still cover what its calls take."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node.weighing.fit import COUNT_NAMES
from node.weighing.measure import Case

PER_CENT = 100


@dataclass(frozen=True, slots=True)
class Drift:
    """A declared figure beside the measured one, at one point of the grid."""

    call: str
    sizes: str
    what: str
    declared: int
    measured: int

    @property
    def per_cent(self) -> int:
        """How much more, or less, was measured than is declared."""
        return (self.measured - self.declared) * PER_CENT // max(1, self.declared)


def find_drift(cases: Iterable[Case], time_drift_max: int) -> list[Drift]:
    """Counts above what is declared, and times more than `time_drift_max` per cent above it.

    Less than declared is no drift: a weight covers the worst of a call's cases.
    """
    return [
        drift
        for case in cases
        for drift in compare(case)
        if drift.per_cent > time_drift_max
        or (drift.what in COUNT_NAMES and drift.measured > drift.declared)
    ]


def compare(case: Case) -> Iterator[Drift]:
    """Every figure of a case, declared and measured."""
    for point in case.points:
        declared = case.definition.weigh(point.arguments)
        pairs = zip(case.terms, point.sizes, strict=True)
        sizes = ", ".join(f"{text} = {size}" for text, size in pairs)
        measured = {name: getattr(point.counts, name) for name in COUNT_NAMES}
        measured["time_ns"] = int(statistics.median(point.times_ns))
        for name, value in measured.items():
            yield Drift(case.definition.name, sizes, name, getattr(declared, name), value)
