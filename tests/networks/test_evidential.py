"""Normal-inverse-gamma laws: the link from heads, and their sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.networks import MDRegressor, NIGFusion, PatchStemEncoder, build
from bundle.networks.evidential import fuse_nig, nig_parameters
from tests.toy import FUNDUS_SIZE, OCT_GRID


def laws(n: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [nig_parameters(torch.randn(5, 4, generator=generator, dtype=torch.float64)) for _ in range(n)]


def test_fused_law_by_hand() -> None:
    """(mu, nu, alpha, beta) = (1, 2, 3, 4) and (3, 2, 2, 1): mu = (2 + 6) / 4, beta = 4 + 1 + 1/2 (2 + 2)."""
    a, b = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[3.0, 2.0, 2.0, 1.0]])
    assert fuse_nig(a, b).tolist() == [[2.0, 4.0, 5.5, 7.0]]


def test_order_and_grouping_do_not_matter() -> None:
    a, b, c = laws()
    torch.testing.assert_close(fuse_nig(a, b), fuse_nig(b, a))
    torch.testing.assert_close(fuse_nig(fuse_nig(a, b), c), fuse_nig(a, fuse_nig(b, c)))


def test_two_equal_experts_keep_the_mean_and_double_the_evidence() -> None:
    a = laws(1)[0]
    fused = fuse_nig(a, a)
    torch.testing.assert_close(fused[:, 0], a[:, 0])
    torch.testing.assert_close(fused[:, 1], 2 * a[:, 1])
    torch.testing.assert_close(fused[:, 3], 2 * a[:, 3])


def test_the_surer_expert_decides() -> None:
    a, b = torch.tensor([[1.0, 1e6, 2.0, 1.0]]), torch.tensor([[-5.0, 1.0, 2.0, 1.0]])
    assert fuse_nig(a, b)[0, 0].item() == pytest.approx(1.0, abs=1e-4)


def test_the_link_is_softplus_with_alpha_above_one() -> None:
    raw = np.random.default_rng(0).normal(0, 3, (6, 4))
    mu, nu, alpha, beta = nig_parameters(torch.from_numpy(raw)).numpy().T
    np.testing.assert_array_equal(mu, raw[:, 0])
    np.testing.assert_allclose(nu, np.logaddexp(0, raw[:, 1]), atol=2e-6)
    np.testing.assert_allclose(alpha, 1 + np.logaddexp(0, raw[:, 2]), atol=2e-6)
    np.testing.assert_allclose(beta, np.logaddexp(0, raw[:, 3]), atol=2e-6)


def test_extreme_outputs_stay_inside_the_ranges() -> None:
    extreme = torch.tensor([[0.5, -1e4, -1e4, -1e4], [0.5, 1e4, 1e4, 1e4]])
    parameters = nig_parameters(extreme)
    assert bool((parameters[:, [1, 3]] > 0).all())
    assert bool((parameters[:, 2] > 1).all())
    assert bool(fuse_nig(parameters, parameters.flip(0)).isfinite().all())


def test_fusion_reads_raw_heads_once() -> None:
    """What it gives is in range already: the loss must not send it through the link again."""
    generator = torch.Generator().manual_seed(1)
    raw = [torch.randn(4, 4, generator=generator) for _ in range(2)]
    torch.testing.assert_close(NIGFusion()(*raw), fuse_nig(*(nig_parameters(one) for one in raw)))


def test_gradients_are_those_of_finite_differences() -> None:
    raw = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(NIGFusion(), raw)


def network() -> MDRegressor:
    return MDRegressor(
        PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)), PatchStemEncoder(2, 3, [4, 4], (4, 8)), NIGFusion,
        md_mean_db=-6.0, md_sd_db=4.0, head_outputs=4, seed=0,
    ).eval()  # fmt: skip


def images() -> tuple[Tensor, Tensor]:
    """The second eye has no OCT, the third no photograph."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(3, 1, *OCT_GRID, generator=generator)
    fundus = torch.randn(3, 3, FUNDUS_SIZE, FUNDUS_SIZE, generator=generator)
    image[1], fundus[2] = float("nan"), float("nan")
    return image, fundus


def test_network_answers_with_the_fused_mean_and_can_be_scripted_and_rebuilt() -> None:
    net, (image, fundus) = network(), images()
    rebuilt = build(net.spec())  # type: ignore[operator]
    rebuilt.load_state_dict(net.state_dict())
    with torch.no_grad():
        answer = net.predict_subsets(image, fundus)
        heads = [
            net.oct_head(net.oct_encoder(image[:1]).mean(1)),
            net.fundus_head(net.fundus_encoder(fundus[:1]).mean(1)),
        ]
        mu = fuse_nig(*(nig_parameters(head) for head in heads))[:, 0:1]
        torch.testing.assert_close(answer[:1, 0:1], -6.0 + 4.0 * mu)
        torch.testing.assert_close(answer[1:, 0], torch.stack([answer[1, 2], answer[2, 1]]))
        torch.testing.assert_close(torch.jit.script(net).predict_subsets(image, fundus), answer, equal_nan=True)
        torch.testing.assert_close(rebuilt.eval().predict_subsets(image, fundus), answer, equal_nan=True)
