"""What must not change the contrastive loss, what must, and hard inputs."""

import io
import math
from itertools import pairwise

import pytest
import torch

from bundle.errors import InputError
from bundle.losses import AdaptiveMarginContrastiveLoss

CONFIGS = {
    "soft": {},
    "hard": {"targets": "hard", "hard_window_db": 2.0},
    "rank": {"denominator": "rank"},
    "l2": {"similarity": "l2"},
    "cdf": {"cdf_share": 0.5, "anchor_power": 0.5},
}
MD_TRAIN = -(torch.linspace(0, 5, 100) ** 2)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def z(generator):
    return torch.randn(10, 6, dtype=torch.float64, generator=generator)


@pytest.fixture
def md_db():
    """10 labels on a grid of 1/8 dB, two of them equal."""
    return torch.tensor([-0.5, -0.5, -1.25, -2.0, -3.5, -6.0, -7.75, -12.0, -20.5, -24.0], dtype=torch.float64)


@pytest.fixture
def queue(generator):
    return torch.randn(7, 6, dtype=torch.float64, generator=generator), -torch.arange(0.0, 21.0, 3.0).double()


@pytest.fixture(params=CONFIGS)
def loss(request):
    return AdaptiveMarginContrastiveLoss(margin=0.7, **CONFIGS[request.param]).fit(MD_TRAIN)


def test_rotation_of_all_features_changes_nothing(loss, z, md_db, queue, generator):
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=generator))
    rotated = loss(z @ rotation, md_db, queue[0] @ rotation, queue[1])
    torch.testing.assert_close(rotated, loss(z, md_db, *queue), rtol=1e-10, atol=0)


def test_order_of_batch_and_queue_changes_nothing(loss, z, md_db, queue, generator):
    i, j = torch.randperm(10, generator=generator), torch.randperm(7, generator=generator)
    permuted = loss(z[i], md_db[i], queue[0][j], queue[1][j])
    torch.testing.assert_close(permuted, loss(z, md_db, *queue), rtol=1e-10, atol=0)


def test_shifting_labels_and_density_together_changes_nothing(loss, z, md_db, queue):
    before = loss(z, md_db, *queue)
    after = loss.fit(MD_TRAIN + 4.0)(z, md_db + 4.0, queue[0], queue[1] + 4.0)
    # The training labels are rounded to float32, hence not 1e-10.
    torch.testing.assert_close(after, before, rtol=1e-5, atol=0)


def test_gradient_equals_finite_differences(loss, z, md_db, queue):
    assert torch.autograd.gradcheck(lambda f: loss(f, md_db, *queue), z.requires_grad_())


def test_length_of_a_feature_does_not_matter_for_the_cosine(z, md_db):
    loss = AdaptiveMarginContrastiveLoss().fit(MD_TRAIN)
    torch.testing.assert_close(loss(7 * z, md_db), loss(z, md_db), rtol=1e-10, atol=0)


def test_hard_loss_grows_with_the_margin(z, md_db):
    values = [
        AdaptiveMarginContrastiveLoss(margin=m0, **CONFIGS["hard"]).fit(MD_TRAIN)(z, md_db).item()
        for m0 in (0.0, 0.1, 0.3, 0.6, 1.0)
    ]
    assert all(low < high for low, high in pairwise(values))


def test_rarer_labels_get_a_wider_margin(z):
    md_db = torch.tensor([0.0, 0.0, -10.0])
    loss = AdaptiveMarginContrastiveLoss(rarity_power=0.5, margin=1.0, **CONFIGS["hard"])
    as_common = loss.fit([0.0, -10.0])(z[:3], md_db)
    rare = loss.fit([0.0] * 30 + [-10.0])(z[:3], md_db)
    assert rare > as_common


def test_queue_entries_are_keys_but_not_anchors(z, md_db, queue):
    loss = AdaptiveMarginContrastiveLoss().fit(MD_TRAIN)
    whole = loss(torch.cat([z, queue[0]]), torch.cat([md_db, queue[1]]))
    assert loss(z, md_db, *queue) != loss(z, md_db)
    assert loss(z, md_db, *queue) != whole


def test_gradient_reaches_the_batch_and_not_a_detached_queue(z, md_db, queue):
    z.requires_grad_()
    AdaptiveMarginContrastiveLoss().fit(MD_TRAIN)(z, md_db, *queue).backward()
    assert z.grad.abs().sum() > 0
    assert queue[0].grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_twenty_times_larger_stay_finite(loss, z, md_db, queue, dtype):
    features = (20 * z).to(dtype).requires_grad_()
    value = loss(features, md_db, *queue)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert features.grad.isfinite().all()


def test_coincident_and_zero_features_have_finite_gradients(loss, md_db):
    z = torch.zeros(10, 6)
    z[5:] = 1.0
    z.requires_grad_()
    loss(z, md_db).backward()
    assert z.grad.isfinite().all()
    assert z.grad.abs().max() < 1e3


def test_tiny_temperature_and_bandwidth_stay_finite(z, md_db):
    z = z.float().requires_grad_()
    value = AdaptiveMarginContrastiveLoss(temperature=1e-3, bandwidth_db=1e-4).fit(MD_TRAIN)(z, md_db)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("n", [0, 1])
def test_no_pair_is_zero_with_a_finite_gradient(loss, n):
    z = torch.randn(n, 6, requires_grad=True)
    value = loss(z, torch.zeros(n))
    value.backward()
    assert value.item() == 0
    assert z.grad.tolist() == torch.zeros(n, 6).tolist()


def test_one_eye_with_a_queue_has_keys(loss, z, md_db, queue):
    z = z[:1].requires_grad_()
    value = loss(z, md_db[:1], *queue)
    value.backward()
    assert value > 0
    assert z.grad.isfinite().all()


def test_an_empty_queue_equals_no_queue(loss, z, md_db):
    assert loss(z, md_db, torch.empty(0, 6), torch.empty(0)) == loss(z, md_db)


def test_autocast_does_not_lower_the_precision(z, md_db):
    loss = AdaptiveMarginContrastiveLoss().fit(MD_TRAIN)
    plain = loss(z.float(), md_db)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(z.float(), md_db) == plain


def test_state_loads_into_an_unfitted_loss_with_weights_only(z, md_db):
    fitted, fresh = (AdaptiveMarginContrastiveLoss(cdf_share=0.3, anchor_power=1) for _ in range(2))
    fitted.fit(MD_TRAIN)
    file = io.BytesIO()
    torch.save(fitted.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh(z, md_db) == fitted(z, md_db)


def test_unfitted_loss_that_needs_the_density_says_fit(z, md_db):
    with pytest.raises(RuntimeError, match=r"fit\(md_db_train\)"):
        AdaptiveMarginContrastiveLoss()(z, md_db)


ENDLESS = ("temperature", "margin", "margin_power", "margin_cap", "rarity_power", "anchor_power")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("temperature", "1e-1"),
        ("bandwidth_db", 0.0),
        ("margin", -0.1),
        ("margin_power", 0.0),
        ("margin_cap", -1.0),
        ("rarity_power", -0.25),
        ("anchor_power", math.nan),
        ("cdf_share", 1.5),
        ("hard_window_db", -1.0),
        ("targets", "firm"),
        ("denominator", "none"),
        ("similarity", "dot"),
        *((name, math.inf) for name in ENDLESS),
    ],
)
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        AdaptiveMarginContrastiveLoss(**{name: value})


@pytest.mark.parametrize("name", ["z", "md_db", "z_queue", "md_queue_db"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused_by_name(loss, z, md_db, queue, name, bad):
    arguments = {"z": z, "md_db": md_db, "z_queue": queue[0], "md_queue_db": queue[1]}
    arguments[name].view(-1)[0] = bad
    with pytest.raises(ValueError, match=f"^{name}: .*not finite"):
        loss(**arguments)


def test_shapes_that_do_not_agree_are_refused(loss, z, md_db, queue):
    with pytest.raises(ValueError, match="z and md_db"):
        loss(z, md_db.unsqueeze(1))
    with pytest.raises(ValueError, match="z_queue and md_queue_db"):
        loss(z, md_db, queue[0][:, :4], queue[1])
    with pytest.raises(ValueError, match="expected both or neither"):
        loss(z, md_db, queue[0])
