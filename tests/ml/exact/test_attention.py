"""Attention: its gradients against autograd, and that nothing later changes anything earlier."""

import pytest
import torch

from ml.exact.attention import VALUE_MAX, attend, attend_backward


def inputs(rows: int, tokens: int, group: int = 2, seed: int = 0):
    source = torch.Generator().manual_seed(seed)
    queries = torch.randn(rows, 2, group * tokens, 8, generator=source)
    keys, values = (torch.randn(rows, 2, tokens, 8, generator=source) for _ in range(2))
    return queries, keys, values


def unseen(tokens: int) -> torch.Tensor:
    index = torch.arange(tokens)
    return index > index[:, None]


@pytest.mark.parametrize("tokens", [1, 2, 17])
def test_gradients_are_those_of_autograd(tokens):
    """In float64 with torch's own attention, to the bits of the grids."""
    queries, keys, values = inputs(3, tokens)
    past = attend(queries, keys, values, unseen(tokens))
    exact = [each.double().requires_grad_() for each in (queries, keys, values)]
    expected = torch.nn.functional.scaled_dot_product_attention(
        exact[0], exact[1], exact[2], attn_mask=~unseen(tokens).tile(2, 1)
    )
    torch.testing.assert_close(past.outputs.double(), expected.detach(), rtol=0, atol=2e-5)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(5))
    expected.backward(gradient.double())
    for found, wanted in zip(attend_backward(gradient, past), exact, strict=True):
        torch.testing.assert_close(found.double(), wanted.grad, rtol=0, atol=5e-4)


def test_a_prefix_has_the_bits_of_the_whole():
    """Later tokens, however large, change nothing before them."""
    queries, keys, values = inputs(1, 12, group=1)
    whole = attend(queries, keys, values, unseen(12)).outputs
    for each in (queries, keys, values):
        each[:, :, 7:] *= 1e4
    assert torch.equal(attend(queries, keys, values, unseen(12)).outputs[:, :, :7], whole[:, :, :7])
    cut = attend(queries[:, :, :7], keys[:, :, :7], values[:, :, :7], unseen(7))
    assert torch.equal(cut.outputs, whole[:, :, :7])


def test_zeros_behind_a_row_leave_no_trace():
    """Padding is zeros with zero gradients: it moves no scale of the way back."""
    queries, keys, values = inputs(1, 9, group=1)
    for each in (queries, keys, values):
        each[:, :, 6:] = 0.0
    past = attend(queries, keys, values, unseen(9))
    gradient = torch.randn(past.outputs.shape, generator=torch.Generator().manual_seed(5))
    gradient[:, :, 6:] = 0.0
    padded = attend_backward(gradient, past)
    cut = attend(queries[:, :, :6], keys[:, :, :6], values[:, :, :6], unseen(6))
    alone = attend_backward(gradient[:, :, :6].contiguous(), cut)
    for found, wanted in zip(padded, alone, strict=True):
        assert torch.equal(found[:, :, :6], wanted)
        assert not found[:, :, 6:].any()


def test_values_are_cut_at_their_limit():
    """500 is far beyond what trained models have; an infinity is cut, NaN stays."""
    queries, keys, values = inputs(1, 2, group=1)
    values[0, 0, 0] = 1e9
    values[0, 1, 0] = torch.nan
    outputs = attend(queries, keys, values, unseen(2)).outputs
    assert (outputs[0, 0, 0] == VALUE_MAX).all()
    assert outputs[0, 1].isnan().all()
