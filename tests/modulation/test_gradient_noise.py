"""The noise of OGM-GE: its moments, and the tensors that get it."""

import pytest
import torch

from bundle.modulation import add_gradient_noise


def draws(grad, n, scale=1.0):
    """What is added to a gradient, n times from one generator."""
    p, generator = torch.nn.Parameter(torch.zeros_like(grad)), torch.Generator().manual_seed(0)
    found = []
    for _ in range(n):
        p.grad = grad.clone()
        add_gradient_noise([p], scale, generator)
        found.append(p.grad - grad)
    return torch.stack(found)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_mean_zero_and_the_spread_of_the_gradient(scale):
    """10,000 draws; six elements, each within five standard errors."""
    grad = torch.tensor([[3.0, -1.0, 4.0], [1.0, -5.0, 9.0]])
    spread, found = scale * float(grad.std()), draws(grad, 10_000, scale)
    assert float(found.mean(0).abs().max()) < 5 * spread / 100
    assert (found.std(0) / spread).flatten().tolist() == pytest.approx([1.0] * 6, abs=5 / 141)
    correlation = torch.corrcoef(found.flatten(1).T) - torch.eye(6)
    assert float(correlation.abs().max()) < 0.05
    assert float((found / spread).pow(4).mean()) == pytest.approx(3.0, abs=0.1)  # Gaussian


def test_each_tensor_has_its_own_spread():
    small, large = (torch.nn.Parameter(torch.zeros(50, 40)) for _ in range(2))
    pattern = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
    small.grad, large.grad = 1e-3 * pattern, 1e3 * pattern
    add_gradient_noise([small, large], 1.0, torch.Generator().manual_seed(0))
    assert float((small.grad - 1e-3 * pattern).std()) == pytest.approx(1e-3 * float(pattern.std()), rel=0.1)
    assert float((large.grad - 1e3 * pattern).std()) == pytest.approx(1e3 * float(pattern.std()), rel=0.1)


@pytest.mark.parametrize(
    ("shape", "noisy"),
    [((3, 2), True), ((3, 2, 2), True), ((3, 2, 2, 2), True), ((3, 2, 2, 2, 2), True), ((6,), False), ((1, 1), False)],
)
def test_weights_of_any_number_of_axes_get_it_and_biases_do_not(shape, noisy):
    found = draws(torch.arange(1.0, 1 + torch.Size(shape).numel()).view(shape), 1)
    assert bool((found != 0).all()) if noisy else bool((found == 0).all())


def test_no_gradient_stays_none_and_an_even_one_stays_as_it_is():
    lacking, even = (torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(2))
    even.grad = torch.full((2, 3), 0.5)
    add_gradient_noise([lacking, even], 1.0, torch.Generator().manual_seed(0))
    assert lacking.grad is None
    assert torch.equal(even.grad, torch.full((2, 3), 0.5))


def test_scale_zero_changes_nothing_and_draws_nothing():
    assert bool((draws(torch.arange(6.0).view(2, 3), 2, scale=0.0) == 0).all())
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    p = torch.nn.Parameter(torch.zeros(2, 3))
    p.grad = torch.arange(6.0).view(2, 3)
    add_gradient_noise([p], 0.0, generator)
    assert torch.equal(generator.get_state(), before)
