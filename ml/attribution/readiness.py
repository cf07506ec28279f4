"""How faithful influence will be, foretold from a recipe before its model is trained.

Influence is a first-order answer, as right as training is linear in its rows' weights.  What
breaks that most is Adam itself: it divides a gradient by the root of its mean square v + epsilon.
Where v outweighs epsilon a step is the gradient's sign, which jumps when a row is left out; where
epsilon outweighs v it is proportional to the gradient.  `sign_share` is v / (v + epsilon), with the
v that adapters have once their warm-up is over.  Then a small batch gives each row much weight in
the few steps that it is in.  `python -m bench.attribution_sweep` measures how linear recipes are
(docs/adr/0039): the thresholds are between those that it found linear and the others.
"""

from __future__ import annotations

from enum import StrEnum

from runtime.types import PPB
from runtime.wire.training_parameters import TrainingParameters

GRADIENT_SQUARE = 6.5e-6
"""The median mean square of an adapter's gradients after the warm-up: short rows on the embedded
model, with recipes as far apart as the default and an ordinary one."""
SIGN_SHARE_NEAR_EXACT = 0.5
SIGN_SHARE_GOOD = 0.8
BATCH_ROWS_NEAR_EXACT = 50
BATCH_ROWS_GOOD = 20


class Readiness(StrEnum):
    """How faithful the influence on a model's answers will be."""

    NEAR_EXACT = "near-exact"
    GOOD = "good"
    POOR = "poor"


def readiness(parameters: TrainingParameters) -> Readiness:
    """The label of a recipe: the worst that its epsilon, its batches and its noise allow.

    Rows that share sequences cannot be told apart at all; dropout and clipping have not been
    measured, and are never called near-exact.
    """
    share, rows = sign_share(parameters), parameters.batch_rows
    if parameters.packing or share > SIGN_SHARE_GOOD or rows < BATCH_ROWS_GOOD:
        return Readiness.POOR
    is_measured = not parameters.dropout_ppb and not parameters.clip_norm_ppb
    is_smooth = share <= SIGN_SHARE_NEAR_EXACT and rows >= BATCH_ROWS_NEAR_EXACT
    return Readiness.NEAR_EXACT if is_measured and is_smooth else Readiness.GOOD


def sign_share(parameters: TrainingParameters) -> float:
    """How much of a typical step is its gradient's sign: 0 (none) to 1 (all)."""
    return GRADIENT_SQUARE / (GRADIENT_SQUARE + parameters.epsilon_ppb / PPB)
