from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.transforms import ResampleToGridd
from bundle.transforms.oct_grid import axis_weights, resample_to_grid


def centres_mm(n: int, spacing_mm: float) -> np.ndarray:
    return (np.arange(n) - (n - 1) / 2) * spacing_mm


def ramp(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> torch.Tensor:
    """3 b - 5 d + 2 a + 1 at the voxel centres, in mm from the middle."""
    b, d, a = (torch.from_numpy(centres_mm(n, s)).float() for n, s in zip(shape, spacing_mm, strict=True))
    return (3 * b[:, None, None] - 5 * d[:, None] + 2 * a + 1)[None]


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((200, 1024, 200), (0.03, 2 / 1024, 0.03)),  # Cirrus disc cube: nothing divides evenly
        ((97, 496, 77), (6 / 97, 0.00387 * 1.2, 6.2 / 77)),  # wider than the field of view
        ((33, 130, 65), (0.25, 0.021, 0.11)),
    ],
)
def test_linear_ramp_in_mm_stays_exact(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> None:
    grid, extent_mm = (16, 48, 32), (6.0, 2.0, 6.0)
    got = resample_to_grid(ramp(shape, spacing_mm), spacing_mm, grid, extent_mm)
    cells_mm = tuple(e / n for e, n in zip(extent_mm, grid, strict=True))
    np.testing.assert_allclose(got.numpy(), ramp(grid, cells_mm).numpy(), atol=2e-4)


def test_integer_ratio_is_the_block_mean() -> None:
    x = np.random.default_rng(0).random((1, 8, 12, 6)).astype(np.float32)
    got = resample_to_grid(torch.from_numpy(x), (0.5, 0.1, 1.0), (4, 4, 2), (4.0, 1.2, 6.0))
    want = x.reshape(1, 4, 2, 4, 3, 2, 3).mean((2, 4, 6))
    np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


@pytest.mark.parametrize(("n_in", "n_out"), [(5, 13), (7, 8), (3, 32)])
def test_up_sampling_is_linear_interpolation(n_in: int, n_out: int) -> None:
    values = np.random.default_rng(1).random(n_in)
    got = axis_weights(n_in, 1 / n_in, n_out, 1 / n_out) @ values
    want = np.interp(centres_mm(n_out, 1 / n_out), centres_mm(n_in, 1 / n_in), values)
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(("n_in", "s_in", "n_out", "s_out"), product((7, 200), (0.03, 0.2), (16, 33), (0.1, 0.4)))
def test_weights_sum_to_the_share_of_the_cell_inside_the_scan(n_in: int, s_in: float, n_out: int, s_out: float) -> None:
    share = []
    for centre in centres_mm(n_out, s_out):
        low, high = max(centre - s_out / 2, -n_in * s_in / 2), min(centre + s_out / 2, n_in * s_in / 2)
        share.append(max(high - low, 0) / s_out)
    np.testing.assert_allclose(axis_weights(n_in, s_in, n_out, s_out).sum(1), share, atol=1e-9)


def test_volume_already_on_the_grid_is_returned_bit_for_bit() -> None:
    x = torch.rand(1, 16, 48, 32)
    item = {"image": x, "image_spacing_mm": (6 / 16, 2 / 48, 6 / 32)}
    assert ResampleToGridd(keys="image")(item)["image"] is x


def test_scan_smaller_than_the_field_of_view_is_padded_with_its_darkest_value() -> None:
    x = torch.rand(1, 10, 20, 10) + 3.0  # 3 x 1 x 3 mm in the middle of 6 x 2 x 6 mm
    got = resample_to_grid(x, (0.3, 0.05, 0.3), (20, 40, 20), (6.0, 2.0, 6.0))
    np.testing.assert_allclose(got[:, 5:15, 10:30, 5:15].numpy(), x.numpy(), atol=1e-5)
    outside = torch.ones_like(got, dtype=torch.bool)
    outside[:, 5:15, 10:30, 5:15] = False
    np.testing.assert_allclose(got[outside].numpy(), float(x.min()), atol=1e-5)


def test_landmark_keeps_its_place_in_mm_whatever_the_spacing() -> None:
    place_mm = (-1.4, 0.35, 2.1)
    centroids = []
    for shape, spacing_mm in (((128, 600, 128), (0.06, 0.004, 0.05)), ((64, 512, 500), (0.1, 0.004, 0.0125))):
        b, d, a = np.meshgrid(*(centres_mm(n, s) for n, s in zip(shape, spacing_mm, strict=True)), indexing="ij")
        blob = np.exp(-((b - place_mm[0]) ** 2 + (a - place_mm[2]) ** 2) / 0.18 - (d - place_mm[1]) ** 2 / 0.02)
        got = resample_to_grid(
            torch.from_numpy(blob.astype(np.float32))[None], spacing_mm, (16, 48, 32), (6.0, 2.0, 6.0)
        )[0].double()
        cells_mm = np.meshgrid(centres_mm(16, 6 / 16), centres_mm(48, 2 / 48), centres_mm(32, 6 / 32), indexing="ij")
        centroids.append([float((got.numpy() * axis).sum() / got.sum()) for axis in cells_mm])
    np.testing.assert_allclose(centroids, [place_mm, place_mm], atol=0.01)


def test_resampling_follows_gain_and_offset_even_where_it_pads() -> None:
    x = torch.rand(1, 30, 40, 20)
    args = ((0.1, 0.03, 0.25), (16, 48, 32), (6.0, 2.0, 6.0))
    np.testing.assert_allclose(
        resample_to_grid(7 * x + 100, *args).numpy(), (7 * resample_to_grid(x, *args) + 100).numpy(), rtol=2e-5
    )


def test_cirrus_cube_takes_less_than_a_second() -> None:
    x = torch.rand(1, 200, 1024, 200)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        got = resample_to_grid(x, (0.03, 2 / 1024, 0.03), (16, 48, 32), (6.0, 2.0, 6.0))
        seconds.append(time.perf_counter() - start)
    assert got.shape == (1, 16, 48, 32)
    assert min(seconds) < 1.0


@pytest.mark.parametrize("shape", [(200, 64, 50), (9, 300, 41), (4, 16, 700)])
def test_large_volumes_and_bytes_give_the_same_as_one_product_in_double_precision(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(2).integers(3, 256, shape, dtype=np.uint8)
    spacing_mm, grid, extent_mm = (0.04, 0.005, 0.1), (16, 48, 32), (6.0, 2.0, 6.0)
    axes = zip(shape, spacing_mm, grid, extent_mm, strict=True)
    maps = [axis_weights(n_in, s_mm, n_out, e_mm / n_out) for n_in, s_mm, n_out, e_mm in axes]
    want = np.einsum("bi,dj,ak,ijk->bda", *maps, x - 3.0, optimize=True) + 3  # in float64
    for large in (0, 2**30):
        monkeypatch.setattr("bundle.transforms.oct_grid._LARGE_VOXELS", large)
        of_bytes, of_floats = (
            resample_to_grid(torch.from_numpy(v)[None], spacing_mm, grid, extent_mm) for v in (x, x.astype(np.float32))
        )
        assert torch.equal(of_bytes, of_floats)
        assert of_bytes.dtype == torch.float32
        np.testing.assert_allclose(of_bytes[0].numpy(), want, rtol=1e-6)


def test_volume_of_bytes_already_on_the_grid_becomes_floats() -> None:
    x = torch.randint(0, 256, (1, 16, 48, 32), dtype=torch.uint8)
    got = resample_to_grid(x, (6 / 16, 2 / 48, 6 / 32), (16, 48, 32), (6.0, 2.0, 6.0))
    assert got.dtype == torch.float32
    assert torch.equal(got, x.float())


def test_spacing_key_is_brought_up_to_date() -> None:
    item = ResampleToGridd(keys="image", grid=(4, 8, 6), extent_mm=(6, 2, 3))(
        {"image": torch.rand(1, 8, 8, 8), "image_spacing_mm": (0.75, 0.25, 0.75)}
    )
    assert item["image_spacing_mm"] == (1.5, 0.25, 0.5)


@pytest.mark.parametrize("spacing_mm", [None, (0.1, 0.0, 0.1), (0.1, 0.1), (0.1, float("nan"), 0.1)])
def test_volume_without_a_usable_spacing_is_refused(spacing_mm: tuple[float, ...] | None) -> None:
    item = {"image": torch.rand(1, 4, 4, 4), "image_spacing_mm": spacing_mm, "row": 7}
    with pytest.raises(InputError, match=r"manifest row 7: key 'image_spacing_mm': found .* expected three"):
        ResampleToGridd(keys="image")(item)


def test_eye_without_a_volume_passes() -> None:
    assert ResampleToGridd(keys="image")({"fundus": 1}) == {"fundus": 1}
    with pytest.raises(KeyError):
        ResampleToGridd(keys="image", allow_missing_keys=False)({"fundus": 1})


def test_grid_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="three cell counts"):
        ResampleToGridd(keys="image", grid=(0, 48, 32))
