"""Recipes to compare: the default, ordinary ones, and what could be changed of the default.

All pass over the rows as often as the default does, which is what a training costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.training.recipe import PASSES, default_training_parameters, steps_of
from runtime.wire.training_parameters import Schedule, TrainingParameters


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe: what it changes of the default."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    tail_steps: int = 1

    def parameters(self, row_count: int) -> TrainingParameters:
        """The recipe for so many rows, in as many passes over them as the default has."""
        default = default_training_parameters(row_count)
        changed = dataclasses.replace(default, **self.changes)
        return dataclasses.replace(changed, steps=steps_of(PASSES, row_count, changed.batch_rows))


def _ordinary(learning_rate_ppb: int, batch_rows: int) -> Candidate:
    """AdamW as everybody uses it: epsilon negligible, the rate falling to 0."""
    return Candidate(
        {
            "learning_rate_ppb": learning_rate_ppb,
            "batch_rows": batch_rows,
            "epsilon_ppb": 1,
            "schedule": Schedule.LINEAR,
            "warmup_steps": 4,
        }
    )


def _smooth(
    learning_rate_ppb: int, epsilon_ppb: int, *, tail_steps: int = 1, **changes: object
) -> Candidate:
    """Epsilon so large that small gradients take small steps."""
    chosen = {"learning_rate_ppb": learning_rate_ppb, "epsilon_ppb": epsilon_ppb}
    return Candidate(chosen | changes, tail_steps)


CANDIDATES: Mapping[str, Candidate] = {
    "default": Candidate(),
    "ordinary 1e-3": _ordinary(1_000_000, 20),
    "ordinary 2e-3": _ordinary(2_000_000, 20),
    "ordinary 3e-3": _ordinary(3_000_000, 20),
    "ordinary 6e-3": _ordinary(6_000_000, 20),
    "ordinary 3e-3, batch 50": _ordinary(3_000_000, 50),
    "lr 12e-3": _smooth(12_000_000, 10_000),
    "lr 12e-3, epsilon 4e-5": _smooth(12_000_000, 40_000),
    "lr 20e-3, epsilon 1e-4": _smooth(20_000_000, 100_000),
    "lr 60e-3, epsilon 1e-3": _smooth(60_000_000, 1_000_000),
    "linear decay": _smooth(6_000_000, 10_000, schedule=Schedule.LINEAR),
    "lr 9e-3, linear decay": _smooth(9_000_000, 10_000, schedule=Schedule.LINEAR),
    "tail of 8": _smooth(6_000_000, 10_000, tail_steps=8),
    "batch 25, lr 4e-3": _smooth(4_000_000, 10_000, batch_rows=25),
    "batch 100": _smooth(9_000_000, 10_000, batch_rows=100, warmup_steps=4),
}
ORDINARY = tuple(name for name in CANDIDATES if name.startswith("ordinary"))
