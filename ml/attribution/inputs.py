"""All that an attribute job reads beside its base model, as one file.

A blob of: the inputs of the training that it replays (`ml/training/inputs.py`), the influence
order, and the answers, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from ml.attribution.influence_job import ANSWERS_MAX
from ml.errors import AttributionInvalid
from ml.training.inputs import decode_inputs, encode_inputs
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.offchain import Answer, InfluenceOrder, TrainingOrder, TrainingRow
from runtime.types import Amount, Max
from runtime.wire.blobs import decode_blob, encode_blob

TEXT_BYTES_MAX = 2**20
_HEAD_ITEMS = 2


@dataclass(frozen=True, slots=True)
class InfluenceInputs:
    """An attribute job as the chain, the content store and the servers have it."""

    training: TrainingOrder
    rows: tuple[TrainingRow, ...]
    order: InfluenceOrder
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer in the file."""

    prompt: Annotated[str, Max(TEXT_BYTES_MAX)]
    output: Annotated[str, Max(TEXT_BYTES_MAX)]
    weight: Amount


def encode_influence_inputs(inputs: InfluenceInputs) -> bytes:
    """The blob of everything, in its order."""
    said = [_Said(answer.prompt, answer.output, answer.weight) for answer in inputs.answers]
    return encode_blob(
        [
            encode_inputs(inputs.training, inputs.rows),
            codec_of(InfluenceOrder).encode(inputs.order),
            *[codec_of(_Said).encode(answer) for answer in said],
        ]
    )


def decode_influence_inputs(data: bytes) -> InfluenceInputs:
    """The parts, not yet checked against each other.

    Raises `AttributionInvalid`, and `OrderInvalid` for the training's.
    """
    try:
        first, second, *others = decode_blob(data, _HEAD_ITEMS + ANSWERS_MAX)
        order = codec_of(InfluenceOrder).decode(second)
        said = [codec_of(_Said).decode(item) for item in others]
    except (DecodeError, ValueError) as error:
        message = f"The inputs of an attribute job cannot be read: {error}"
        raise AttributionInvalid(message, remedy="Write them again.") from error
    training, rows = decode_inputs(first)
    return InfluenceInputs(training, rows, order, _answers(said))


def _answers(said: Sequence[_Said]) -> tuple[Answer, ...]:
    return tuple(Answer(each.prompt, each.output, each.weight) for each in said)
