"""Rotary tables against transformers, and the kinds that are refused."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from ml.errors import ModelUnusable
from ml.exact.rotary import rotary_tables
from tests.ml.exact.conftest import CONFIGS, CONTEXT


@pytest.mark.parametrize("family", ["llama", "llama3"])
def test_tables_are_those_of_transformers(family):
    """To float32's precision of angles, for plain and Llama 3 scaled frequencies."""
    config = CONFIGS[family]
    cosines, sines = rotary_tables(CONTEXT, 8, config.rope_parameters)
    positions = torch.arange(CONTEXT)[None]
    expected = LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
    torch.testing.assert_close(cosines, expected[0][0], rtol=0, atol=1e-5)
    torch.testing.assert_close(sines, expected[1][0], rtol=0, atol=1e-5)


def test_linear_scaling_divides_positions():
    """Position 2n under a factor of 2 is position n without."""
    plain, _ = rotary_tables(8, 8, {"rope_theta": 10_000.0})
    scaled, _ = rotary_tables(16, 8, {"rope_theta": 10_000, "rope_type": "linear", "factor": 2.0})
    torch.testing.assert_close(scaled[::2], plain, rtol=0, atol=1e-7)


def test_a_longer_table_begins_with_a_shorter_one():
    """To the bit: a prompt is read alike by models of two context limits."""
    short, long = (rotary_tables(count, 16, {"rope_theta": 5e5}) for count in (33, 700))
    assert torch.equal(long[0][:33], short[0])
    assert torch.equal(long[1][:33], short[1])
    exact = torch.arange(700, dtype=torch.float64).cos().float()
    torch.testing.assert_close(long[0][:, 0], exact, rtol=0, atol=1e-7)


def test_other_kinds_are_refused():
    """A scaling that we do not know is not guessed."""
    with pytest.raises(ModelUnusable, match="yarn"):
        rotary_tables(4, 8, {"rope_theta": 1e4, "rope_type": "yarn"})
