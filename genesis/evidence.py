"""Consensus as the judge of evidence: what the offences pallet is composed with."""

from __future__ import annotations

from collections.abc import Callable

from consensus.cryptography import CRYPTOGRAPHY
from consensus.errors import InvalidCertificate, InvalidEvidence
from consensus.evidence import Evidence, judge
from runtime.errors import DecodeError
from runtime.wire.offences import Offence
from runtime.wire.validators import ValidatorSet


def verify_evidence(
    evidence: bytes, genesis_hash: bytes, known_set: Callable[[bytes], ValidatorSet | None]
) -> Offence | None:
    """The offence that encoded evidence proves, or None; see `runtime.traits.EvidenceVerifier`."""
    try:
        shown = Evidence.decode(evidence)
        verdict = judge(shown, known_set, genesis_hash, CRYPTOGRAPHY)
    except (DecodeError, InvalidEvidence, InvalidCertificate):
        return None
    return Offence(
        kind=verdict.offence,
        height=verdict.height,
        round=verdict.round,
        validators_hash=shown.validators_hash,
        culprits=verdict.culprits,
    )
