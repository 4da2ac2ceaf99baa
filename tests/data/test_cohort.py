"""The cohort serves validated items by split, and its digest changes with every choice that matters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.data import SPLITS, Cohort, k_fold, read_manifest
from bundle.errors import InputError

HEAD = "patient_id,eye,oct,fundus,md_db"
SECRET = "CANARY"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_manifest(rows: list[str], head: str = HEAD, folder: str = "data") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        for row in rows:
            for name in row.split(",")[2:4]:
                if name:
                    (tmp_path / folder / name).write_bytes(name.encode())
        path = tmp_path / folder / "manifest.csv"
        path.write_text("\n".join([head, *rows]), encoding="utf-8")
        return path

    return write_manifest


def both_eyes(n_patients: int) -> list[str]:
    """Two rows a patient; every third OCT and every fifth photograph is missing, never both."""
    md_db = np.random.default_rng(0).uniform(-25, 1, (n_patients, 2))
    rows = []
    for i in range(2 * n_patients):
        scan = "" if i % 3 == 0 else f"{i}.npz"
        photo = "" if i % 5 == 1 and scan else f"{i}.png"
        rows.append(f"{SECRET}{i // 2},{'OD' if i % 2 == 0 else 'OS'},{scan},{photo},{md_db[i // 2, i % 2]:.2f}")
    return rows


def test_items_hold_what_a_monai_data_set_needs(write: Write, tmp_path: Path) -> None:
    path = write(["p1,OD,a.npz,a.png,-3.25,train", "p1,OS,,b.png,-4,train", "p2,OS,c.npz,,1,test"], HEAD + ",split")
    cohort = Cohort(path)
    data = tmp_path / "data"
    assert cohort.items("train") == [
        {"image": str(data / "a.npz"), "fundus": str(data / "a.png"), "label": -3.25, "eye": "OD", "row": 2},
        {"fundus": str(data / "b.png"), "label": -4.0, "eye": "OS", "row": 3},
    ]
    assert cohort.items("test") == [{"image": str(data / "c.npz"), "label": 1.0, "eye": "OS", "row": 4}]
    assert [item["row"] for item in cohort.items("all")] == [2, 3, 4]
    assert [one.row for one in cohort.rows] == [2, 3, 4]
    with pytest.raises(InputError, match="no examination in 'validation'"):
        cohort.items("validation")
    with pytest.raises(InputError, match="found 'val', expected one of train, validation, test, all"):
        cohort.items("val")


def test_statistics_are_of_the_training_split(write: Write) -> None:
    cohort = Cohort(write(both_eyes(40)))
    train_db = np.array([item["label"] for item in cohort.items("train")])
    assert cohort.md_db("train").dtype == np.float64
    np.testing.assert_array_equal(cohort.md_db("train"), train_db)
    assert cohort.md_mean_db == pytest.approx(train_db.sum() / len(train_db))
    assert cohort.md_sd_db == pytest.approx(np.sqrt(((train_db - train_db.mean()) ** 2).mean()))
    assert [cohort.n_patients(split) for split in (*SPLITS, "all")] == [28, 6, 6, 40]


def test_target_without_spread_is_refused(write: Write) -> None:
    cohort = Cohort(write([f"p{i},OD,{i}.npz,,-3" for i in range(10)]))
    with pytest.raises(InputError, match="no spread"):
        _ = cohort.md_sd_db


def test_split_column_wins_over_seed_and_fractions(write: Write) -> None:
    rows = [f"{row},{SPLITS[i // 2 % 3]}" for i, row in enumerate(both_eyes(9))]
    path = write(rows, HEAD + ",split")
    assert [item["row"] for item in Cohort(path, seed=5, fractions=(1, 0, 0)).items("train")] == [2, 3, 8, 9, 14, 15]
    assert Cohort(path, seed=5).digest == Cohort(path, seed=6).digest


def test_crafted_leak_fails(write: Write) -> None:
    rows = ["p1,OD,a.npz,,-3,train", "p1,OS,b.npz,,-3,test"]
    with pytest.raises(InputError, match="row 3, column split"):
        Cohort(write(rows, HEAD + ",split"))
    examinations = read_manifest(write([row.rsplit(",", 1)[0] for row in rows]))
    with pytest.raises(InputError, match=r"rows 2 \(train\) and 3 \(test\) are one patient"):
        Cohort.from_examinations(examinations, {2: "train", 3: "test"})


def test_fold_becomes_a_cohort(write: Write) -> None:
    examinations = read_manifest(write(both_eyes(20)))
    tested = []
    for train, test in k_fold(examinations, 4, seed=1):
        cohort = Cohort.from_examinations(examinations, dict.fromkeys(train, "train") | dict.fromkeys(test, "test"))
        assert [item["row"] for item in cohort.items("train")] == train
        tested += [item["row"] for item in cohort.items("test")]
    assert sorted(tested) == [one.row for one in examinations]


@pytest.mark.parametrize(("splits", "word"), [({99: "train"}, "row 99 is not in"), ({2: "val"}, "row 2: found 'val'")])
def test_impossible_assignment_is_refused(write: Write, splits: dict[int, str], word: str) -> None:
    with pytest.raises(InputError, match=word):
        Cohort.from_examinations(read_manifest(write(both_eyes(3))), splits)


def test_unlabelled_rows_are_served_for_prediction(write: Write) -> None:
    path = write(["p1,OD,a.npz,,-3", "p2,OD,b.npz,,"])
    with pytest.raises(InputError, match="row 3, column md_db"):
        Cohort(path)
    cohort = Cohort(path, labels="optional")
    np.testing.assert_array_equal(cohort.md_db("all"), [-3.0, np.nan])
    with pytest.raises(InputError, match="ask for 'all'"):
        cohort.items("test")
    assert "all" in cohort.summary()


def test_prediction_splits_a_labelled_cohort_as_training_does(write: Write) -> None:
    path = write(both_eyes(20))
    assert Cohort(path, labels="optional").items("test") == Cohort(path).items("test")


def test_one_labelled_eye_is_enough_for_prediction_not_for_training(write: Write) -> None:
    path = write(["p1,OD,a.npz,,-3"])
    with pytest.raises(InputError) as caught:
        Cohort(path)
    assert str(caught.value).startswith(f"{path}: split: 1 patients are too few for a ")
    with pytest.raises(InputError, match=r"^fractions: found \(1, 1, 1\)"):
        Cohort(path, fractions=(1, 1, 1))
    assert len(Cohort(path, labels="optional").items("all")) == 1


def test_train_size_keeps_whole_patients_and_leaves_the_other_splits(write: Write) -> None:
    path = write(both_eyes(40))
    full, small = Cohort(path, seed=2), Cohort(path, seed=2, train_size=7)
    assert small.n_patients("train") == 7
    assert {item["row"] for item in small.items("train")} < {item["row"] for item in full.items("train")}
    assert small.items("test") == full.items("test")
    assert len(small.items("all")) == 80
    assert small.digest != full.digest
    with pytest.raises(InputError, match="train_size: found 29, expected 1 to 28"):
        Cohort(path, seed=2, train_size=29)


def test_digest_follows_content_and_split_and_not_the_place(write: Write, tmp_path: Path) -> None:
    rows = both_eyes(20)
    digest = Cohort(write(rows)).digest
    assert len(digest) == 64
    assert digest == Cohort(tmp_path / "data" / "manifest.csv", output_dir=tmp_path / "out").digest
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere" / "deep")
    assert Cohort(tmp_path / "elsewhere" / "deep" / "manifest.csv").digest == digest
    other_split = Cohort(tmp_path / "data" / "manifest.csv", seed=1)
    assert other_split.digest != digest
    assert other_split.eyes_digest == Cohort(tmp_path / "data" / "manifest.csv").eyes_digest != digest
    changed = [*rows[:-1], rows[-1] + "1"]
    assert Cohort(write(changed)).digest != digest
    assert Cohort(write(changed)).eyes_digest != other_split.eyes_digest
    assert Cohort(write([row + ",Cirrus" for row in rows], HEAD + ",device")).digest != digest


def test_split_file_tells_rows_and_no_patient(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    cohort = Cohort(write(both_eyes(20)), output_dir=out)
    assert os.listdir(out) == ["split.csv"]
    lines = (out / "split.csv").read_text().splitlines()
    assert lines[0] == "row,eye,split,md_db"
    split = {row: name for name in SPLITS for row in (item["row"] for item in cohort.items(name))}
    assert lines[1:] == [f"{one.row},{one.eye},{split[one.row]},{one.md_db}" for one in cohort.rows]
    assert SECRET not in (out / "split.csv").read_text()


def test_failed_write_leaves_the_old_split_file(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(both_eyes(20))
    Cohort(path, output_dir=tmp_path)
    before = (tmp_path / "split.csv").read_text()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match=r"split.csv cannot be written \(No space left on device\)"):
        Cohort(path, seed=9, output_dir=tmp_path)
    assert (tmp_path / "split.csv").read_text() == before
    assert not list(tmp_path.glob(".split-*"))


def test_output_dir_that_is_a_file_is_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another output_dir"):
        Cohort(write(both_eyes(20)), output_dir=tmp_path / "file")


def test_summary_counts_every_split(write: Write) -> None:
    rows = [
        "p1,OD,a.npz,a.png,-3,train",
        "p1,OS,,b.png,-6,train",
        "p2,OS,c.npz,,-12,train",
        "p3,OD,d.npz,d.png,-12.1,test",
    ]
    lines = Cohort(write([row.replace("p", SECRET) for row in rows], HEAD + ",split")).summary().splitlines()
    cells = {line.split()[0]: line.replace("+- ", "").split() for line in lines[1:]}
    assert cells["train"] == ["train", "3", "3", "2", "-7.00", "3.74", "33%", "67%", "0%", "1", "1"]
    assert cells["test"] == ["test", "1", "1", "1", "-12.10", "0.00", "0%", "0%", "100%", "0", "0"]
    assert cells["all"][:4] == ["all", "4", "4", "3"]
    assert "validation" not in cells
    assert SECRET not in "".join(lines)
