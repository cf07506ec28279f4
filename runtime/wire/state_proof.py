"""`StateProof`: one proof for many storage keys under one state root.

Field order is the encoding.  `runtime/state/multiproof.py` makes and verifies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.types import Max

PROOF_KEYS_MAX = 1_024
"""The most keys of one proof."""


@dataclass(frozen=True, slots=True)
class ProvedValue:
    """A storage key and its value; empty: it has none."""

    key: Annotated[bytes, Max(512)]
    value: Annotated[bytes, Max(65_536)]


@dataclass(frozen=True, slots=True)
class StateProof:
    """Storage values with what is needed beside them to compute the state root."""

    entries: Annotated[tuple[ProvedValue, ...], Max(PROOF_KEYS_MAX)]
    """Sorted by the hash of their key."""
    depths: Annotated[bytes, Max(PROOF_KEYS_MAX)]
    """One byte for each bucket of an entry, from left to right: the nodes above it."""
    others: Annotated[tuple[Annotated[bytes, Max(512)], ...], Max(PROOF_KEYS_MAX)]
    """For each of these buckets, its (key hash, value hash) pairs beside those of the entries."""
    siblings: Annotated[bytes, Max(PROOF_KEYS_MAX * 256 * 32)]
    """The hashes of subtrees without an entry, 32 bytes each, from left to right."""

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(StateProof).encode(self)

    @staticmethod
    def decode(data: bytes) -> StateProof:
        """The proof; raises `DecodeError`."""
        return codec_of(StateProof).decode(data)
