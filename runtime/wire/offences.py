"""What validators are punished for: shared by the pallet that punishes and the code that proves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.types import U32, BlockNumber, Max

EVIDENCE_BYTES_MAX = 60 * 1024
"""The largest piece of evidence: an extrinsic has room for it.

Certificates of more validators do not fit; the pairs of votes in them do, one culprit each.
"""
OFFERED_MAX = 8
"""The most pieces that a proposer's node offers for one block, which takes one of them."""
OFFERED_AS = "evidence"
"""The name under which it does."""

EvidenceBytes = Annotated[bytes, Max(EVIDENCE_BYTES_MAX)]
OfferedEvidence = Annotated[tuple[EvidenceBytes, ...], Max(OFFERED_MAX)]
"""Encoded, it is what the node offers."""


class OffenceKind(IntEnum):
    """What a validator did, from the least to see through to the most (`consensus.evidence`)."""

    DUPLICATE_PROPOSAL = 0
    CONFLICTING_NOTARIZE = 1
    CONFLICTING_FINALIZE = 2
    NULLIFY_FINALIZE = 3
    FINALIZE_VERSUS_NOTARIZE = 4
    BAD_SHARE = 5
    LIGHT_CLIENT_ATTACK = 6


@dataclass(frozen=True, slots=True)
class Offence:
    """What a piece of evidence proves."""

    kind: OffenceKind
    height: BlockNumber
    round: U32
    validators_hash: bytes
    """Of the set that the offenders signed as; it must be the one that decided the height."""
    culprits: tuple[bytes, ...]
    """Accounts of the offenders: members of that set, each once."""
