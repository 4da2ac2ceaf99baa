from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from bundle.errors import InputError
from bundle.transforms import RandOctAffined
from bundle.transforms.oct_affine import sample_en_face, shift_in_depth

EXTENT_MM = (6.0, 2.0, 6.0)


def fixed(**amounts: object) -> RandOctAffined:
    """The transform with every amount fixed: the named ones at their value, the others at no change."""
    still = {"rotation_deg": 0.0, "scale": 0.0, "shift_mm": (0, 0, 0), "tilt_deg": (0, 0), "motion_mm": 0.0}
    return RandOctAffined(keys="image", prob=1.0, extent_mm=EXTENT_MM, **(still | amounts))


def trilinear_truth(
    x: np.ndarray, rotation_deg: float, scale: float, shift_mm: tuple[float, ...], tilt_deg: tuple[float, ...]
) -> np.ndarray:
    """Each output voxel read from the volume by scipy, the map written out as a 3 x 3 matrix in mm."""
    shape = x.shape[1:]
    cell_mm = [e / n for e, n in zip(EXTENT_MM, shape, strict=True)]
    out = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")).reshape(3, -1).astype(float)
    out_mm = np.stack([(out[i] - (shape[i] - 1) / 2) * cell_mm[i] for i in range(3)])
    angle, (tilt_b, tilt_a) = np.deg2rad(rotation_deg), np.tan(np.deg2rad(tilt_deg))
    # Content moves by: en-face similarity; then depth by shift + tilts, measured where the A-scan ends up.
    turn = scale * np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1 / scale, 0], [np.sin(angle), 0, np.cos(angle)]])
    moved = out_mm - np.array(shift_mm)[:, None]
    moved[1] -= tilt_b * out_mm[0] + tilt_a * out_mm[2]
    source_mm = np.linalg.inv(turn) @ moved
    source = [source_mm[i] / cell_mm[i] + (shape[i] - 1) / 2 for i in range(3)]
    return map_coordinates(x[0].astype(float), source, order=1, mode="nearest").reshape(x.shape)


def volume(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 9, 20, 14)).astype(np.float32))


@pytest.mark.parametrize(
    ("rotation_deg", "scale", "shift_mm", "tilt_deg"),
    [
        (7.0, 1.0, (0.0, 0.0, 0.0), (0.0, 0.0)),
        (0.0, 1.1, (0.0, 0.0, 0.0), (0.0, 0.0)),
        (0.0, 1.0, (0.4, -0.13, -0.7), (0.0, 0.0)),
        (0.0, 1.0, (0.0, 0.0, 0.0), (3.0, -2.0)),
        (-9.0, 0.93, (-0.3, 0.21, 0.5), (-1.5, 4.0)),
    ],
)
def test_equals_scipy_in_millimetres(
    rotation_deg: float, scale: float, shift_mm: tuple[float, ...], tilt_deg: tuple[float, ...]
) -> None:
    x = volume()
    transform = fixed(
        rotation_deg=(rotation_deg, rotation_deg),
        scale=(scale, scale),
        shift_mm=[(s, s) for s in shift_mm],
        tilt_deg=[(t, t) for t in tilt_deg],
    )
    want = trilinear_truth(x.numpy(), rotation_deg, scale, shift_mm, tilt_deg)
    np.testing.assert_allclose(transform({"image": x})["image"].numpy(), want, atol=2e-5)


def test_one_cell_of_shift_is_a_roll_away_from_the_border() -> None:
    x = volume()
    down = fixed(shift_mm=(0, (0.1, 0.1), 0))({"image": x})["image"]  # a cell is 2 mm / 20 deep
    np.testing.assert_allclose(down[:, :, 1:].numpy(), x[:, :, :-1].numpy(), atol=1e-5)
    nasal = fixed(shift_mm=(0, 0, (6 / 14, 6 / 14)))({"image": x})["image"]
    np.testing.assert_allclose(nasal[..., 1:].numpy(), x[..., :-1].numpy(), atol=1e-5)


def test_positive_turn_is_counter_clockwise() -> None:
    x = torch.zeros(1, 11, 4, 11)
    x[:, 5, :, 9] = 1.0  # at the right, half-way up
    got = sample_en_face(x, 90.0, 1.0, (0.0, 0.0), (6.0, 6.0))
    assert float(got[0, 1, 0, 5]) == pytest.approx(1.0, abs=1e-4)  # now at the top


def test_motion_moves_each_bscan_by_its_own_amount() -> None:
    depth_ramp = torch.arange(20.0)[:, None].expand(1, 9, 20, 14).contiguous()
    got = fixed(motion_mm=0.15).set_random_state(0)({"image": depth_ramp})["image"]
    moved = (depth_ramp - got)[0, :, 5:15]  # voxels, away from the ends
    assert torch.allclose(moved, moved[:, :1, :1].expand_as(moved), atol=1e-4)
    assert moved[:, 0, 0].unique().numel() == 9
    assert 0 < float(moved.abs().max()) <= 1.5 + 1e-4  # 0.15 mm of 0.1-mm cells


def test_zero_ranges_change_nothing_at_all() -> None:
    x = volume()
    assert fixed()({"image": x})["image"] is x


def test_depth_is_never_scaled() -> None:
    """A layer of constant thickness keeps its thickness in every A-scan, whatever is drawn."""
    layer = torch.zeros(1, 16, 48, 32)
    layer[:, :, 20:30] = 1.0
    transform = RandOctAffined(keys="image", prob=1.0).set_random_state(1)
    for _ in range(20):
        thickness = transform({"image": layer})["image"].sum(2)
        np.testing.assert_allclose(thickness.numpy(), 10.0, atol=1e-3)


def test_parts_are_the_identity_at_rest() -> None:
    x = volume()
    still = sample_en_face(x, 0.0, 1.0, (0.0, 0.0), (6.0, 6.0))
    np.testing.assert_allclose(still.numpy(), x.numpy(), atol=1e-5)
    assert torch.equal(shift_in_depth(x, torch.zeros(9, 14)), x)


@pytest.mark.parametrize(
    "amounts", [{"rotation_deg": -1.0}, {"scale": 1.0}, {"shift_mm": (0, 0)}, {"tilt_deg": [(2, 1), 0]}]
)
def test_impossible_ranges_are_refused(amounts: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"RandOctAffined: .*found.*expected"):
        fixed(**amounts)
