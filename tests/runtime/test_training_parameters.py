"""What a training order may ask for, and how its work is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genesis.scenes import PARAMETERS
from runtime.types import PPB
from runtime.wire.training_parameters import (
    BOUNDS,
    RANKS,
    TARGET_MODULES,
    leaves_of,
    parameter_fault,
    template_parts,
)
from runtime.wire.work import (
    DIMENSION_MAX,
    ModelShape,
    evaluation_work,
    job_work,
    least_fee,
    shape_fault,
    step_work,
    trained_numbers,
)

NANO = ModelShape(
    layers=4,
    hidden_size=256,
    intermediate_size=688,
    heads=8,
    key_value_heads=4,
    head_size=32,
    vocabulary_size=8192,
    positions_max=512,
)


@pytest.mark.parametrize("bound", BOUNDS, ids=[bound.name for bound in BOUNDS])
def test_a_value_beyond_either_end_is_named(bound):
    """One below the least and one above the most are refused with the range as a remedy."""
    for value in (bound.least - 1, bound.most + 1):
        change: dict[str, Any] = {bound.name: value}
        fault = parameter_fault(replace(PARAMETERS, **change))
        assert fault is not None
        assert fault.parameter == bound.name
        assert str(value) in fault.problem
        assert str(bound.most) in fault.remedy


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"rank": 12}, "rank"),
        ({"warmup_steps": 13}, "warmup_steps"),
        ({"checkpoint_count": 13}, "checkpoint_count"),
        ({"target_modules": ()}, "target_modules"),
        ({"target_modules": ("q_proj", "q_proj")}, "target_modules"),
        ({"target_modules": ("lm_head",)}, "target_modules"),
        ({"prompt_template": "no field"}, "prompt_template"),
        ({"prompt_template": "{completion} before {prompt}"}, "prompt_template"),
        ({"prompt_template": "{prompt}{prompt}{completion}"}, "prompt_template"),
    ],
)
def test_what_no_range_can_say_is_refused_too(change, parameter):
    """Ranks, module names, templates and counts beyond the steps are named."""
    fault = parameter_fault(replace(PARAMETERS, **change))
    assert fault is not None
    assert fault.parameter == parameter


@pytest.mark.parametrize("rank", RANKS)
def test_every_offered_rank_can_be_trained(rank):
    """8, 16, 32 and 64 are allowed, with a template or without."""
    assert parameter_fault(replace(PARAMETERS, rank=rank)) is None
    template = "Q: {prompt}\nA: {completion}\n"
    assert parameter_fault(replace(PARAMETERS, rank=rank, prompt_template=template)) is None
    assert template_parts(template) == ("Q: ", "\nA: ", "\n")


def test_an_adapters_numbers_are_those_of_its_shapes():
    """Rank 8 on q_proj of 4 layers of 256 to 256 is 4 * 8 * 512 numbers."""
    assert trained_numbers(NANO, PARAMETERS) == 4 * 8 * (256 + 256)
    everything = replace(PARAMETERS, target_modules=TARGET_MODULES)
    widths = 2 * (256 + 256) + 2 * (256 + 128) + 3 * (256 + 688)
    assert trained_numbers(NANO, everything) == 4 * 8 * widths


def test_a_job_is_its_steps_and_two_evaluations():
    """Work is linear in the steps, and grows with rows only through the validation share."""
    steps = PARAMETERS.steps * step_work(NANO, PARAMETERS)
    assert job_work(NANO, PARAMETERS, 100) == steps + 2 * evaluation_work(NANO, PARAMETERS, 100)
    unvalidated = replace(PARAMETERS, validation_ppb=0)
    assert job_work(NANO, unvalidated, 100) == job_work(NANO, unvalidated, 10**6) == steps
    half = replace(PARAMETERS, validation_ppb=PPB // 2)
    one_row = evaluation_work(NANO, half, 2)
    assert evaluation_work(NANO, half, 100) == 50 * one_row


def test_the_products_of_a_step_are_counted_by_hand():
    """For one token each way: frozen products twice, attention and the adapter three times."""
    small = replace(PARAMETERS, batch_rows=1, tokens_max=16)
    block = 256 * 256 * 2 + 256 * 128 * 2 + 256 * 688 * 3
    frozen = 4 * block + 256 * 8192
    attention = 2 * 4 * 256 * 16
    adapter = 4 * 8 * 512
    expected = 16 * (2 * frozen + 3 * attention + 3 * adapter) + 20 * adapter
    assert step_work(NANO, small) == expected


def test_a_transcript_has_a_leaf_before_and_after_the_steps():
    """Twelve steps have fourteen leaves."""
    assert leaves_of(PARAMETERS) == 14


def test_a_fee_is_rounded_up_to_the_unit():
    """The least fee, and the price of each started part of 10**9 multiply-adds."""
    assert least_fee(0, 7, 100) == 7
    assert least_fee(1, 7, 100) == 8
    assert least_fee(10**9, 7, 100) == 107
    assert least_fee(3 * 10**9 + 1, 7, 10**9) == 7 + 3 * 10**9 + 1


def test_dimensions_are_within_bounds():
    """A model without layers would cost nothing to work on: it is named, as one too large is."""
    assert shape_fault(NANO) is None
    for value in (0, DIMENSION_MAX + 1):
        assert str(value) in (shape_fault(replace(NANO, layers=value)) or "")
