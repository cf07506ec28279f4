"""What `Audits` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U32, AccountId, Amount, BlockNumber, Hash, Max
from runtime.wire.records import PANEL_MAX, Panel

DRAWS_MAX = 32
"""The most results that wait for the draw of their auditors."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A result whose auditors are drawn by the first beacon that nobody knew before."""

    job: U32
    worker: AccountId
    fee: Amount
    panel: Panel
    at: BlockNumber


Draws = Annotated[tuple[Draw, ...], Max(DRAWS_MAX)]


@dataclass(frozen=True, slots=True)
class Audit:
    """What one auditor said of a result."""

    auditor: AccountId
    bond: Amount
    """What of its bond is locked."""
    blinded: Hash | None = None
    """The blinded root that it computed; none before."""
    root: Hash | None = None
    """The root itself, told after the worker's."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Who audits a result, and until when."""

    fee: Amount
    """Of the job."""
    is_panel: bool
    """Whether the auditors' majority decides, because nobody else can check the result."""
    audits: Annotated[tuple[Audit, ...], Max(PANEL_MAX)]
    due: BlockNumber
    """The height at which the worker may reveal without waiting for the auditors any longer."""
    root: Hash | None = None
    """What the worker revealed."""
