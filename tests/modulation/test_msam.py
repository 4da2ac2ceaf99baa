"""M-SAM by block: who dominates, what is perturbed, and the identities behind the choice."""

import math

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.handlers import RebalancingHandler
from bundle.metrics.shapley import shapley_shares
from bundle.modulation import DominanceByError, DominantBlockAscent, ModalityBudgetAscent, SAMAscent
from tests.toy import adamw, largest_difference, toy_batches, toy_network, toy_trainer

RHO = 0.07


def gradients(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"oct": [(3, 2), (3,)], "fundus": [(4,)], "fusion": [(2, 2)]}
    return {b: [torch.randn(s, generator=generator, dtype=torch.float64) for s in ss] for b, ss in shapes.items()}


def ascent(dominant, rho=RHO):
    found = DominantBlockAscent(rho)
    found.dominant = dominant
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_modality_with_the_smaller_error_has_the_larger_shapley_share(seed):
    rng = np.random.default_rng(seed)
    label = rng.normal(-6, 4, 40)
    noise = {"oct": rng.uniform(1, 5), "fundus": rng.uniform(1, 5), "fused": 1.0}
    pred = {name: label + rng.normal(0, sd, 40) for name, sd in noise.items()}
    shares = shapley_shares(pred["fused"], pred["oct"], pred["fundus"], label)
    error = {m: float(((pred[m] - label) ** 2).mean() / label.var()) for m in ("oct", "fundus")}
    assert shares.phi_oct - shares.phi_fundus == pytest.approx(error["fundus"] - error["oct"])
    found = DominantBlockAscent(RHO)
    assert DominanceByError(found).coefficients(error, {}) == {"oct": 1.0, "fundus": 1.0}
    assert found.dominant == ("oct" if shares.phi_oct > shares.phi_fundus else "fundus")


def test_a_share_of_the_whole_batch_does_not_change_the_direction_of_sam():
    """Why the variant without blocks selects no modality: grad(nu L) is parallel to grad L."""
    g = gradients()
    scaled = {b: [0.3 * t for t in ts] for b, ts in g.items()}
    torch.testing.assert_close(SAMAscent(RHO).eps(g, scaled, {})[0], SAMAscent(RHO).eps(g, g, {})[0])


@pytest.mark.parametrize("dominant", ["oct", "fundus"])
def test_the_dominant_block_has_all_of_rho(dominant):
    g = gradients()
    eps, shares = ascent(dominant).eps(g, g, {})
    length = math.sqrt(sum(float(t.square().sum()) for t in g[dominant]))
    torch.testing.assert_close(eps[dominant], [RHO * t / length for t in g[dominant]], rtol=1e-12, atol=0)
    assert shares == {b: float(b == dominant) for b in g}
    for other in g.keys() - {dominant}:
        assert eps[other] == [None] * len(g[other])


def test_one_modality_without_fusion_is_sam():
    g = {"oct": gradients()["oct"]}
    torch.testing.assert_close(ascent("oct").eps(g, g, {}), SAMAscent(RHO).eps(g, g, {}))


def test_equals_a_budget_that_only_the_dominant_modality_can_spend():
    g = gradients()
    alone = g | {"fundus": [None]}
    expected, _ = ModalityBudgetAscent(RHO, fusion_share=0.0).eps(g, alone, {})
    torch.testing.assert_close(ascent("oct").eps(g, g, {})[0]["oct"], expected["oct"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("dominant", [None, "angiography"])
def test_nobody_known_perturbs_nothing(dominant):
    g = gradients()
    eps, shares = ascent(dominant).eps(g, g, {})
    assert set(shares.values()) == {0.0}
    assert all(e is None for ts in eps.values() for e in ts)


def test_a_dominant_modality_without_gradient_perturbs_nothing():
    g = gradients()
    _, shares = ascent("fundus").eps(g, g | {"fundus": [None]}, {})
    assert set(shares.values()) == {0.0}


def test_a_modality_that_was_not_measured_cannot_dominate():
    found = ascent("fundus")
    DominanceByError(found).coefficients({"oct": math.nan, "fundus": 9.0}, {})
    assert found.dominant == "fundus"
    DominanceByError(found).coefficients({"oct": 0.1}, {})
    assert found.dominant == "oct"
    DominanceByError(found).coefficients({"oct": math.nan}, {})
    assert found.dominant == "oct"


class PerturbedLosses:
    """l_m of both passes of every step."""

    def __init__(self):
        self.seen = []

    def attach(self, engine):
        from monai.engines.utils import IterationEvents

        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine):
        losses = engine.state.output["losses"]
        self.seen.append({m: float(losses[m].detach()) for m in ("oct", "fundus")})


def test_in_training_only_the_dominant_modalitys_own_loss_feels_the_perturbation():
    network, found, losses = toy_network(), DominantBlockAscent(0.05), PerturbedLosses()
    with torch.no_grad():
        network.head("fundus").bias.add_(3.0)  # OCT dominates
    handlers = [RebalancingHandler(modulator=DominanceByError(found)), losses]
    trainer = toy_trainer(network, toy_batches(2), handlers=handlers, ascent=found)
    trainer.run()
    first, descent = losses.seen[2:]  # the second step: the first one does not know yet
    assert losses.seen[0] == losses.seen[1]
    assert descent["fundus"] == first["fundus"]
    assert descent["oct"] > first["oct"]
    scalars = trainer.state.output["scalars"]
    assert (scalars["share_oct"], scalars["share_fundus"], scalars["share_fusion"]) == (1.0, 0.0, 0.0)


def test_stopping_and_going_on_is_never_having_stopped():
    def parts():
        network, found = toy_network(), DominantBlockAscent(0.05)
        return network, adamw(network), RebalancingHandler(modulator=DominanceByError(found)), found

    def run(network, optimizer, handler, found, batches):
        toy_trainer(network, batches, optimizer, [handler], ascent=found).run()

    batches = toy_batches(6)
    straight, first, second = parts(), parts(), parts()
    run(*straight, batches)
    run(*first, batches[:3])
    for new, old in zip(second[:3], first[:3], strict=True):
        new.load_state_dict(old.state_dict())
    assert second[3].dominant is not None
    run(*second, batches[3:])
    assert largest_difference(second[0], straight[0]) == 0.0


def test_a_state_of_something_else_is_refused():
    with pytest.raises(InputError, match="DominanceByError: found the keys"):
        DominanceByError(DominantBlockAscent(RHO)).load_state_dict({"errors": []})
