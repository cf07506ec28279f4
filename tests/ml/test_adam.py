"""AdamW with epsilon inside the root."""

import torch

from ml.training.adam import BETA_MEAN, BETA_SQUARE, AdamW


def gradients(steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(5, 4, generator=generator) for _ in range(steps)]


def run(epsilon: float, weight_decay: float, steps: int = 12) -> torch.Tensor:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 20).reshape(5, 4).clone())
    optimiser = AdamW({"p": parameter}, epsilon=epsilon, weight_decay=weight_decay)
    for gradient in gradients(steps):
        parameter.grad = gradient.clone()
        optimiser.step(0.01)
    return parameter.detach()


def test_it_is_torch_adamw_as_epsilon_vanishes():
    """Inside or outside the root is the same place when epsilon is 0."""
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 20).reshape(5, 4).clone())
    optimiser = torch.optim.AdamW(
        [parameter], lr=0.01, betas=(BETA_MEAN, BETA_SQUARE), eps=1e-30, weight_decay=0.1
    )
    for gradient in gradients(12):
        parameter.grad = gradient.clone()
        optimiser.step()
    torch.testing.assert_close(run(1e-30, 0.1), parameter.detach(), rtol=1e-5, atol=1e-7)


def test_epsilon_is_inside_the_root():
    """The first step of a gradient g moves by lr * g / sqrt(g**2 + epsilon)."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, 0.003, -2.0])
    expected = -0.01 * parameter.grad / (parameter.grad.square() + 1e-5).sqrt()
    AdamW({"p": parameter}, epsilon=1e-5, weight_decay=0.0).step(0.01)
    torch.testing.assert_close(parameter.detach(), expected)


def test_a_parameter_without_a_gradient_stays_where_it_is():
    """With B = 0 the gradient of A is exactly 0: A does not move, and nothing is divided by 0."""
    parameter = torch.nn.Parameter(torch.ones(4))
    parameter.grad = torch.zeros(4)
    AdamW({"p": parameter}, epsilon=1e-5, weight_decay=0.0).step(0.01)
    assert torch.equal(parameter.detach(), torch.ones(4))
