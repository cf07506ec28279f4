"""The transcript of a run: one leaf a step, which binds the state reached and the rows consumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum

from ml.training.adam import AdamW
from ml.training.adapter import AdaptedModel
from runtime.codec import codec_of
from runtime.hashing import hasher
from runtime.merkle import list_root
from runtime.wire.records import TranscriptLeaf

GRID = 2**30
"""Losses and scores are integers of 1/GRID nats."""

_hash_state = hasher(b"training state")


class Fault(IntEnum):
    """Why a job ended before its last step."""

    NONE = 0
    LOSS_NOT_FINITE = 1
    STATE_NOT_FINITE = 2


def state_root(model: AdaptedModel, optimiser: AdamW) -> bytes:
    """The 32-byte hash of the training state after a step.

    Hashed are, for each adapter tensor in order of its PEFT name, the float32 little-endian bytes
    of its weights, of the first moment and of the second moment, in C order.
    """
    parts: list[bytes] = []
    for name, parameter in model.parameters.items():
        moments = optimiser.moments[name]
        tensors = (parameter.detach(), moments.mean, moments.square)
        parts.extend(tensor.numpy().astype("<f4", copy=False).tobytes() for tensor in tensors)
    return _hash_state(b"".join(parts))


def leaf_of(
    step: int, state: bytes, row_hashes: Sequence[bytes], loss: float, fault: Fault
) -> TranscriptLeaf:
    """The leaf of a step (from 0); a loss that is not finite is written as 0 beside its fault."""
    grid = round(loss * GRID) if math.isfinite(loss) else 0
    return TranscriptLeaf(step, state, list_root(row_hashes), grid, int(fault))


def encode_leaf(leaf: TranscriptLeaf) -> bytes:
    """The canonical bytes of a leaf, which the transcript root commits to."""
    return codec_of(TranscriptLeaf).encode(leaf)
