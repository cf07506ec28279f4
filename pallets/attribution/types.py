"""What `Attribution` stores beside the settlements, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import U32, AccountId, Amount
from runtime.wire.attribution import AttributionTask


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """The job that is to divide an epoch's pool, and who paid for it."""

    job: U32
    task: AttributionTask
    of_pool: Amount
    """The part of the job's price that the pool pays; the task divides the rest of the pool."""
    sponsor: AccountId
    """Who paid the rest of the price."""
    of_sponsor: Amount
