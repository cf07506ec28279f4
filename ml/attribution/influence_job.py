"""An attribute job made ready: a training, the answers to attribute, and the order of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ml.attribution.credit import credit_classes
from ml.errors import AttributionInvalid
from ml.training.encode import EncodedRow, encode_rows
from ml.training.job import PreparedJob
from runtime.merkle import list_root
from runtime.offchain import Answer, InfluenceOrder, TrainingRow
from runtime.wire.influence_transcripts import NODES_MAX, InfluenceShape
from runtime.wire.rows import Row

ANSWERS_MAX = 4_096
"""The most answers of one job."""
ANSWER_TOKENS_MAX = 512
"""How much of an answer is attributed; a base model's context length binds besides."""


@dataclass(frozen=True)
class InfluenceJob:
    """The order with the training that it replays and the answers that it attributes."""

    order: InfluenceOrder
    training: PreparedJob
    answers: tuple[EncodedRow, ...]
    fees: tuple[int, ...]

    @cached_property
    def order_hash(self) -> bytes:
        """What binds every leaf to this job, 32 bytes."""
        return self.order.hash()

    @property
    def shape(self) -> InfluenceShape:
        """What determines the transcript's length."""
        return InfluenceShape(self.training.parameters.steps, self.order.nodes)

    @cached_property
    def trained(self) -> dict[int, int]:
        """The number among the scores of each row that was trained on, by its index."""
        return {index: number for number, index in enumerate(self.training.plan.trained())}

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Of each row that has a score, the first row of its credit class."""
        counts = [source.row_count for source in self.training.order.sources]
        firsts = credit_classes(self.training.rows, counts)
        # The first row of a class may not have been trained on: then the next one stands for it.
        numbers: dict[int, int] = {}
        return tuple(
            numbers.setdefault(firsts[index], number) for index, number in self.trained.items()
        )

    def trained_rows(self) -> tuple[TrainingRow, ...]:
        """The rows that have scores, in the order of the scores."""
        return tuple(self.training.rows[index] for index in self.trained)

    def weight(self, node: int) -> float:
        """What every row weighs at a node, counted from 0: all of it at the first.

        The mean of the scores over nodes k / m is the right-hand sum of Aumann and Shapley's
        integral ("Values of non-atomic games", 1974), from no data to all of it.
        """
        return (self.order.nodes - node) / self.order.nodes


def prepare_influence(
    training: PreparedJob, order: InfluenceOrder, answers: Sequence[Answer]
) -> InfluenceJob:
    """Check an order against its training and its answers.

    Raises `AttributionInvalid` for another training's order, for answers that it does not commit
    to, without paid answers, and for a recipe whose rows share sequences.
    """
    _check(training, order, answers)
    parameters, model = training.parameters, training.model
    said = [Row(answer.prompt, answer.output) for answer in answers]
    room = min(ANSWER_TOKENS_MAX, model.shape.positions_max)
    encoded = encode_rows(training.tokenizer, said, room, parameters.prompt_template)
    return InfluenceJob(order, training, encoded, tuple(answer.weight for answer in answers))


def _check(training: PreparedJob, order: InfluenceOrder, answers: Sequence[Answer]) -> None:
    if order.training != training.order_hash:
        message = f"Attribute job {order.job} replays another training."
        raise AttributionInvalid(message, remedy="Prepare the training order that it names.")
    committed = list_root([answer.encode() for answer in answers])
    if (committed, len(answers)) != (order.answers_root, order.answer_count):
        message = f"The {len(answers)} answers are not those of attribute job {order.job}."
        raise AttributionInvalid(message, remedy="Give the order's answers, in its order.")
    if not 1 <= len(answers) <= ANSWERS_MAX or not any(answer.weight for answer in answers):
        message = f"None of {len(answers)} answers can be attributed."
        raise AttributionInvalid(
            message, remedy=f"Give 1 to {ANSWERS_MAX} answers, one of them paid."
        )
    if not 1 <= order.nodes <= NODES_MAX:
        message = f"A replay at {order.nodes} nodes was asked for."
        raise AttributionInvalid(message, remedy=f"Choose 1 to {NODES_MAX} nodes.")
    if training.parameters.packing:
        message = f"The rows of training job {training.order.job} share sequences."
        raise AttributionInvalid(
            message, remedy="Train without packing: each row has its own loss."
        )
