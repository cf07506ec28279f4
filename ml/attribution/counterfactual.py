"""The adapter that a training would have given without some of its rows: exact, by training again.

Everything else stays as it was: the order of the rows, the recipe, the beacon's streams, and by how
many rows a batch is divided.  Left-out rows weigh nothing.  What comes before the first batch that
holds one of them is shared by all.

An answer's log-likelihood under the adapter, less that under the adapter without a contributor, is
what the contributor was worth to this very answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ml.attribution.trail import gradient_of, take_step
from ml.errors import AttributionInvalid
from ml.exact.adapter import Adapter
from ml.exact.gradients import (
    BatchGradient,
    Dropout,
    Fault,
    TokenRow,
    batch_gradient,
    evaluate,
)
from ml.exact.loss import LOSS_UNITS
from ml.exact.optimiser import AdamState, adam_step
from ml.training.job import PreparedJob
from ml.training.recipe import step_settings
from ml.training.steps import initial_state

GROUPS_MAX = 64
"""The most adapters of one call: contributors, or groups of them."""


def contributors_of(training: PreparedJob) -> dict[bytes, frozenset[int]]:
    """The indices of each owner's rows that were trained on, by account, sorted."""
    owned: dict[bytes, list[int]] = {}
    for index in training.plan.trained():
        owned.setdefault(training.rows[index].record.owner, []).append(index)
    return {owner: frozenset(owned[owner]) for owner in sorted(owned)}


def counterfactual_adapters(
    training: PreparedJob, groups: Sequence[frozenset[int]]
) -> tuple[Adapter, tuple[Adapter, ...]]:
    """The adapter of the training, and for each group of row indices the one without them.

    Raises `AttributionInvalid` for too many groups, for rows that share sequences, and where a
    training ends with a fault.
    """
    if len(groups) > GROUPS_MAX:
        message = f"Adapters without {len(groups)} groups of rows were asked for."
        raise AttributionInvalid(message, remedy=f"Join them into at most {GROUPS_MAX}.")
    if training.parameters.packing:
        message = "The rows of this training share sequences."
        raise AttributionInvalid(message, remedy="Train without packing: a row can be left out.")
    found: dict[int, Adapter] = {}
    state = initial_state(training)
    for step, places in enumerate(training.plan.batches, 1):
        for number, group in enumerate(groups):
            if number not in found and not group.isdisjoint(places):
                found[number] = _finished(training, state, step, group)
        _taken, state, fault = take_step(training, 1.0, state, step)
        _require(fault)
    whole = Adapter(training.layout, state.parameters)
    return whole, tuple(found.get(number, whole) for number in range(len(groups)))


def counterfactual_scores(
    training: PreparedJob,
    whole: Adapter,
    without: Sequence[Adapter],
    targets: Sequence[TokenRow],
) -> torch.Tensor:
    """float64 [groups, targets] in nats: how much likelier the targets are with the group's rows.

    A target's log-likelihood is the mean over its tokens.  Raises `AttributionInvalid` for an
    adapter under which a target has none.
    """
    own = _losses(training, whole, targets)
    return torch.stack([_losses(training, adapter, targets) - own for adapter in without])


def _losses(training: PreparedJob, adapter: Adapter, targets: Sequence[TokenRow]) -> torch.Tensor:
    losses = evaluate(training.model, adapter, targets)
    _require(Fault.LOSS_NOT_FINITE if min(losses, default=0) < 0 else Fault.NONE)
    return torch.tensor(losses, dtype=torch.float64).div_(LOSS_UNITS)


def _finished(
    training: PreparedJob, state: AdamState, start: int, group: frozenset[int]
) -> Adapter:
    """The adapter without a group, from the state before the first step that would hold it."""
    for step in range(start, training.parameters.steps + 1):
        batch = _batch_without(training, state, step, group)
        state = adam_step(state, batch, step_settings(training.parameters, step))
        fault = Fault.NONE if state.is_finite else Fault.STATE_NOT_FINITE
        _require(batch.fault or fault)
    return Adapter(training.layout, state.parameters)


def _batch_without(
    training: PreparedJob, state: AdamState, step: int, group: frozenset[int]
) -> BatchGradient:
    places = training.plan.batches[step - 1]
    if group.isdisjoint(places):
        return gradient_of(training, state, step)
    sequences = training.batch(step)
    kept = [number for number, index in enumerate(places) if index not in group]
    if not kept:
        nothing = torch.zeros(training.layout.size, dtype=torch.int64)
        return BatchGradient(0, nothing, len(places), Fault.NONE)
    dropout = training.dropout(step, len(sequences))
    if dropout is not None:
        keys = tuple(dropout.keys[number] for number in kept)
        dropout = Dropout(dropout.dropped_units, keys)
    adapter = Adapter(training.layout, state.parameters)
    rows = [sequences[number] for number in kept]
    batch = batch_gradient(training.model, adapter, rows, dropout)
    return replace(batch, row_count=len(places))


def _require(fault: Fault) -> None:
    if fault:
        message = f"A training ends with the fault {fault.name}."
        raise AttributionInvalid(message, remedy="Do not attribute a training that is not stable.")
