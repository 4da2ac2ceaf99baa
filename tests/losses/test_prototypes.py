"""Prototypes of MD bins and their loss: hand values, torch's cross-entropy, limiting cases."""

import math

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.losses import PrototypeLoss, PrototypeMemory
from bundle.losses.prototypes import known, similarities

NAN = float("nan")
TRAIN_DB = np.random.default_rng(0).gamma(1.5, 4.0, 200) * -1 + 1


def drawn(eyes=6, bins=4, channels=5):
    """Features, labels and prototypes of random numbers, float32."""
    generator = torch.Generator().manual_seed(1)
    h = torch.randn(eyes, channels, generator=generator, requires_grad=True)
    return h, torch.linspace(-20, 0, eyes), torch.randn(bins, channels, generator=generator)


# ---- bins ------------------------------------------------------------------------------------------------------------


def test_bins_are_quantiles_with_the_mean_label_of_their_training_eyes():
    loss = PrototypeLoss(bins=8).fit(TRAIN_DB)
    counts = np.bincount(loss.bin_of(torch.tensor(TRAIN_DB)).numpy())
    assert counts.tolist() == [25] * 8
    expected = np.sort(TRAIN_DB).reshape(8, 25).mean(1)
    np.testing.assert_allclose(loss.bin_db.numpy(), expected, rtol=1e-6)


def test_labels_beyond_the_training_range_are_in_the_outermost_bins():
    assert PrototypeLoss(bins=8).fit(TRAIN_DB).bin_of(torch.tensor([-50.0, 10.0])).tolist() == [0, 7]


@pytest.mark.parametrize("labels", [[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [2.0] * 5, [3.0]])
def test_equal_labels_leave_no_bin_without_a_training_eye(labels):
    loss = PrototypeLoss(bins=4).fit(labels)
    found = loss.bin_of(torch.tensor(labels))
    assert sorted(set(found.tolist())) == list(range(len(loss.bin_db)))
    assert bool(loss.bin_db.isfinite().all())


# ---- loss ------------------------------------------------------------------------------------------------------------


def test_value_and_gradient_are_torchs_cross_entropy_with_soft_targets():
    loss = PrototypeLoss(bins=4, bandwidth_db=3.0).fit(TRAIN_DB)
    h, md_db, c = drawn()
    value = loss(h, md_db, c)
    (gradient,) = torch.autograd.grad(value, h)
    targets = torch.softmax(-(md_db[:, None] - loss.bin_db).abs() / 3.0, 1)
    expected = torch.nn.functional.cross_entropy(-torch.cdist(h, c), targets)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, h)[0])


def test_a_narrow_bandwidth_is_cross_entropy_with_the_nearest_bin():
    loss = PrototypeLoss(bins=4, bandwidth_db=1e-3).fit(TRAIN_DB)
    h, _, c = drawn(eyes=4)
    expected = torch.nn.functional.cross_entropy(-torch.cdist(h, c), torch.arange(4))
    torch.testing.assert_close(loss(h, loss.bin_db, c), expected)


def test_the_gradient_at_a_prototype_is_finite():
    loss = PrototypeLoss(bins=2).fit([-10.0, 0.0])
    h = torch.zeros(1, 3, requires_grad=True)
    loss(h, torch.tensor([0.0]), torch.zeros(2, 3)).backward()
    assert h.grad is not None
    assert bool(h.grad.isfinite().all())


def test_a_bin_without_a_prototype_takes_no_part():
    """As if the bin did not exist, in value and gradient."""
    loss = PrototypeLoss(bins=4).fit(TRAIN_DB)
    h, md_db, c = drawn()
    c[2] = NAN
    (gradient,) = torch.autograd.grad(loss(h, md_db, c), h)
    keep = torch.tensor([0, 1, 3])
    targets = torch.softmax(-(md_db[:, None] - loss.bin_db[keep]).abs() / 2.0, 1)
    expected = torch.nn.functional.cross_entropy(-torch.cdist(h, c[keep]), targets)
    torch.testing.assert_close(loss(h, md_db, c), expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, h)[0])


def test_probability_of_the_true_bin_by_hand():
    """Distances 0 and log 3: p = 3/4 for the nearer bin; a bin without a prototype has 0."""
    loss = PrototypeLoss(bins=2).fit([-10.0, 0.0])
    h, c = torch.zeros(2, 1), torch.tensor([[0.0], [math.log(3.0)]])
    found = loss.true_bin_probability(h, torch.tensor([-10.0, 0.0]), c)
    torch.testing.assert_close(found, torch.tensor([0.75, 0.25]), atol=1e-5, rtol=0)
    c[0] = NAN
    torch.testing.assert_close(loss.true_bin_probability(h, torch.tensor([-10.0, 0.0]), c), torch.tensor([0.0, 1.0]))


def test_no_eye_is_zero_with_a_zero_gradient():
    loss = PrototypeLoss(bins=2).fit([-10.0, 0.0])
    h = torch.zeros(0, 3, requires_grad=True)
    value = loss(h, torch.zeros(0), torch.zeros(2, 3))
    value.backward()
    assert float(value.detach()) == 0.0


def test_similarity_of_half_precision_features_is_float32():
    assert similarities(torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(2, 3)).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "value"), [("bins", 1), ("bins", 2.5), ("bandwidth_db", 0.0), ("bandwidth_db", "1e-3")]
)
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=rf"^{name}: found"):
        PrototypeLoss(**{name: value})


@pytest.mark.parametrize("labels", [[], [1.0, NAN]])
def test_labels_that_are_not_finite_are_refused(labels):
    with pytest.raises(InputError, match="md_db_train"):
        PrototypeLoss().fit(labels)


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_prototypes_of_two_points_by_hand():
    memory = PrototypeMemory(bins=2)
    memory.add(torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([0, 1]))
    assert memory.update().tolist() == [[1.0, 2.0], [3.0, 6.0]]
    memory.add(torch.tensor([[2.0, 2.0], [4.0, 2.0]]), torch.tensor([0, 0]))
    # bin 0: 0.8 * (3, 2) + 0.2 * (1, 2); bin 1 had no eye
    torch.testing.assert_close(memory.update(), torch.tensor([[2.6, 2.0], [3.0, 6.0]]))


def test_a_bin_that_never_had_an_eye_has_no_prototype_and_begins_with_the_mean():
    memory = PrototypeMemory(bins=3)
    memory.add(torch.ones(1, 2), torch.tensor([1]))
    assert known(memory.update()).tolist() == [False, True, False]
    memory.add(torch.tensor([[4.0, 8.0]]), torch.tensor([0]))
    assert memory.update()[0].tolist() == [4.0, 8.0]


def test_prototypes_equal_numpy_means_over_batches():
    rng = np.random.default_rng(3)
    h, bins = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 5, 40)
    memory = PrototypeMemory(bins=5)
    for part in np.array_split(np.arange(40), 7):
        memory.add(torch.tensor(h[part]), torch.tensor(bins[part]))
    expected = np.stack([h[bins == k].mean(0) for k in range(5)])
    np.testing.assert_allclose(memory.update().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_memory_takes_the_stored_width():
    memory, other = PrototypeMemory(bins=2), PrototypeMemory(bins=2)
    memory.add(torch.ones(2, 7), torch.tensor([0, 1]))
    memory.update()
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.prototypes, memory.prototypes)
