"""Normalisation statistics and random numbers in the second pass."""

import pytest
import torch
from torch import nn

from bundle.modulation import frozen_batchnorm_statistics, replayed_rng, rng_snapshot

NORMS = {
    "batch1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "batch2d": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 5)),
    "batch3d": (lambda: nn.BatchNorm3d(3), (4, 3, 2, 5, 5)),
    "cumulative": (lambda: nn.BatchNorm2d(3, momentum=None), (4, 3, 5, 5)),
    "instance3d": (lambda: nn.InstanceNorm3d(3, track_running_stats=True), (4, 3, 2, 5, 5)),
}


@pytest.fixture(autouse=True)
def restored_generator():
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


@pytest.fixture(params=NORMS)
def norm_and_input(request):
    make, shape = NORMS[request.param]
    norm = nn.Sequential(make())
    norm(torch.randn(shape))
    return norm, 3 + torch.randn(shape)


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_running_statistics_move_without_and_stand_still_with_the_context(norm_and_input):
    norm, x = norm_and_input
    before = state_of(norm)
    with frozen_batchnorm_statistics(norm):
        norm(x)
    assert same(state_of(norm), before)
    norm(x)
    assert not same(state_of(norm), before)


def test_output_and_gradient_are_those_of_training_mode(norm_and_input):
    norm, x = norm_and_input
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    with frozen_batchnorm_statistics(norm):
        frozen = norm(a)
        frozen.square().sum().backward()
    trained = norm(b)
    trained.square().sum().backward()
    assert torch.equal(frozen, trained)
    assert torch.equal(a.grad, b.grad)


def test_backward_after_the_context_works(norm_and_input):
    norm, x = norm_and_input
    x.requires_grad_()
    with frozen_batchnorm_statistics(norm):
        out = norm(x)
    out.sum().backward()
    assert x.grad.isfinite().all()


def test_nan_activations_do_not_reach_the_statistics(norm_and_input):
    norm, x = norm_and_input
    before = state_of(norm)
    with frozen_batchnorm_statistics(norm):
        norm(x * float("nan"))
    assert same(state_of(norm), before)


def test_statistics_come_back_after_an_exception(norm_and_input):
    norm, _ = norm_and_input
    before = state_of(norm)
    with pytest.raises(RuntimeError, match="lost"), frozen_batchnorm_statistics(norm):
        raise RuntimeError("lost")
    assert same(state_of(norm), before)
    assert norm[0].track_running_stats


def test_a_module_in_evaluation_mode_still_uses_its_running_statistics(norm_and_input):
    norm, x = norm_and_input
    norm.eval()
    expected = norm(x)
    with frozen_batchnorm_statistics(norm):
        assert torch.equal(norm(x), expected)


def test_synchronised_batch_norm_is_covered():
    norm = nn.SyncBatchNorm(3)
    with frozen_batchnorm_statistics(norm):
        assert not norm.track_running_stats
        assert norm.running_mean is None
    assert norm.track_running_stats
    assert norm.running_mean is not None


def test_modules_without_statistics_are_left_alone():
    module = nn.Sequential(nn.GroupNorm(1, 3), nn.InstanceNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False))
    x = torch.randn(2, 3, 4, 4)
    expected = module(x)
    with frozen_batchnorm_statistics(module):
        assert torch.equal(module(x), expected)
    assert not module[2].track_running_stats


def test_both_passes_drop_the_same_units_and_the_stream_goes_on():
    dropout, x = nn.Dropout(0.5), torch.ones(1000)
    snapshot = rng_snapshot()
    first = dropout(x)
    without_second_pass = torch.get_rng_state()
    with replayed_rng(snapshot):
        second = dropout(x)
        torch.rand(17)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), without_second_pass)
    assert not torch.equal(dropout(x), first)


def test_the_stream_comes_back_after_an_exception():
    snapshot = rng_snapshot()
    torch.rand(3)
    now = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="lost"), replayed_rng(snapshot):
        raise RuntimeError("lost")
    assert torch.equal(torch.get_rng_state(), now)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_both_passes_drop_the_same_units_on_cuda():
    dropout, x = nn.Dropout(0.5), torch.ones(1000, device="cuda")
    snapshot = rng_snapshot("cuda")
    first = dropout(x)
    with replayed_rng(snapshot):
        second = dropout(x)
    assert torch.equal(first, second)
    assert not torch.equal(dropout(x), first)
