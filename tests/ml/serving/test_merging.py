"""Merges: equal to PEFT's, and whose they are."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from ml.serving.errors import AdapterMissing, RequestRefused
from ml.serving.layout import RowLayout
from ml.serving.merging import Merge, merge_rows
from ml.serving.requests import GenerationRequest
from ml.serving.rows import AdapterRow
from runtime.types import PPB
from tests.ml.serving.adapters import PROMPT, answer_all, tokens_of

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def merge_of(method, *adapters, weights=(7, 4), density_ppb=PPB):
    return Merge(method, adapters, tuple(PPB * each // 10 for each in weights), density_ppb)


def peft_merged(base, adapters, merge):
    """The tokens of PEFT's own merge."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    names = [each.hex() for each in merge.adapters]
    model = PeftModel.from_pretrained(model, adapters / names[0], adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(adapters / name, name)
    options = {"density": merge.density_ppb / PPB} if merge.method == "ties" else {}
    model.add_weighted_adapter(
        names,
        [weight / PPB for weight in merge.weights_ppb],
        "merged",
        combination_type="cat" if merge.method == "linear" else "ties",
        **options,
    )
    model.set_adapter("merged")
    output = model.eval().generate(
        input_ids=torch.tensor([PROMPT]), max_new_tokens=16, do_sample=False, pad_token_id=0
    )
    tokens = output[0, len(PROMPT) :].tolist()
    return tokens[: tokens.index(2)] if 2 in tokens else tokens


def test_a_linear_merge_equals_peft(make_engine, base, adapters, hashes):
    """Weighted updates of different ranks add up exactly as PEFT's `cat` does."""
    merge = merge_of("linear", hashes[1], hashes[2])
    engine = make_engine(precision="float32")
    expected = [peft_merged(base, adapters, merge)]
    assert answer_all(engine, [GenerationRequest(PROMPT, merge, 16)]) == expected


@pytest.mark.parametrize("density", [9 * PPB // 10, PPB // 2])
def test_a_ties_merge_equals_peft(make_engine, base, adapters, hashes, density):
    """Trimming, electing signs and adding what agrees gives PEFT's tokens."""
    merge = merge_of("ties", hashes[1], hashes[5], density_ppb=density)
    engine = make_engine(precision="float32")
    expected = [peft_merged(base, adapters, merge)]
    assert answer_all(engine, [GenerationRequest(PROMPT, merge, 16)]) == expected


def test_a_merge_is_made_once(make_engine, hashes):
    """The same recipe is found in memory; other weights are another adapter."""
    engine = make_engine()
    request = GenerationRequest(PROMPT, merge_of("linear", *hashes[:2]), 4)
    first = answer_all(engine, [request])
    ticket = engine.submit(request)
    while engine.step():
        pass
    assert [tokens_of(ticket)] == first
    assert sum(ticket.shares_ppb) == PPB
    assert engine.figures().adapters_found_in["merged"] == 1
    other = replace(request, adapter=merge_of("linear", *hashes[:2], weights=(4, 7)))
    assert answer_all(engine, [other]) != first
    assert engine.figures().adapters_found_in["merged"] == 2


def test_a_missing_part_fails_the_request(make_engine, hashes):
    """A merge of an adapter that nobody has is refused like the adapter."""
    engine = make_engine()
    ticket = engine.submit(GenerationRequest(PROMPT, merge_of("linear", hashes[0], bytes(32))))
    while engine.step():
        pass
    with pytest.raises(AdapterMissing):
        ticket.next_step()


def test_too_large_a_merge_names_the_ranks(make_engine, hashes):
    """Ranks that add up to more than a slot holds are refused in a sentence."""
    engine = make_engine()
    ticket = engine.submit(GenerationRequest(PROMPT, merge_of("linear", hashes[3], hashes[4])))
    while engine.step():
        pass
    with pytest.raises(RequestRefused, match=r"\[32, 64\]"):
        ticket.next_step()


@pytest.mark.parametrize(
    ("merge", "parameter"),
    [
        (Merge("linear", (bytes(32),), (PPB,)), "adapters"),
        (Merge("linear", (bytes(32), bytes(32)), (PPB, PPB)), "adapters"),
        (Merge("linear", (bytes(32), bytes(31) + b"a"), (PPB,)), "weights"),
        (Merge("linear", (bytes(32), bytes(31) + b"a"), (PPB, -1)), "weights"),
        (Merge("ties", (bytes(32), bytes(31) + b"a"), (PPB, PPB), 0), "density"),
    ],
)
def test_a_bad_recipe_names_its_parameter(merge, parameter):
    """What cannot be merged is refused before anything is loaded."""
    with pytest.raises(RequestRefused) as refusal:
        merge.check()
    assert refusal.value.parameter == parameter


@pytest.fixture
def layout(make_engine):
    return RowLayout(make_engine().network.shape)


def row_of(layout, seed, size=1.0):
    values = size * torch.randn(layout.size(8), generator=torch.Generator().manual_seed(seed))
    return AdapterRow(bytes([seed]) * 32, 8, 2.0, values)


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_shares_are_all_of_a_merge(layout, method):
    """Shares sum to 10**9 exactly, and who adds more has more."""
    rows = [row_of(layout, 1), row_of(layout, 2, size=3.0)]
    merge = merge_of(method, *(row.key for row in rows), weights=(5, 5), density_ppb=PPB // 2)
    merged = merge_rows(merge, rows, layout)
    assert sum(merged.shares_ppb) == PPB
    assert merged.shares_ppb[0] < merged.shares_ppb[1]
    assert merge_rows(merge, rows, layout).shares_ppb == merged.shares_ppb


def test_adapters_that_add_nothing_share_by_weight(layout):
    """No number is divided by zero."""
    rows = [row_of(layout, seed, size=0.0) for seed in (1, 2)]
    merge = merge_of("ties", *(row.key for row in rows), weights=(15, 5))
    assert merge_rows(merge, rows, layout).shares_ppb == (750_000_000, 250_000_000)
