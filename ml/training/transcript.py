"""The transcript of a run: one leaf a step, which binds the state reached and the rows consumed."""

from __future__ import annotations

import math
import struct
from enum import IntEnum

from ml.training.adam import AdamW
from ml.training.adapter import AdaptedModel
from ml.training.recipe import learning_rate_at
from runtime.hashing import hasher
from runtime.offchain import TrainingOrder
from runtime.wire.transcripts import TranscriptLeaf

OPERATORS = "torch-f32"
"""Ordinary torch: equal bits on one machine and thread count only."""
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
    order: TrainingOrder, step: int, state: bytes, batch_root: bytes, loss: float, fault: Fault
) -> TranscriptLeaf:
    """The leaf of a step; a loss that is not finite is written as 0 beside its fault."""
    parameters = order.parameters
    done = min(step, parameters.steps)
    rate = learning_rate_at(parameters, step - 1) if 1 <= step <= parameters.steps else 0.0
    return TranscriptLeaf(
        operators=OPERATORS,
        job=order.hash(),
        step=step,
        state_root=state,
        batch_root=batch_root,
        random_counter=0,
        cursor=done * parameters.batch_rows,
        learning_rate_bits=int.from_bytes(struct.pack(">f", rate), "big"),
        loss_grid=round(loss * GRID) if math.isfinite(loss) else 0,
        fault=int(fault),
    )
