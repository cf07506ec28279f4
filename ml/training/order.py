"""Which rows a run trains on, in which order: a function of the work order and nothing else.

Everything random comes from SHAKE-128 counter streams keyed by the beacon (drawn after the job was
accepted), the job, the seed and a purpose.  Torch's generators are never used: what they draw
depends on the machine's instruction set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml.errors import OrderInvalid
from ml.exact.streams import CounterStream
from runtime.hashing import hasher
from runtime.merkle import list_root
from runtime.offchain import TrainingOrder, TrainingRow
from runtime.types import PPB

_WORD_BYTES = 8
_WORDS = 2 ** (8 * _WORD_BYTES)

_hash_split = hasher(b"validation split")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Indices into the rows of the Datanet version."""

    training: tuple[int, ...]
    validation: tuple[int, ...]
    batches: tuple[tuple[int, ...], ...]
    """One batch a step."""

    def trained(self) -> tuple[int, ...]:
        """The rows that occur in a batch, in the version's order: those that moved the model."""
        return tuple(sorted({row for batch in self.batches for row in batch}))


def stream_key(order: TrainingOrder) -> bytes:
    """The key of every random stream of a job."""
    return order.beacon + order.job.to_bytes(8, "big") + order.parameters.seed.to_bytes(4, "big")


def plan_of(order: TrainingOrder, rows: Sequence[TrainingRow]) -> TrainingPlan:
    """Split the rows into training and validation and lay the batches out.

    Validation rows are chosen by a hash of the beacon and the row, which no contributor can
    foresee. The training rows are shuffled anew for each pass; passes follow each other without a
    gap.  Raises `OrderInvalid` without rows.
    """
    training, validation = _split(order, [row.record.row_hash for row in rows])
    if not training:
        message = f"Job {order.job} has no rows to train on."
        raise OrderInvalid(message, remedy="Train on a Datanet version that has rows.")
    needed = order.parameters.steps * order.parameters.batch_rows
    sequence: list[int] = []
    passes = 0
    while len(sequence) < needed:
        stream = CounterStream(stream_key(order), f"order of pass {passes}")
        sequence.extend(training[place] for place in stream.permutation(len(training)))
        passes += 1
    width = order.parameters.batch_rows
    batches = tuple(tuple(sequence[at : at + width]) for at in range(0, needed, width))
    return TrainingPlan(training, validation, batches)


def trained_rows(order: TrainingOrder, rows: Sequence[TrainingRow]) -> tuple[TrainingRow, ...]:
    """The rows that moved the model of this order: what attribution scores and pays."""
    return tuple(rows[index] for index in plan_of(order, rows).trained())


def check_rows(order: TrainingOrder, rows: Sequence[TrainingRow]) -> None:
    """Raise `OrderInvalid` unless `rows` are exactly those that the order commits to."""
    start = 0
    for source in order.sources:
        records = [row.record.encode() for row in rows[start : start + source.row_count]]
        if list_root(records) != source.rows_root:
            message = f"The row records from {start} on do not lead to a rows root of the job."
            raise OrderInvalid(message, remedy="Fetch each version's records again, in order.")
        start += source.row_count
    if start != len(rows):
        message = f"Job {order.job} has {start} rows, and {len(rows)} were given."
        raise OrderInvalid(message, remedy="Give the rows of the order's versions, no others.")
    for index, row in enumerate(rows):
        if row.row.hash() != row.record.row_hash:
            message = f"Row {index} of job {order.job} is not the text its record commits to."
            raise OrderInvalid(message, remedy="Fetch the submission's rows again.")


def _split(
    order: TrainingOrder, row_hashes: Sequence[bytes]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    share_ppb = order.parameters.validation_ppb
    marks = [
        int.from_bytes(_hash_split(order.beacon + row)[:_WORD_BYTES], "big") for row in row_hashes
    ]
    validation = {index for index, mark in enumerate(marks) if mark * PPB < share_ppb * _WORDS}
    if share_ppb and marks:
        # A small Datanet may draw none or all of its rows: keep one on each side.
        validation.add(marks.index(min(marks)))
        validation.discard(marks.index(max(marks)))
    everything = range(len(row_hashes))
    training = tuple(index for index in everything if index not in validation)
    return training, tuple(index for index in everything if index in validation)
