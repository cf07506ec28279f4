"""Weights of Offences."""

from __future__ import annotations

from runtime import Weight

cancel_slash = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=100_000,
)
