"""What `Workers` stores of a worker."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import U32, Amount


@dataclass(slots=True)
class Worker:
    """A bonded worker."""

    bond: Amount
    locked: Amount
    """The part of the bond that jobs and audits in progress can cost."""
    clean_jobs: U32
    """Jobs settled since the worker bonded, or was last convicted."""
    seat: U32
    """Its place among the workers, from which auditors are drawn."""
