"""Tokens: their order, and the gradient of a batch of one eye."""

import pytest
import torch

from bundle.networks import PatchStemEncoder
from bundle.networks.tokens import to_tokens


def test_tokens_are_the_positions_in_row_major_order() -> None:
    features = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    tokens_BNC = to_tokens(features)
    assert tokens_BNC.shape == (2, 20, 3)
    assert torch.equal(tokens_BNC[1, 7], features[1, :, 1, 2])


def test_script_is_eager() -> None:
    features = torch.randn(1, 3, 4, 5, requires_grad=True)
    assert torch.equal(torch.jit.script(to_tokens)(features), to_tokens(features))


@pytest.mark.parametrize("norm", ["instance", "batch", ("group", {"num_groups": 2})])
@pytest.mark.parametrize("pooled", [True, False])
def test_one_eye_alone_has_the_gradient_that_finite_differences_give(norm: object, pooled: bool) -> None:
    """A loss on one eye in training mode: PyTorch 2.13 on the CPU got this wrong by more than its size."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = PatchStemEncoder(3, 1, [2, 2, 2], (4, 4), norm=norm).double()  # type: ignore[arg-type]
        image = torch.randn(1, 1, 8, 8, 8, dtype=torch.double)
        direction_NC = torch.randn(8, 4, dtype=torch.double)

    def loss() -> torch.Tensor:
        tokens_BNC = encoder(image)
        h = tokens_BNC.mean(1, keepdim=True).clone() if pooled else tokens_BNC
        return (h**2 * direction_NC).sum()

    weight = encoder.stem[0].weight
    analytic = torch.autograd.grad(loss(), weight)[0].flatten()
    step = 1e-6
    for index in range(0, weight.numel(), 5):
        with torch.no_grad():
            weight.flatten()[index] += step
            above = loss()
            weight.flatten()[index] -= 2 * step
            below = loss()
            weight.flatten()[index] += step
        assert float(analytic[index]) == pytest.approx(float((above - below) / (2 * step)), rel=1e-4, abs=1e-6)
