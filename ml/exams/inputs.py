"""All that an exam reads beside base model and adapter, as one file: its order, then its rows."""

from __future__ import annotations

from collections.abc import Sequence

from ml.errors import OrderInvalid
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.offchain import ExamOrder
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.exams import EXAM_ROWS_MAX
from runtime.wire.rows import Row


def encode_exam(order: ExamOrder, rows: Sequence[Row]) -> bytes:
    """The blob of the order and its rows, in their order."""
    return encode_blob([codec_of(ExamOrder).encode(order), *(row.encode() for row in rows)])


def decode_exam(data: bytes) -> tuple[ExamOrder, tuple[Row, ...]]:
    """The order and its rows, not yet checked against each other; raises `OrderInvalid`."""
    try:
        first, *others = decode_blob(data, 1 + EXAM_ROWS_MAX)
        return codec_of(ExamOrder).decode(first), tuple(codec_of(Row).decode(row) for row in others)
    except (DecodeError, ValueError) as error:
        message = f"The inputs of an exam cannot be read: {error}"
        raise OrderInvalid(message, remedy="Write them again.") from error
