"""What `DatanetVotes` stores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from runtime import AccountId, Amount, BlockNumber
from runtime.wire.datanets import Terms


class ProposalState(IntEnum):
    """The life of a proposal."""

    OPEN = 0
    PASSED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """Other terms for a Datanet, and the votes on them."""

    proposer: AccountId
    terms: Terms
    deposit: Amount
    ends_at: BlockNumber
    state: ProposalState
    approving: Amount = 0
    """What its votes weigh, by stake and earnings, in units of 10**-18 OPEN."""
    rejecting: Amount = 0
