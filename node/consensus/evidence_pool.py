"""Proof of faults that this node has seen, waiting for a block of its own."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.codec import codec_of
from runtime.wire.offences import EVIDENCE_BYTES_MAX, OFFERED_AS, OFFERED_MAX, OfferedEvidence

PIECES_MAX = 256
"""Pieces that wait; later ones are dropped."""


class EvidencePool:
    """Encoded evidence in the order in which it was found."""

    def __init__(self) -> None:
        self._pieces: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, piece: bytes) -> None:
        """Keep a piece, if it fits into a block and not too many wait."""
        if len(self._pieces) < PIECES_MAX and len(piece) <= EVIDENCE_BYTES_MAX:
            self._pieces[piece] = None

    def offer(self) -> tuple[bytes, ...]:
        """The pieces for the next block, which takes one of them at most."""
        return tuple(self._pieces)[:OFFERED_MAX]

    def settle(self, offered: Sequence[bytes], taken: Sequence[bytes]) -> None:
        """Forget what a block took; if it took nothing, nothing that was offered counts."""
        for piece in taken or offered:
            self._pieces.pop(piece, None)


def offered_evidence(pieces: Sequence[bytes]) -> dict[str, bytes]:
    """What the runtime is offered beside extrinsics."""
    return {OFFERED_AS: codec_of(OfferedEvidence).encode(tuple(pieces))} if pieces else {}
