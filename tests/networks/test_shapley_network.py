"""ShapleyTrainingNetwork: shares against their definition, blanks in evaluation mode, missing modalities."""

import pytest
import torch

from bundle.networks import AverageFusion, ConcatFusion, MDRegressor, ShapleyTrainingNetwork, TrainingNetwork
from tests.toy import MEAN_DB, SD_DB, toy_batches, toy_encoder, toy_regressor, weights

PROBES = (True, False)


def network(kind=ShapleyTrainingNetwork, hidden=8, probe_heads=True, fusion=None, **encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        regressor = MDRegressor(
            toy_encoder("oct", **encoder), toy_encoder("fundus", **encoder),
            fusion or (lambda o, f: ConcatFusion(o, f, hidden=hidden)), md_mean_db=MEAN_DB, md_sd_db=SD_DB,
        )  # fmt: skip
        return kind(regressor, projection_dim=6, probe_heads=probe_heads)


def images(**kwargs):
    batch = toy_batches(1, size=5, **kwargs)[0]
    return batch["image"], batch["fundus"]


def test_shares_are_those_of_the_definition():
    model = network().eval()
    image, fundus = images()
    regressor = model.regressor
    outputs = model(image, fundus)
    # every answer from whole images, one forward pass of the exported network each
    full, oct_alone, fundus_alone = (
        (regressor(*pair) - MEAN_DB) / SD_DB
        for pair in ((image, fundus), (image, torch.zeros_like(fundus)), (torch.zeros_like(image), fundus))
    )
    torch.testing.assert_close(outputs["shares"]["oct"], (full - fundus_alone + oct_alone) / 2)
    torch.testing.assert_close(outputs["shares"]["fundus"], (full - oct_alone + fundus_alone) / 2)


@pytest.mark.parametrize("probe_heads", PROBES)
@pytest.mark.parametrize("fusion", [None, AverageFusion])
def test_shares_add_up_to_the_fused_answer(fusion, probe_heads):
    kinds = (TrainingNetwork, ShapleyTrainingNetwork)
    plain, model = (network(kind, probe_heads=probe_heads, fusion=fusion) for kind in kinds)
    pred, outputs = plain(*images())["pred"], model(*images())
    torch.testing.assert_close(outputs["pred"], pred, rtol=1e-6, atol=1e-5)
    total = MEAN_DB + SD_DB * (outputs["shares"]["oct"] + outputs["shares"]["fundus"])
    torch.testing.assert_close(total, pred, rtol=1e-6, atol=1e-5)


def test_late_fusion_shares_are_the_heads_halves_up_to_what_a_blank_says():
    """y = (u_o + u_f) / 2 is additive: o_o = u_o / 2 + (b_f - b_o) / 4 with b_m the head's answer to a blank eye."""
    model = network(fusion=AverageFusion).eval()
    image, fundus = images()
    outputs = model(image, fundus)
    blank = model(torch.zeros_like(image), torch.zeros_like(fundus))["heads"]
    expected = outputs["heads"]["oct"] / 2 + (blank["fundus"] - blank["oct"]) / 4
    torch.testing.assert_close(outputs["shares"]["oct"], expected)


def test_blank_passes_touch_neither_batch_statistics_nor_random_numbers_nor_modes():
    settings = {"norm": "batch", "dropout": 0.3}
    plain, model = network(TrainingNetwork, **settings), network(**settings)
    model.regressor.oct_encoder.stem.eval()
    plain.regressor.oct_encoder.stem.eval()
    modes = [module.training for module in model.modules()]
    draws = []
    for one in (plain, model):
        torch.manual_seed(1)
        one(*images())
        draws.append(torch.rand(3))
    assert torch.equal(*draws)
    before, after = weights(plain), weights(model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("blank_learns", [True, False])
def test_gradients_flow_through_the_blank_eye(blank_learns):
    """d (t_o - t_f) on the OCT encoder, by hand: through h_o and, unless cut off there, through the blank eye."""
    image, fundus = images()
    models = [network(norm="batch"), network(norm="batch")]
    for model in models:
        model(image, fundus)  # moves the batch statistics off 0, so that a blank eye says something
    shares = models[0](image, fundus)["shares"]
    (shares["oct"] - shares["fundus"]).sum().backward()
    r = models[1].regressor
    h_o, h_f = r.oct_encoder(image), r.fundus_encoder(fundus)
    r.eval()
    blank_o, blank_f = r.oct_encoder(torch.zeros_like(image)), r.fundus_encoder(torch.zeros_like(fundus))
    blank_o = blank_o if blank_learns else blank_o.detach()
    (r.fusion(h_o, blank_f) - r.fusion(blank_o, h_f)).sum().backward()
    pairs = zip(models[0].encoder("oct").parameters(), r.oct_encoder.parameters(), strict=True)
    difference = max(float((a.grad - b.grad).abs().max()) for a, b in pairs)
    assert (difference < 1e-5) == blank_learns


def test_an_eye_without_a_modality_has_no_share():
    image, fundus = images(eyes={"oct": [1], "fundus": [3]})
    outputs = network()(image, fundus)
    missing = torch.tensor([False, True, False, True, False])
    for value in (outputs["pred"], *outputs["shares"].values()):
        assert torch.equal(value.isnan().flatten(), missing)


def test_a_batch_without_a_complete_eye_has_no_shares():
    outputs = network()(*images(eyes={"oct": [0, 1, 2, 3, 4]}))
    assert outputs["shares"] == {}
    assert bool(outputs["pred"].isnan().all())


def test_one_modality_is_a_plain_network():
    regressor = toy_regressor(["oct"])
    image, _ = images()
    outputs = ShapleyTrainingNetwork(regressor)(image)
    assert outputs["shares"] == {}
    torch.testing.assert_close(outputs["pred"], TrainingNetwork(regressor)(image)["pred"])
