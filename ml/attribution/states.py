"""What a replay knows between two leaves of its way back, and its canonical bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import torch

from ml.errors import AttributionInvalid
from ml.exact.adjoint import Adjoint

_SIZES = struct.Struct("<IIII")
_FLOAT_BYTES, _UNIT_BYTES = 4, 8
_VECTORS = 3


@dataclass(frozen=True, slots=True)
class ReplayState:
    """The adjoint of the target, and the scores so far."""

    adjoint: Adjoint
    """Of one target."""
    scores: torch.Tensor
    """int64 [nodes so far, trained rows] of 2**-40 nats."""
    shares: torch.Tensor
    """int64 [answers] of 2**-30: what each answer's log-likelihood weighs in the target."""

    def encode(self) -> bytes:
        """The canonical bytes: sizes, float32 adjoint, int64 scores and shares, little-endian."""
        adjoint = self.adjoint
        vectors = (adjoint.parameters, adjoint.means, adjoint.squares)
        sizes = (vectors[0].shape[1], *self.scores.shape, len(self.shares))
        parts = [vector.numpy().astype("<f4", copy=False).tobytes() for vector in vectors]
        units = [part.numpy().astype("<i8", copy=False) for part in (self.scores, self.shares)]
        return b"".join([_SIZES.pack(*sizes), *parts, *(part.tobytes() for part in units)])

    @classmethod
    def decode(cls, data: bytes) -> ReplayState:
        """The state of canonical bytes; raises `AttributionInvalid` for a length that none has."""
        head = data[: _SIZES.size]
        sizes = _SIZES.unpack(head) if len(head) == _SIZES.size else (0, 0, 0, 0)
        numbers, nodes, rows, answers = sizes
        floats, units = _VECTORS * numbers, nodes * rows + answers
        length = _SIZES.size + floats * _FLOAT_BYTES + units * _UNIT_BYTES
        if len(data) != length or not numbers:
            message = f"A state of a replay cannot have {len(data)} bytes."
            raise AttributionInvalid(message, remedy="Fetch the state again.")
        body = bytearray(data[_SIZES.size :])
        adjoint = torch.frombuffer(body, dtype=torch.float32, count=floats)
        parameters, means, squares = adjoint.view(_VECTORS, 1, numbers).unbind()
        # Scores need not lie at a multiple of their size: a copy does.
        tail = bytearray(body[floats * _FLOAT_BYTES :])
        whole = torch.frombuffer(tail, dtype=torch.int64, count=units)
        scores = whole[: nodes * rows].view(nodes, rows)
        return cls(Adjoint(parameters, means, squares), scores, whole[nodes * rows :])
