"""FeatureQueue: order, limits, state."""

import io

import pytest
import torch

from bundle.errors import InputError
from bundle.losses import FeatureQueue


def batch(*md_db):
    md = torch.tensor(md_db)
    return torch.stack([md, 2 * md], 1), md


def test_keeps_the_newest_in_order_of_arrival():
    queue = FeatureQueue(size=3, dim=2)
    queue.enqueue(*batch(-1.0, -2.0))
    assert queue.md_db.tolist() == [-1.0, -2.0]
    queue.enqueue(*batch(-3.0, -4.0))
    assert queue.md_db.tolist() == [-2.0, -3.0, -4.0]
    assert queue.z.tolist() == [[-2.0, -4.0], [-3.0, -6.0], [-4.0, -8.0]]
    assert len(queue) == 3


def test_a_batch_larger_than_the_queue_leaves_its_newest_rows():
    queue = FeatureQueue(size=2, dim=2)
    queue.enqueue(*batch(-1.0, -2.0, -3.0))
    assert queue.md_db.tolist() == [-2.0, -3.0]


def test_size_zero_stays_empty():
    queue = FeatureQueue(size=0, dim=2)
    queue.enqueue(*batch(-1.0, -2.0))
    assert queue.z.shape == (0, 2)
    assert queue.md_db.shape == (0,)


def test_holds_detached_copies():
    queue = FeatureQueue(size=2, dim=2)
    z, md_db = batch(-1.0)
    z.requires_grad_()
    queue.enqueue(z, md_db)
    with torch.no_grad():
        z.zero_()
    assert not queue.z.requires_grad
    assert queue.z.tolist() == [[-1.0, -2.0]]


def test_labels_keep_every_digit_of_a_batch():
    queue = FeatureQueue(size=1, dim=2)
    queue.enqueue(torch.zeros(1, 2), torch.tensor([-3.27]))
    assert torch.equal(queue.md_db, torch.tensor([-3.27]))


def test_save_load_go_on_equals_never_stopped():
    through, saved, loaded = (FeatureQueue(size=3, dim=2) for _ in range(3))
    for queue in (through, saved):
        queue.enqueue(*batch(-1.0, -2.0))
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for queue in (through, loaded):
        queue.enqueue(*batch(-3.0, -4.0))
    assert torch.equal(through.z, loaded.z)
    assert torch.equal(through.md_db, loaded.md_db)


@pytest.mark.parametrize(("size", "dim"), [(1, 2), (3, 5)])
def test_a_checkpoint_of_another_queue_is_refused(size, dim):
    saved = FeatureQueue(size=3, dim=2)
    saved.enqueue(*batch(-1.0, -2.0))
    with pytest.raises(InputError, match="projection_dim"):
        FeatureQueue(size, dim).load_state_dict(saved.state_dict())


def test_shapes_that_do_not_agree_are_refused():
    queue = FeatureQueue(size=3, dim=2)
    with pytest.raises(ValueError, match="md_db"):
        queue.enqueue(torch.zeros(2, 2), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        queue.enqueue(torch.zeros(2, 3), torch.zeros(2))


def test_a_negative_size_is_refused():
    with pytest.raises(InputError, match="size"):
        FeatureQueue(size=-1, dim=2)
