"""Harvard-GF, FairVision and FairVLMed: nothing pickled is loaded, what is absent is not invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundle.data import read_manifest
from bundle.data.adapters import fairvision, fairvlmed, harvard_gf
from bundle.data.readers import read_fundus, read_oct
from bundle.errors import InputError
from tests.data.adapters.layouts import (
    cube,
    slo,
    write_csv,
    write_fairvision,
    write_fairvlmed,
    write_harvard_gf,
    write_npz,
)


class Trap:
    """Unpickling an instance makes a file: proof that a pickle was loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def as_object(value: object) -> np.ndarray:
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def test_harvard_gf_has_volumes_and_md_and_no_photograph(tmp_path):
    rows = read_manifest(harvard_gf.make_manifest(write_harvard_gf(tmp_path / "source"), tmp_path / "out"))
    assert [(one.patient_id, one.md_db, one.fundus, one.split) for one in rows] == [
        ("harvard_gf_1", -1.5, None, "train"),
        ("harvard_gf_2", -7.25, None, "train"),
        ("harvard_gf_3", -20.0, None, "train"),
    ]


def test_volume_is_that_of_the_file_and_the_rnfl_map_is_not_in_it(tmp_path):
    """The sentinels -2 and -1 of the map would be the darkest voxels, if it were used."""
    one = read_manifest(harvard_gf.make_manifest(write_harvard_gf(tmp_path / "source"), tmp_path / "out"))[1]
    volume = read_oct(one.oct)
    assert np.array_equal(volume.voxels, cube(2))
    assert volume.voxels.dtype == np.uint8
    assert volume.spacing_mm == pytest.approx((6 / 8, 2 / 24, 6 / 16))


def test_flat_folder_has_no_split(tmp_path):
    rows = read_manifest(harvard_gf.make_manifest(write_harvard_gf(tmp_path / "s", split="."), tmp_path / "out"))
    assert {one.split for one in rows} == {None}


@pytest.mark.parametrize("empty", [[], np.empty((0, 200, 200), np.uint8)])
def test_empty_volumes_are_left_out_with_a_count(tmp_path, caplog, empty):
    root = write_harvard_gf(tmp_path / "source")
    write_npz(root / "Training" / "data_0009.npz", oct_bscans=empty, md=-3.0)
    assert len(read_manifest(harvard_gf.make_manifest(root, tmp_path / "out"))) == 3
    assert "left out 1 of 4 (first: data_0009.npz): oct_bscans is empty" in caplog.text


@pytest.mark.parametrize("key", ["md", "oct_bscans"])
def test_pickled_arrays_are_refused_with_the_reason_and_never_loaded(tmp_path, caplog, key):
    root, marker = write_harvard_gf(tmp_path / "source"), tmp_path / "loaded"
    arrays = {"oct_bscans": cube(), "md": -3.0} | {key: as_object(Trap(marker))}
    write_npz(root / "Training" / "data_0009.npz", **arrays)
    assert len(read_manifest(harvard_gf.make_manifest(root, tmp_path / "out"))) == 3
    assert f"{key} is pickled Python objects, which can run code" in caplog.text
    assert not marker.exists()
    np.load(root / "Training" / "data_0009.npz", allow_pickle=True)[key]  # the trap works
    assert marker.exists()


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"md": -3.0}, "no key oct_bscans"),
        ({"md": 40.0, "oct_bscans": cube()}, "md is outside"),
        ({"md": [1.0, 2.0], "oct_bscans": cube()}, "md is not one number"),
        ({"md": "severe", "oct_bscans": cube()}, "md is not one number"),
        ({"md": -3.0, "oct_bscans": cube()[0]}, "oct_bscans is no volume"),
        ({"md": -3.0, "oct_bscans": cube()[:2]}, "too few B-scans"),
    ],
)
def test_files_of_another_kind_are_left_out_with_the_reason(tmp_path, caplog, arrays, reason):
    root = write_harvard_gf(tmp_path / "source")
    write_npz(root / "Training" / "data_0009.npz", **arrays)
    assert len(read_manifest(harvard_gf.make_manifest(root, tmp_path / "out"))) == 3
    assert reason in caplog.text


def test_damaged_file_is_left_out(tmp_path, caplog):
    root = write_harvard_gf(tmp_path / "source")
    whole = (root / "Training" / "data_0001.npz").read_bytes()
    (root / "Training" / "data_0009.npz").write_bytes(whole[: len(whole) // 2])
    assert len(read_manifest(harvard_gf.make_manifest(root, tmp_path / "out"))) == 3
    assert "no readable NPZ" in caplog.text


def test_fairvision_folders_are_the_split_and_without_md_it_serves_prediction(tmp_path, caplog):
    manifest = fairvision.make_manifest(write_fairvision(tmp_path / "source"), tmp_path / "out")
    rows = read_manifest(manifest, labels="optional")
    assert [one.split for one in rows] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert "md_db" not in Path(manifest).read_text()
    assert "serves prediction" in caplog.text


def test_fairvision_md_of_the_table_is_used_where_it_is_present(tmp_path):
    md_db = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]
    root = write_fairvision(tmp_path / "source", md_db=md_db)
    rows = read_manifest(fairvision.make_manifest(root, tmp_path / "out"))
    assert [one.md_db for one in rows] == md_db


def test_fairvision_md_of_the_file_is_used_where_it_is_present(tmp_path):
    root = write_fairvision(tmp_path / "source")
    write_npz(root / "Glaucoma" / "Training" / "data_00001.npz", oct_bscans=cube(), slo_fundus=slo().T, md=-8.5)
    manifest = Path(fairvision.make_manifest(root, tmp_path / "out"))
    assert [one.md_db for one in read_manifest(manifest)] == [-8.5]
    assert len(read_manifest(manifest.with_name("unlabelled.csv"), labels="optional")) == 5


def test_fairvision_folders_renamed_as_its_authors_ask_are_found(tmp_path):
    root = write_fairvision(tmp_path / "source", splits=("train", "val", "test"))
    rows = read_manifest(fairvision.make_manifest(root / "Glaucoma", tmp_path / "out"), labels="optional")
    assert [one.split for one in rows] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


def test_fairvision_picture_is_the_jpeg_where_there_is_one(tmp_path):
    root = write_fairvision(tmp_path / "source")
    one = read_manifest(fairvision.make_manifest(root, tmp_path / "out"), labels="optional")[0]
    expected = read_fundus(root / "Glaucoma" / "Training" / "slo_00001.jpg")
    assert np.array_equal(read_fundus(one.fundus).pixels, expected.pixels)


@pytest.mark.parametrize(("transposed", "expected"), [(True, slo()), (False, slo().T)])
def test_fairvision_picture_in_the_file_is_stored_across(tmp_path, transposed, expected):
    root = write_fairvision(tmp_path / "source", jpeg=False)
    manifest = fairvision.make_manifest(root, tmp_path / "out", slo_transposed=transposed)
    one = read_manifest(manifest, labels="optional")[0]
    assert np.array_equal(read_fundus(one.fundus).pixels[..., 0], expected)


@pytest.mark.parametrize("stored", [slo((20, 26)), slo((20, 26)).T])
def test_picture_that_is_not_square_lies_on_its_long_side(tmp_path, stored):
    write_npz(tmp_path / "source" / "data_00001.npz", slo_fundus=stored, md=-3.0)
    one = read_manifest(fairvlmed.make_manifest(tmp_path / "source", tmp_path / "out"))[0]
    assert np.array_equal(read_fundus(one.fundus).pixels[..., 0], slo((20, 26)))


def test_fairvlmed_has_picture_and_md_and_no_volume(tmp_path):
    rows = read_manifest(fairvlmed.make_manifest(write_fairvlmed(tmp_path / "source"), tmp_path / "out"))
    assert [(one.md_db, one.oct, one.split) for one in rows] == [
        (-1.25, None, "train"), (-2.5, None, "train"), (-3.75, None, "validation"), (-5.0, None, "validation"),
        (-6.25, None, "test"), (-7.5, None, "test"),
    ]  # fmt: skip


def test_notes_of_patients_go_nowhere(tmp_path):
    fairvlmed.make_manifest(write_fairvlmed(tmp_path / "source"), tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"free text" in path.read_bytes()]


def test_equal_numbers_of_two_sets_are_not_one_patient(tmp_path):
    one = fairvision.make_manifest(write_fairvision(tmp_path / "a"), tmp_path / "out_a")
    other = fairvlmed.make_manifest(write_fairvlmed(tmp_path / "b"), tmp_path / "out_b")
    patients = [{row.patient_id for row in read_manifest(path, labels="optional")} for path in (one, other)]
    assert len(patients[0]) == len(patients[1]) == 6
    assert not patients[0] & patients[1]


@pytest.mark.parametrize(
    "pixels", [np.full((20, 26), -1.0), np.full((20, 26), 999), np.zeros((20, 26, 4)), as_object(1)]
)
def test_picture_of_another_kind_is_left_out(tmp_path, pixels):
    root = write_fairvlmed(tmp_path / "source")
    write_npz(root / "Training" / "data_00099.npz", slo_fundus=pixels, md=-3.0)
    assert len(read_manifest(fairvlmed.make_manifest(root, tmp_path / "out"))) == 6


def test_two_folders_of_one_split_are_refused(tmp_path):
    root = write_fairvlmed(tmp_path / "source")
    write_npz(root / "train" / "data_00099.npz", slo_fundus=slo(), md=-3.0)
    with pytest.raises(InputError, match="found 2 folders of the split train"):
        fairvlmed.make_manifest(root, tmp_path / "out")


def test_table_of_eyes_serves_numbers_in_names(tmp_path):
    write_csv(tmp_path / "eyes.csv", [["id", "eye"], *[[f"data_{n:04d}", "OS"] for n in (1, 2, 3)]])
    root = write_harvard_gf(tmp_path / "source")
    rows = read_manifest(harvard_gf.make_manifest(root, tmp_path / "out", eyes=tmp_path / "eyes.csv"))
    assert {one.eye for one in rows} == {"OS"}
    assert read_oct(rows[0].oct).laterality == "OS"
