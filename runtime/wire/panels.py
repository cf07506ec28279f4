"""The blinded commitment by which a juror scores a case."""

from __future__ import annotations

from runtime.hashing import hash_commitment

_CASE_BYTES = 4
_SCORE_BYTES = 4


def score_commitment(juror: bytes, case: int, score_ppb: int, salt: bytes) -> bytes:
    """The commitment of a juror (32 bytes) to a score of 0 to 10**9; the salt has 32 bytes."""
    number = case.to_bytes(_CASE_BYTES, "big")
    return hash_commitment(juror + number + score_ppb.to_bytes(_SCORE_BYTES, "big") + salt)
