"""What `Compute` stores beside the jobs, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import U32, Amount, BlockNumber


@dataclass(slots=True)
class Worker:
    """A bonded worker."""

    bond: Amount
    open_jobs: U32
    """Jobs claimed and not settled or refunded yet."""
    bonded_until: BlockNumber
    """The first height at which the bond may be withdrawn."""
