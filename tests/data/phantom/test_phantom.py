"""Determinism, laterality and the hidden state of one examination."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from bundle.data.phantom import PRESETS, Phantom, get_preset, phantom
from bundle.data.phantom.field import point_weights
from bundle.data.phantom.latents import draw_sector_damage
from bundle.errors import InputError


def test_an_eye_depends_on_seed_and_number_only():
    first, second = Phantom("default", 3), Phantom("default", 3)
    second.examinations(0)  # order of work must not matter
    a, b = first.examinations(5)[0], second.examinations(5)[0]
    assert a.md_db == b.md_db
    for x, y in zip(first.render(a), second.render(b), strict=True):
        np.testing.assert_array_equal(x, y)
    assert Phantom("default", 4).examinations(5)[0].md_db != a.md_db


def test_the_realistic_preset_shows_the_same_patients_on_a_finer_grid():
    small, fine = Phantom("default", 0), Phantom("realistic", 0)
    a, b = small.examinations(1)[0], fine.examinations(1)[0]
    assert a.md_db == b.md_db
    voxels, pixels = fine.render(b)
    assert voxels.shape == (64, 256, 128)
    assert pixels.shape == (256, 256, 3)


@pytest.mark.parametrize(("eye", "temporal_first"), [("OD", True), ("OS", False)])
def test_a_left_eye_is_stored_mirrored_in_both_modalities(eye, temporal_first):
    source = Phantom("default", 0)
    pool = [e for i in range(300) for e in source.examinations(i) if e.eye == eye]
    tilted = max(pool, key=lambda e: e.oct_anatomy.tilt_um_per_mm[0])  # deepest on the temporal side
    depth = np.argmax(source.render(tilted)[0][:, 5:].astype(float), axis=1).mean(axis=0)
    assert (depth[:8].mean() > depth[-8:].mean() + 3) == temporal_first
    atrophic = max(pool, key=lambda e: e.fundus_anatomy.crescent)  # pale crescent on the temporal side
    pixels = source.render(atrophic)[1][20:44].astype(float)
    assert (pixels[:, 12:28, 2].mean() > pixels[:, 36:52, 2].mean()) == temporal_first


def test_most_patients_have_both_eyes():
    counts = [len(Phantom("default", 0).examinations(i)) for i in range(300)]
    assert set(counts) == {1, 2}
    assert np.mean(np.array(counts) == 2) == pytest.approx(0.94, abs=0.04)


def test_fellow_eyes_share_the_patient_but_not_the_damage():
    right, left = next(e for i in range(9) if len(e := Phantom("default", 0).examinations(i)) == 2)
    assert right.patient.age_years == left.patient.age_years
    assert right.hidden.damage_db != left.hidden.damage_db


@pytest.mark.parametrize("damage_db", [0.0, 0.5, 6.0, 25.0])
def test_sector_damage_keeps_the_mean_and_evens_out(damage_db):
    rng = np.random.default_rng(0)
    drawn = np.array([draw_sector_damage(damage_db, rng) for _ in range(200)])
    np.testing.assert_allclose(drawn @ point_weights(), damage_db, atol=0.02 * damage_db + 1e-9)
    if damage_db > 0:
        unevenness = np.std(np.log(drawn), axis=1).mean()
        assert unevenness < 1.2 * np.exp(-damage_db / 15) + 0.01


def test_worse_eyes_have_less_of_everything(eyes):
    damage = np.array([e.hidden.structure_damage_db.mean() for e in eyes])
    ill, well = damage > 12, damage < 1
    for value, sign in (
        ([e.hidden.rnfl_um.mean() for e in eyes], -1),
        ([sum(e.hidden.gcipl_um) for e in eyes], -1),
        ([e.hidden.cup_disc_ratio.mean() for e in eyes], 1),
        ([e.oct_anatomy.cup_depth_um for e in eyes], 1),
        ([e.fundus_anatomy.pallor for e in eyes], 1),
    ):
        values = np.asarray(value)
        assert sign * (values[ill].mean() - values[well].mean()) > values[well].std()


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(InputError, match="seed"):
        Phantom("default", seed)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="default, long_tail, balanced, realistic"):
        get_preset("huge")
    assert set(PRESETS) == {"default", "long_tail", "balanced", "realistic"}


def test_examples_run():
    result = doctest.testmod(phantom)
    assert (result.attempted > 0, result.failed) == (True, 0)
