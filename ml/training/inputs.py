"""All that a run reads beside its base model, as one file: the work order, then its rows."""

from __future__ import annotations

from collections.abc import Sequence

from ml.errors import OrderInvalid
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.offchain import TrainingOrder, TrainingRow
from runtime.wire.blobs import decode_blob, encode_blob

ROWS_MAX = 1_000_000
"""Rows of one order."""


def encode_inputs(order: TrainingOrder, rows: Sequence[TrainingRow]) -> bytes:
    """The blob of the order and its rows, in their order."""
    encoded = [codec_of(TrainingRow).encode(row) for row in rows]
    return encode_blob([codec_of(TrainingOrder).encode(order), *encoded])


def decode_inputs(data: bytes) -> tuple[TrainingOrder, tuple[TrainingRow, ...]]:
    """The order and its rows, not yet checked against each other; raises `OrderInvalid`."""
    try:
        first, *others = decode_blob(data, 1 + ROWS_MAX)
        rows = tuple(codec_of(TrainingRow).decode(item) for item in others)
        return codec_of(TrainingOrder).decode(first), rows
    except (DecodeError, ValueError) as error:
        message = f"The inputs of a run cannot be read: {error}"
        raise OrderInvalid(
            message, remedy="Write them again, or fetch the bundle again."
        ) from error
