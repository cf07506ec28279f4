"""The arithmetic of referenda: pure, in integers, used by the chain and by whoever predicts it.

Thresholds fall in straight lines, so that the block in which votes that stay as they are
begin to pass follows from one division.
"""

from __future__ import annotations

from dataclasses import dataclass

from pallets.governance.types import Curve, TrackTerms
from runtime import PPB
from runtime.wire.votes import VoteSum


def threshold_ppb(curve: Curve, elapsed_blocks: int, decision_blocks: int) -> int:
    """The threshold so many blocks after the decision began, in billionths; rounded up."""
    reach = _reach(curve, decision_blocks)
    fallen = (curve.start_ppb - curve.end_ppb) * min(elapsed_blocks, reach) // reach
    return curve.start_ppb - fallen


def blocks_until(curve: Curve, share_ppb: int, decision_blocks: int) -> int | None:
    """After how many blocks of the decision a share reaches the threshold; None: never."""
    missing = curve.start_ppb - share_ppb
    if missing <= 0:
        return 0
    if share_ppb < curve.end_ppb:
        return None
    return -(-missing * _reach(curve, decision_blocks) // (curve.start_ppb - curve.end_ppb))


def _reach(curve: Curve, decision_blocks: int) -> int:
    return max(1, decision_blocks * curve.reached_ppb // PPB)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a referendum stands: its shares, what they must reach, and when they would."""

    approval_ppb: int
    support_ppb: int
    approval_needed_ppb: int
    support_needed_ppb: int
    passes_after: int | None
    """Blocks from the begin of the decision until these votes pass; None: never."""

    @property
    def passing(self) -> bool:
        """Whether it would be approved if it stays so."""
        return (
            self.approval_ppb >= self.approval_needed_ppb
            and self.support_ppb >= self.support_needed_ppb
        )


def standing_of(
    tally: VoteSum, terms: TrackTerms, electorate: int, elapsed_blocks: int
) -> Standing:
    """How a tally stands so many blocks after the decision began.

    `electorate` is all OPEN that can vote, in units of 10**-18.
    """
    votes = tally.aye_tenths + tally.nay_tenths
    approval = tally.aye_tenths * PPB // votes if votes else 0
    support = min(PPB, tally.support * PPB // electorate) if electorate else 0
    blocks = terms.decision_blocks
    by_approval = blocks_until(terms.approval, approval, blocks)
    by_support = blocks_until(terms.support, support, blocks)
    never = by_approval is None or by_support is None
    return Standing(
        approval_ppb=approval,
        support_ppb=support,
        approval_needed_ppb=threshold_ppb(terms.approval, elapsed_blocks, blocks),
        support_needed_ppb=threshold_ppb(terms.support, elapsed_blocks, blocks),
        passes_after=None if never else max(by_approval or 0, by_support or 0),
    )
