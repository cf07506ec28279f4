"""How faithful influence will be, foretold from a recipe before its model is trained.

Influence is a first-order answer, as right as training is linear in its rows' weights.  What
breaks that most is Adam itself: it divides a gradient by the root of its mean square v + epsilon.
Where v outweighs epsilon a step is the gradient's sign, which jumps when a row is left out; where
epsilon outweighs v it is proportional to the gradient.  `sign_share` is v / (v + epsilon), with the
v that adapters have once their warm-up is over.

The forecast is the straight line through two recipes whose fidelity has been measured (the rank
correlation with retraining without a tenth of the rows, docs/adr/0039).  It tells recipes apart
and is no promise: what a model's influence is worth, its calibration says.
"""

from __future__ import annotations

from enum import StrEnum

from runtime.types import PPB
from runtime.wire.training_parameters import TrainingParameters

GRADIENT_SQUARE = 6.5e-6
"""The median mean square of an adapter's gradients after the warm-up: short rows on the embedded
model, with recipes as far apart as the default and an ordinary one."""
FIDELITY_OF_DEFAULT = 0.82
"""Epsilon 1e-5, whose sign share is 0.39."""
FIDELITY_OF_SIGNS = 0.34
"""An epsilon of next to nothing, whose sign share is 1."""
SIGN_SHARE_OF_DEFAULT = 0.39
NEAR_EXACT_FIDELITY = 0.93
"""The bar of the design (proof of attribution)."""
GOOD_FIDELITY = 0.6
"""Above the best of the published methods on ordinary recipes."""
BATCH_ROWS_NEAR_EXACT = 50
BATCH_ROWS_GOOD = 20


class Readiness(StrEnum):
    """How faithful the influence on a model's answers will be."""

    NEAR_EXACT = "near-exact"
    GOOD = "good"
    POOR = "poor"


def readiness(parameters: TrainingParameters) -> Readiness:
    """The label of a recipe: the worst that its epsilon, its batches and its noise allow.

    Rows that share sequences cannot be told apart at all.  A small batch gives each row much weight
    in the few steps that it is in.  Dropout and clipping have not been measured, and are never
    called near-exact.
    """
    fidelity, rows = foretold_fidelity(parameters), parameters.batch_rows
    if parameters.packing or fidelity < GOOD_FIDELITY or rows < BATCH_ROWS_GOOD:
        return Readiness.POOR
    is_measured = not parameters.dropout_ppb and not parameters.clip_norm_ppb
    is_smooth = fidelity >= NEAR_EXACT_FIDELITY and rows >= BATCH_ROWS_NEAR_EXACT
    return Readiness.NEAR_EXACT if is_measured and is_smooth else Readiness.GOOD


def foretold_fidelity(parameters: TrainingParameters) -> float:
    """The rank correlation with retraining that a recipe's epsilon lets one hope for, at most 1."""
    slope = (FIDELITY_OF_SIGNS - FIDELITY_OF_DEFAULT) / (1.0 - SIGN_SHARE_OF_DEFAULT)
    beyond = sign_share(parameters) - SIGN_SHARE_OF_DEFAULT
    return min(1.0, FIDELITY_OF_DEFAULT + slope * beyond)


def sign_share(parameters: TrainingParameters) -> float:
    """How much of a typical step is its gradient's sign: 0 (none) to 1 (all)."""
    return GRADIENT_SQUARE / (GRADIENT_SQUARE + parameters.epsilon_ppb / PPB)
