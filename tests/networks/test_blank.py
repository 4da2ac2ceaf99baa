"""The encoder that sees nothing: what stands on it is a constant, and everything else works as with any encoder."""

import warnings

import pytest
import torch

from bundle.networks import BlankEncoder, ConcatFusion, MDRegressor, TrainingNetwork, build
from tests.toy import adamw, toy_batches, toy_trainer, weights

MEAN_DB = -6.125
NAN = float("nan")


def blank(seed: int | None = 0) -> MDRegressor:
    return MDRegressor(BlankEncoder, BlankEncoder, lambda o, f: ConcatFusion(o, f, hidden=0), MEAN_DB, 4.0, seed=seed)


@pytest.mark.parametrize("seed", [None, 0, 7])
def test_every_answer_is_the_mean_bit_for_bit_whatever_the_image(seed: int | None) -> None:
    image, fundus = torch.randn(4, 1, 4, 8, 8), torch.randn(4, 3, 8, 8)
    image[1], fundus[2] = NAN, NAN
    answers = blank(seed).predict_subsets(image, fundus)
    assert torch.equal(answers[:, 0], torch.full((4,), MEAN_DB))
    assert torch.equal(answers[:, 1].isnan(), torch.tensor([False, True, False, False]))
    assert torch.equal(answers[:, 2].isnan(), torch.tensor([False, False, True, False]))
    assert bool((answers[:, 1:].nan_to_num(nan=MEAN_DB) == MEAN_DB).all())


def test_building_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = TrainingNetwork(blank(), projection_dim=6, seed=0)
        build(network.regressor.spec())


def test_written_down_rebuilt_and_scripted_it_answers_the_same() -> None:
    network, image = blank(), torch.randn(2, 1, 4, 8, 8)
    rebuilt = build(network.spec())
    rebuilt.load_state_dict(network.state_dict())
    assert rebuilt.spec() == network.spec()
    for other in (rebuilt, torch.jit.script(network)):
        assert torch.equal(other(image, None), network(image, None))


def test_a_training_moves_the_biases_alone_and_with_learning_rate_zero_nothing() -> None:
    moved = {}
    for lr in (0.0, 0.1):
        network = TrainingNetwork(blank(), projection_dim=6, probe_heads=True, seed=0)
        before = weights(network.regressor)
        trainer = toy_trainer(network, toy_batches(2), adamw(network, lr=lr))
        trainer.run()
        assert not trainer.state.output["skipped"]
        after = weights(network.regressor)
        moved[lr] = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved[0.0] == set()
    assert moved[0.1] == {"fusion.head.bias", "oct_head.bias", "fundus_head.bias"}
