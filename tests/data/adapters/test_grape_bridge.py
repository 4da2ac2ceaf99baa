"""The rendered OCT shows the measured RNFL where it was measured, and nothing else of the eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.data.adapters.grape import GrapeVisit
from bundle.data.adapters.grape_bridge import bridge_anatomy, bridge_oct, eye_generator
from bundle.data.adapters.grape_cells import Rnfl
from bundle.data.phantom.anatomy import OctGeometry
from bundle.data.phantom.angles import quadrant_mask

GEOMETRY = OctGeometry(shape=(32, 96, 48))
RNFL = Rnfl(mean_um=80, superior_um=100, nasal_um=70, inferior_um=100, temporal_um=60)


def _visit(**changes: object) -> GrapeVisit:
    visit = GrapeVisit(
        source="GRAPE_VF.csv row 2", subject=900, eye="OD", visit=1, age_years=60.0, sex=None,
        sensitivities_db=np.full(59, 20.0), rnfl=RNFL, photograph=None,
    )  # fmt: skip
    return replace(visit, **changes)  # type: ignore[arg-type]


def _change_by_quadrant(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Mean absolute grey difference in each quadrant of the stored en-face grid, named as in a right eye."""
    n_b, _, n_a = one.shape
    superior = 3 - (np.arange(n_b)[:, None] + 0.5) * 6 / n_b
    left = 3 - (np.arange(n_a)[None, :] + 0.5) * 6 / n_a
    angle = np.degrees(np.arctan2(superior, left)) % 360
    ring = (np.hypot(superior, left) > 1.3) & (np.hypot(superior, left) < 2.3)
    changed = np.abs(one.astype(float) - other).mean(axis=1)
    centres = {"T": 0, "S": 90, "N": 180, "I": 270}
    return {k: changed[ring & (np.abs((angle - c + 180) % 360 - 180) < 35)].mean() for k, c in centres.items()}


@pytest.mark.parametrize(
    ("eye", "quadrant", "seen_at"),
    [
        ("OD", "temporal", "T"), ("OD", "superior", "S"), ("OD", "nasal", "N"), ("OD", "inferior", "I"),
        ("OS", "temporal", "N"), ("OS", "nasal", "T"), ("OS", "superior", "S"), ("OS", "inferior", "I"),
    ],
)  # fmt: skip
def test_a_thinner_quadrant_changes_the_volume_in_that_place(eye, quadrant, seen_at):
    """A left eye is stored mirrored: its temporal side lies where a right eye has its nasal side."""
    thinner = replace(RNFL, **{f"{quadrant}_um": getattr(RNFL, f"{quadrant}_um") - 40})
    changed = _change_by_quadrant(
        bridge_oct(_visit(eye=eye), GEOMETRY, 0), bridge_oct(_visit(eye=eye, rnfl=thinner), GEOMETRY, 0)
    )
    rest = [value for name, value in changed.items() if name != seen_at]
    assert changed[seen_at] > 3 * max(rest)


def test_volume_does_not_depend_on_the_field_the_age_or_the_photograph(tmp_path):
    other = _visit(sensitivities_db=np.zeros(59), age_years=20.0, sex="male", photograph=tmp_path / "x.jpg")
    np.testing.assert_array_equal(bridge_oct(_visit(), GEOMETRY, 0), bridge_oct(other, GEOMETRY, 0))


def test_seed_and_eye_decide_the_rest():
    same = bridge_oct(_visit(), GEOMETRY, 0)
    assert np.array_equal(same, bridge_oct(_visit(), GEOMETRY, 0))
    assert not np.array_equal(same, bridge_oct(_visit(), GEOMETRY, 1))
    assert not np.array_equal(same, bridge_oct(_visit(subject=901), GEOMETRY, 0))


def test_quadrant_means_of_the_anatomy_are_the_measured_ones():
    anatomy = bridge_anatomy(_visit(), eye_generator(_visit(), 0))
    means = {name: anatomy.rnfl_um[quadrant_mask(name)].mean() for name in "TSNI"}
    assert means == pytest.approx({"T": 60, "S": 100, "N": 70, "I": 100})


def test_visit_without_rnfl_has_no_volume():
    with pytest.raises(ValueError, match="row 2: no RNFL"):
        bridge_oct(_visit(rnfl=None), GEOMETRY, 0)
