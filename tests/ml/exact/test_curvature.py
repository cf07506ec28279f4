"""Slopes and Hessian products against float64 double backward; equal bits however computed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.exact import gradients
from ml.exact.adapter import Adapter, AdapterLayout, AdapterShape
from ml.exact.curvature import Curvature, curvature, slopes
from ml.exact.gradients import Dropout, Fault
from ml.exact.model import ExactModel
from tests.ml.exact.conftest import CONFIGS, random_adapter, rows_of_lengths
from tests.ml.float_model import FloatModel

ROWS = rows_of_lengths(3, 9, 9, 17, 30, 2, 41)
DROPOUT = Dropout(64, tuple(bytes([place]) for place in range(len(ROWS))))
SLOPE_ERROR = 0.003
PRODUCT_ERROR = 0.005


def directions_of(adapter: Adapter, count: int = 2) -> torch.Tensor:
    """Random directions, the first far larger than the second."""
    source = torch.Generator().manual_seed(3)
    noise = torch.randn((count, adapter.layout.size), generator=source)
    return noise * torch.tensor([[1e4], [1e-6]])[:count]


@pytest.fixture(scope="module")
def expected(model, adapter) -> Curvature:
    return curvature(model, adapter, ROWS, directions_of(adapter), DROPOUT)


@pytest.mark.parametrize("family", CONFIGS)
def test_double_backward_agrees_in_every_family(directories, family):
    """Relative to float64, for directions of any size: slopes within 0.3 %, products 0.5 %."""
    model = ExactModel.load(directories[family])
    adapter = random_adapter(model)
    rows = rows_of_lengths(5, 23, 12)
    found = curvature(model, adapter, rows, directions_of(adapter))
    assert found.fault is Fault.NONE
    reference = FloatModel(directories[family], adapter.layout)
    vector = adapter.vector.double().requires_grad_()
    losses = reference.losses(vector, rows)
    for number, direction in enumerate(directions_of(adapter).double()):
        dots = []
        for loss in losses:
            (gradient,) = torch.autograd.grad(loss, vector, retain_graph=True, create_graph=True)
            dots.append((gradient * direction).sum())
        (product,) = torch.autograd.grad(sum(dots), vector, retain_graph=True)
        wanted = torch.stack(dots).detach()
        error = (found.slopes[number] - wanted).norm() / wanted.norm()
        assert error < SLOPE_ERROR
        error = (found.products[number] - product).norm() / product.norm()
        assert error < PRODUCT_ERROR


def test_dropout_keeps_what_training_kept(model, adapter):
    """A slope along a direction is the same row's gradient times it, under the same masks."""
    found = curvature(model, adapter, ROWS, directions_of(adapter), DROPOUT)
    rows = gradients.row_gradients(model, adapter, ROWS, DROPOUT)
    wanted = rows.gradients.double() @ directions_of(adapter).double().t() / 2**40
    error = (found.slopes.t() - wanted).norm(dim=0) / wanted.norm(dim=0)
    assert float(error.max()) < SLOPE_ERROR


@settings(max_examples=10, deadline=None)
@given(
    order=st.permutations(range(len(ROWS))),
    cut=st.integers(1, len(ROWS) - 1),
    room=st.integers(1, 200),
    int8=st.booleans(),
    threads=st.integers(1, 2),
)
def test_orders_parts_backends_and_threads_give_the_same_bits(
    model, reference, adapter, expected, order, cut, room, int8, threads
):
    """Slopes belong to the rows, products are sums, however the rows went through."""
    every = torch.zeros_like(expected.slopes)
    products = torch.zeros_like(expected.products)
    torch.set_num_threads(threads)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gradients, "PART_NUMBERS", room * model.shape.width)
            for part in (order[:cut], order[cut:]):
                keys = tuple(DROPOUT.keys[place] for place in part)
                found = curvature(
                    model if int8 else reference,
                    adapter,
                    [ROWS[place] for place in part],
                    directions_of(adapter),
                    Dropout(DROPOUT.dropped_units, keys),
                )
                every[:, part] = found.slopes
                products += found.products
    finally:
        torch.set_num_threads(1)
    assert torch.equal(every, expected.slopes)
    assert torch.equal(products, expected.products)


def test_each_direction_is_on_its_own(model, adapter, expected):
    """Directions side by side, alone, or nothing at all."""
    for number, direction in enumerate(directions_of(adapter)):
        found = curvature(model, adapter, ROWS, direction[None], DROPOUT)
        assert torch.equal(found.slopes[0], expected.slopes[number])
        assert torch.equal(found.products[0], expected.products[number])
        alone = slopes(model, adapter, ROWS, direction[None], DROPOUT)
        assert torch.equal(alone[0], expected.slopes[number])
    nothing = curvature(model, adapter, ROWS, torch.zeros((1, adapter.layout.size)))
    assert not bool(nothing.slopes.any())
    assert not bool(nothing.products.any())


def test_only_target_modules_move(model):
    """Modules that the adapter leaves alone have no part in its curvature."""
    layout = AdapterLayout(model.shape, AdapterShape(4, 6, ("v_proj", "down_proj")))
    noise = torch.rand(layout.size, generator=torch.Generator().manual_seed(1)) - 0.5
    adapter = Adapter(layout, noise * 0.1)
    found = curvature(model, adapter, ROWS, noise[None])
    rows = gradients.row_gradients(model, adapter, ROWS)
    wanted = rows.gradients.double() @ noise.double() / 2**40
    assert float((found.slopes[0] - wanted).norm() / wanted.norm()) < SLOPE_ERROR


def test_what_is_not_finite_is_a_fault(model, adapter):
    """An adapter beyond float32 gives no numbers but a fault."""
    broken = Adapter(adapter.layout, adapter.vector * 1e38)
    found = curvature(model, broken, ROWS, directions_of(adapter))
    assert found.fault is not Fault.NONE
