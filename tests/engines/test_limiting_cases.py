"""Settings that make the whole trainer equal to something simpler: a plain loop, or a library's optimiser."""

from typing import Any

import pytest
import torch
from pytorch_optimizer import SAM

from bundle.handlers import ContrastiveHandler, RebalancingHandler
from bundle.losses import AdaptiveMarginContrastiveLoss, LabelDensity, RarityWeight
from bundle.modulation import ModalityBudgetAscent, OneSidedProjection
from tests.toy import MEAN_DB, SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights

BASES = {
    "sgd": (torch.optim.SGD, {"lr": 2e-3, "momentum": 0.9}),
    "adamw": (torch.optim.AdamW, {"lr": 2e-3, "weight_decay": 1e-2, "eps": 1e-4}),
}
BUILD = {"sgd": sgd, "adamw": adamw}
RHO, GAMMA = 0.02, 0.2


@pytest.fixture(scope="module")
def batches() -> list[dict]:
    return toy_batches(4)


def objective(network: Any, batch: dict, beta: float, contrast: Any = None, weight: Any = None) -> torch.Tensor:
    """L of the method's section 1, written from the formula with the network's modules."""
    net, y_B1 = network.regressor, batch["label"]
    w_B1 = torch.ones_like(y_B1) if weight is None else weight(y_B1)
    tokens = {
        name: network.encoder(name)(batch[key])
        for name, key in (("oct", "image"), ("fundus", "fundus"))
        if name in network.modalities
    }
    error = lambda standardised: (w_B1 * ((standardised * SD_DB + MEAN_DB - y_B1) / SD_DB) ** 2).mean()  # noqa: E731
    heads = {name: error(network.head(name)(h.mean(1))) for name, h in tokens.items()}
    if len(tokens) == 1:
        total = next(iter(heads.values()))
    else:
        total = error(net.fusion(tokens["oct"], tokens["fundus"])) + beta * heads["oct"] + beta * heads["fundus"]
    if contrast is not None:
        for name, h in tokens.items():
            total = total + GAMMA * contrast(network.projections[name](h.mean(1)), y_B1.flatten())
    return total


def plain_loop(network: Any, batches: list[dict], base: str, beta: float) -> Any:
    optimizer = BASES[base][0](network.parameters(), **BASES[base][1])
    for batch in batches:
        optimizer.zero_grad()
        objective(network, batch, beta).backward()
        optimizer.step()
    return network


def library_sam(network: Any, batches: list[dict], base: str, **parts: Any) -> Any:
    optimizer = SAM(network.parameters(), BASES[base][0], rho=RHO, **BASES[base][1])
    for batch in batches:
        for step in (optimizer.first_step, optimizer.second_step):
            objective(network, batch, **parts).backward()
            step(zero_grad=True)
    return network


def contrast_loss(batches: list[dict]) -> AdaptiveMarginContrastiveLoss:
    return AdaptiveMarginContrastiveLoss().fit(torch.cat([batch["label"].flatten() for batch in batches]))


@pytest.mark.parametrize("base", BASES)
def test_everything_off_is_plain_training(batches: list[dict], base: str) -> None:
    """rho = alpha = alpha_s = chi = beta = gamma = 0: encoders and fusion differ by exactly 0."""
    network = toy_network(probe_heads=True)
    handlers = [ContrastiveHandler(contrast_loss(batches), weight=0.0), RebalancingHandler(OneSidedProjection(0.0))]
    toy_trainer(network, batches, BUILD[base](network), handlers, ascent=ModalityBudgetAscent(0.0), max_epochs=2).run()
    oracle = plain_loop(toy_network(), batches * 2, base, beta=0.0)
    for part in ("oct_encoder", "fundus_encoder", "fusion"):
        assert largest_difference(getattr(network.regressor, part), getattr(oracle.regressor, part)) == 0.0
    assert largest_difference(network.regressor.fusion, toy_network().regressor.fusion) > 1e-3


@pytest.mark.parametrize("base", BASES)
def test_unimodal_weight_alone_is_multi_loss_training(batches: list[dict], base: str) -> None:
    network = toy_network()
    toy_trainer(network, batches, BUILD[base](network), max_epochs=2).run()
    oracle = plain_loop(toy_network(), batches * 2, base, beta=0.5)
    assert largest_difference(network.regressor, oracle.regressor) == 0.0
    other = plain_loop(toy_network(), batches * 2, base, beta=0.4)
    assert largest_difference(network.regressor, other.regressor) > 1e-5


@pytest.mark.parametrize("base", BASES)
def test_neutral_settings_are_sam_on_the_whole_objective(batches: list[dict], base: str) -> None:
    """nu = alphas = chi = kappas = 0, eight steps, contrast included."""
    network, loss = toy_network(), contrast_loss(batches)
    handlers = [ContrastiveHandler(loss, weight=GAMMA, warmup_epochs=0, queue_size=0), RebalancingHandler()]
    toy_trainer(
        network, batches, BUILD[base](network), handlers, ascent=ModalityBudgetAscent(RHO, equalize=0.0), max_epochs=2
    ).run()
    oracle = library_sam(toy_network(), batches * 2, base, beta=0.5, contrast=loss)
    assert largest_difference(network, oracle) < 2e-6
    plain = plain_loop(toy_network(), batches * 2, base, beta=0.5)
    assert largest_difference(network, plain) > 1e-4


@pytest.mark.parametrize("equalize", [0.0, 0.5, 1.0])
def test_one_modality_is_sam_for_every_budget(batches: list[dict], equalize: float) -> None:
    network = toy_network(["oct"])
    ascent = ModalityBudgetAscent(RHO, equalize=equalize, sharpness_power=0.5)
    toy_trainer(network, batches, sgd(network), [RebalancingHandler()], ascent=ascent, max_epochs=2).run()
    oracle = library_sam(toy_network(["oct"]), batches * 2, "sgd", beta=0.5)
    assert largest_difference(network, oracle) < 2e-6


def test_density_weights_in_both_passes_are_bsam(batches: list[dict]) -> None:
    weight = RarityWeight(LabelDensity().fit(torch.cat([batch["label"] for batch in batches])), power=0.5)
    network = toy_network()
    ascent = ModalityBudgetAscent(RHO, equalize=0.0)
    toy_trainer(network, batches, sgd(network), ascent=ascent, ascent_weight=weight, descent_weight=weight).run()
    assert largest_difference(network, library_sam(toy_network(), batches, "sgd", beta=0.5, weight=weight)) < 2e-6
    assert largest_difference(network, library_sam(toy_network(), batches, "sgd", beta=0.5)) > 1e-4


def test_equal_budgets_are_not_sam(batches: list[dict]) -> None:
    network = toy_network()
    toy_trainer(network, batches, sgd(network), ascent=ModalityBudgetAscent(RHO, equalize=1.0), max_epochs=2).run()
    assert largest_difference(network, library_sam(toy_network(), batches * 2, "sgd", beta=0.5)) > 1e-5


def test_contrast_weight_zero_is_training_without_the_handler(batches: list[dict]) -> None:
    runs = []
    for handlers in ([], [ContrastiveHandler(contrast_loss(batches), weight=0.0)]):
        network = toy_network()
        toy_trainer(network, batches, handlers=handlers, ascent=ModalityBudgetAscent(RHO)).run()
        runs.append(weights(network))
    assert largest_difference(*runs) == 0.0


def test_learning_rate_zero_leaves_every_weight_bit_identical(batches: list[dict]) -> None:
    network = toy_network()
    handlers = [
        ContrastiveHandler(contrast_loss(batches), warmup_epochs=0),
        RebalancingHandler(OneSidedProjection()),
    ]
    toy_trainer(
        network, batches, adamw(network, lr=0.0), handlers, ascent=ModalityBudgetAscent(RHO), max_epochs=3
    ).run()
    assert largest_difference(network, toy_network()) == 0.0


def test_rho_warm_up_is_plain_training_until_it_ends(batches: list[dict]) -> None:
    runs = {}
    for epochs, warm_up in ((2, 2), (2, 0), (3, 2), (3, 3)):
        network = toy_network()
        toy_trainer(
            network, batches, ascent=ModalityBudgetAscent(RHO), rho_warmup_epochs=warm_up, max_epochs=epochs
        ).run()
        runs[epochs, warm_up] = weights(network)
    plain = plain_loop(toy_network(), batches * 2, "adamw", beta=0.5)
    regressor = {name.removeprefix("regressor."): w for name, w in runs[2, 2].items() if name.startswith("regressor.")}
    assert largest_difference(regressor, plain.regressor) == 0.0
    assert largest_difference(runs[2, 2], runs[2, 0]) > 1e-5
    assert largest_difference(runs[3, 2], runs[3, 3]) > 1e-5
