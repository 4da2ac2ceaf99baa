from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader as MonaiDataLoader
from monai.transforms import Compose, OneOf, RandGaussianNoised
from torch.utils.data import DataLoader

from bundle.data.dataset import EyeDataset
from bundle.errors import InputError
from bundle.transforms import (
    RandBScanDropoutd,
    RandFundusAffined,
    RandFundusBlurd,
    RandFundusColord,
    RandOctAffined,
    RandSpeckled,
    ResampleToGridd,
)


class Counting:
    """Counts its calls, refuses the rows it is told to, and makes a small eye."""

    def __init__(self, bad_rows: tuple[int, ...] = ()) -> None:
        self.calls, self.bad_rows, self.threads = 0, bad_rows, set()

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        self.threads.add(threading.get_ident())
        if item["row"] in self.bad_rows:
            raise InputError(f"eyes/{item['row']}.npz: found 3 bytes, expected a volume")
        rng = np.random.default_rng(item["row"])
        return {
            "image": torch.from_numpy(rng.normal(size=(1, 8, 24, 16)).astype(np.float32)),
            "fundus": torch.from_numpy(rng.normal(size=(3, 32, 32)).astype(np.float32)),
            "row": item["row"],
        }


def rows(n: int) -> list[dict[str, Any]]:
    return [{"row": row} for row in range(2, n + 2)]


def random_part() -> list[Any]:
    return [
        RandOctAffined("image", prob=0.8),
        RandSpeckled("image", prob=0.5),
        RandBScanDropoutd("image", prob=0.5),
        RandFundusAffined("fundus", prob=0.8),
        RandFundusColord("fundus", prob=0.8),
        RandFundusBlurd("fundus", prob=0.5),
    ]


def dataset(n: int = 12, **kwargs: Any) -> EyeDataset:
    return EyeDataset(rows(n), deterministic=Counting(), random=random_part(), **kwargs)


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in ("image", "fundus")) and a["row"] == b["row"]


def test_deterministic_part_runs_once_an_eye() -> None:
    prepare = Counting()
    data = EyeDataset(rows(5), deterministic=prepare, random=random_part())
    for epoch in range(3):
        data.set_epoch(epoch)
        for index in range(5):
            data[index]
    assert prepare.calls == 5


def test_without_the_cache_the_items_are_the_same() -> None:
    cached, uncached = dataset(), dataset(cache=False)
    assert all(equal(cached[index], uncached[index]) for index in range(12))


def test_item_depends_on_seed_epoch_and_index_and_on_nothing_else() -> None:
    data, again = dataset(), dataset()
    want = {(epoch, index): data[epoch, index] for epoch in range(3) for index in range(12)}
    for epoch, index in reversed(want):
        np.random.seed(epoch)  # noqa: NPY002
        torch.manual_seed(index)
        again.set_epoch(epoch)
        assert equal(again[index], want[epoch, index])
    assert not equal(want[0, 3], want[1, 3])
    assert not equal(dataset(seed=1)[0], data[0, 0])


def test_neighbours_draw_different_random_numbers() -> None:
    same_eye = EyeDataset([{"row": 2}] * 50, deterministic=Counting(), random=random_part())
    images = {same_eye[index]["image"].numpy().tobytes() for index in range(50)}
    assert len(images) > 45  # some are left unchanged by chance


@pytest.mark.parametrize("loader", [DataLoader, MonaiDataLoader])
def test_batches_are_the_same_with_and_without_workers(loader: type) -> None:
    data = dataset()
    data.set_epoch(4)
    batches = [list(loader(data, batch_size=5, num_workers=workers)) for workers in (0, 2)]
    assert len(batches[0]) == 3
    for alone, shared in zip(*batches, strict=True):
        assert all(torch.equal(alone[key], shared[key]) for key in ("image", "fundus", "row"))


def test_workers_kept_alive_see_a_new_epoch() -> None:
    data = dataset()
    loader = DataLoader(data, batch_size=12, num_workers=2, persistent_workers=True)
    for epoch in (0, 1):
        data.set_epoch(epoch)
        batch = next(iter(loader))
        assert torch.equal(batch["image"], torch.stack([data[epoch, index]["image"] for index in range(12)]))


def test_sampler_may_name_the_epoch() -> None:
    data = dataset()
    batch = next(iter(DataLoader(data, batch_size=2, sampler=[(7, 3), (7, 1)])))
    data.set_epoch(7)
    assert torch.equal(batch["image"], torch.stack([data[3]["image"], data[1]["image"]]))


def test_cached_tensors_are_not_written_into() -> None:
    data = dataset()
    before = [{key: value.clone() for key, value in item.items() if key != "row"} for item in data._cached]
    for epoch in range(10):
        for index in range(12):
            data[epoch, index]["extra"] = 1
    for item, old in zip(data._cached, before, strict=True):
        assert set(item) == {"image", "fundus", "row"}
        assert all(torch.equal(item[key], old[key]) for key in old)


def test_items_without_a_random_part_are_the_callers_to_change() -> None:
    data = EyeDataset(rows(2), deterministic=Counting())
    data[0]["pred"] = torch.zeros(1)
    assert "pred" not in data[0]


def test_monai_random_transforms_inside_compositions_obey_too() -> None:
    noise = RandGaussianNoised(keys="image", prob=1.0)
    inside = Compose([OneOf([noise, RandSpeckled("image", prob=1.0)]), RandOctAffined("image", prob=1.0)])
    data = EyeDataset(rows(3), deterministic=Counting(), random=inside)
    first = [data[0, index]["image"].clone() for index in range(3)]
    for index in (2, 0, 1):
        assert torch.equal(data[0, index]["image"], first[index])


def test_corrupt_file_stops_with_its_row_by_default() -> None:
    with pytest.raises(InputError, match=r"manifest row 5: eyes/5.npz: found 3 bytes"):
        EyeDataset(rows(10), deterministic=Counting(bad_rows=(5,)))


def test_row_is_named_once_even_through_a_compose() -> None:
    refuse = Compose([Counting(), ResampleToGridd(keys="image")])
    with pytest.raises(InputError) as caught:
        EyeDataset(rows(1), deterministic=refuse)
    assert str(caught.value).count("manifest row 2") == 1


def test_corrupt_file_can_be_skipped_and_is_listed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data = EyeDataset(rows(200), deterministic=Counting(bad_rows=(7, 100)), on_error="skip")
    assert data.skipped == [7, 100]
    assert len(data) == 198
    assert [item["row"] for item in data.data] == [data[index]["row"] for index in range(198)]
    assert "manifest row 100" in caplog.text


def test_more_than_one_percent_corrupt_files_stop_even_when_skipping() -> None:
    with pytest.raises(InputError, match=r"3 of 200 eyes cannot be used \(manifest rows \[7, 8, 9\]\)"):
        EyeDataset(rows(200), deterministic=Counting(bad_rows=(7, 8, 9)), on_error="skip")


def test_error_that_is_not_the_users_is_shown_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        EyeDataset(rows(2), deterministic=lambda item: 1 / 0, on_error="skip")


def test_threads_fill_the_cache_in_order() -> None:
    prepare = Counting()
    data = EyeDataset(rows(40), deterministic=prepare, workers=4)
    assert [data[index]["row"] for index in range(40)] == list(range(2, 42))
    assert threading.get_ident() not in prepare.threads


def test_index_out_of_range_ends_iteration() -> None:
    data = dataset(n=3)
    assert equal(data[-1], data[2])
    with pytest.raises(IndexError):
        data[3]


@pytest.mark.parametrize(
    "arguments", [{"on_error": "ignore"}, {"on_error": "skip", "cache": False}, {"data": []}], ids=str
)
def test_impossible_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="EyeDataset"):
        EyeDataset(**{"data": rows(2), **arguments})
