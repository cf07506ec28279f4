"""The tracks: on whose behalf each makes its calls, and the terms a new chain begins with.

The harder a call can hurt, the longer and the clearer the majority: Root needs four weeks and, in
the end, half of the votes and a tenth of all OPEN that can vote.  What stops abuse is decided in
hours, by a clear majority that begins high.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pallets.governance.types import Curve, TrackTerms
from runtime import OPEN, PPB
from runtime.wire.votes import TrackName

BLOCKS_PER_HOUR = 7_200
"""Of half a second."""
BLOCKS_PER_DAY = 24 * BLOCKS_PER_HOUR
BLOCKS_PER_WEEK = 7 * BLOCKS_PER_DAY
_MAJORITY_PPB = PPB // 2 + 1

ORIGINS: Mapping[TrackName, str | None] = MappingProxyType(
    {
        TrackName.ROOT: None,
        TrackName.PARAMETERS: "parameters",
        TrackName.SMALL_SPENDER: "small_spender",
        TrackName.LARGE_SPENDER: "large_spender",
        TrackName.CANCELLER: "canceller",
        TrackName.KILLER: "killer",
    }
)
"""The name of the origin of each track's calls; None is the chain itself."""


def _flat(share_ppb: int) -> Curve:
    return Curve(share_ppb, share_ppb, PPB)


ROOT_TERMS = TrackTerms(
    decision_deposit=100_000 * OPEN,
    deciding_max=1,
    prepare_blocks=2 * BLOCKS_PER_DAY,
    decision_blocks=4 * BLOCKS_PER_WEEK,
    confirm_blocks=2 * BLOCKS_PER_DAY,
    enactment_blocks=2 * BLOCKS_PER_DAY,
    approval=Curve(PPB, _MAJORITY_PPB, PPB),
    support=Curve(PPB // 2, PPB // 10, PPB),
)
PARAMETERS_TERMS = TrackTerms(
    decision_deposit=10_000 * OPEN,
    deciding_max=10,
    prepare_blocks=BLOCKS_PER_DAY,
    decision_blocks=BLOCKS_PER_WEEK,
    confirm_blocks=BLOCKS_PER_DAY,
    enactment_blocks=BLOCKS_PER_WEEK,
    approval=_flat(_MAJORITY_PPB),
    support=_flat(PPB // 20),
)
SMALL_SPENDER_TERMS = TrackTerms(
    decision_deposit=1_000 * OPEN,
    deciding_max=10,
    prepare_blocks=BLOCKS_PER_DAY,
    decision_blocks=2 * BLOCKS_PER_WEEK,
    confirm_blocks=BLOCKS_PER_DAY,
    enactment_blocks=BLOCKS_PER_DAY,
    approval=Curve(PPB * 8 // 10, _MAJORITY_PPB, PPB),
    support=Curve(PPB // 20, PPB // 100, PPB),
)
LARGE_SPENDER_TERMS = TrackTerms(
    decision_deposit=20_000 * OPEN,
    deciding_max=5,
    prepare_blocks=2 * BLOCKS_PER_DAY,
    decision_blocks=4 * BLOCKS_PER_WEEK,
    confirm_blocks=2 * BLOCKS_PER_DAY,
    enactment_blocks=BLOCKS_PER_DAY,
    approval=Curve(PPB * 9 // 10, _MAJORITY_PPB, PPB),
    support=Curve(PPB // 4, PPB // 20, PPB),
)
CANCELLER_TERMS = TrackTerms(
    decision_deposit=10_000 * OPEN,
    deciding_max=10,
    prepare_blocks=BLOCKS_PER_HOUR,
    decision_blocks=BLOCKS_PER_WEEK,
    confirm_blocks=3 * BLOCKS_PER_HOUR,
    enactment_blocks=BLOCKS_PER_HOUR // 6,
    approval=Curve(PPB, _MAJORITY_PPB, PPB),
    support=Curve(PPB // 10, PPB // 50, PPB // 2),
)
KILLER_TERMS = TrackTerms(
    decision_deposit=50_000 * OPEN,
    deciding_max=10,
    prepare_blocks=BLOCKS_PER_HOUR // 6,
    decision_blocks=BLOCKS_PER_WEEK,
    confirm_blocks=3 * BLOCKS_PER_HOUR,
    enactment_blocks=BLOCKS_PER_HOUR // 6,
    approval=Curve(PPB, PPB * 6 // 10, PPB),
    support=Curve(PPB // 5, PPB // 50, PPB // 2),
)


def terms_problem(terms: TrackTerms) -> str | None:
    """What is wrong with the terms of a track, or None."""
    for curve in (terms.approval, terms.support):
        if curve.start_ppb < curve.end_ppb:
            return "A threshold must not rise while a referendum is decided."
    if not terms.approval.end_ppb > PPB // 2:
        return "Less than a majority of the votes would be enough."
    return None
