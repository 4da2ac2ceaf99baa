"""The manifests of a study: no patient in two splits, every eye tested once, nothing personal copied."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from bundle.comparison import read_eyes, write_cohorts
from bundle.data import Cohort
from bundle.errors import InputError
from tests.comparison.conftest import SECRET


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cohorts_of(study):
    return write_cohorts(study, read_eyes(study))


@pytest.mark.parametrize("folds", [None, 2, 5])
def test_no_patient_is_in_two_splits(study, folds):
    for one in cohorts_of(study(folds=folds)):
        splits: dict[str, set[str]] = {}
        for row in rows_of(one.manifest):
            splits.setdefault(row["patient_id"], set()).add(row["split"])
        assert all(len(found) == 1 for found in splits.values())
        assert {"train", "validation", "test"} == set.union(*splits.values())


def test_every_eye_is_tested_in_exactly_one_fold(study):
    tested = [row["source_row"] for one in cohorts_of(study(folds=4)) for row in rows_of(one.manifest)
              if row["split"] == "test"]  # fmt: skip
    assert sorted(map(int, tested)) == list(range(3, 42))  # row 2 lacks its OCT


def test_rows_and_patients_are_numbered_alike_in_all_folds(study):
    tables = [[(r["patient_id"], r["eye"], r["oct"]) for r in rows_of(c.manifest)] for c in cohorts_of(study(folds=3))]
    assert tables[0] == tables[1] == tables[2]


def test_validation_share_of_a_fold_is_that_of_the_fractions(study):
    for one in cohorts_of(study(folds=4, complete_only=False)):
        counts = [one.cohort.n_patients(name) for name in ("train", "validation", "test")]
        assert counts == [12, 3, 5]  # .15 / (.6 + .15) of 15 patients


def test_without_folds_the_split_is_the_training_paths_own(study):
    one = study(complete_only=False, split_seed=3)
    found = cohorts_of(one)[0].cohort
    own = Cohort(one.manifest, seed=3, fractions=one.setting("split_fractions"))
    for name in ("train", "validation", "test"):
        assert [item["row"] for item in found.items(name)] == [item["row"] for item in own.items(name)]
        np.testing.assert_array_equal(found.md_db(name), own.md_db(name))


def test_eyes_without_both_images_are_left_out_and_counted(study):
    assert cohorts_of(study())[0].left_out == 1
    assert len(cohorts_of(study())[0].cohort.rows) == 39
    assert cohorts_of(study(complete_only=False))[0].left_out == 0


def test_images_are_found_from_the_new_place(study, manifest):
    item = cohorts_of(study())[0].cohort.items("all")[0]
    with open(item["image"], "rb") as file:
        assert file.read() == b"1"


def test_no_identifier_and_no_date_is_copied(study):
    text = cohorts_of(study())[0].manifest.read_text(encoding="utf-8")
    assert SECRET not in text
    assert "2020" not in text


def test_given_split_is_kept_and_cannot_be_folded(study, manifest):
    lines = manifest.read_text().splitlines()
    splits = ["split"] + [("train", "validation", "test", "train")[i // 2 % 4] for i in range(40)]
    manifest.write_text("\n".join(f"{a},{b}" for a, b in zip(lines, splits, strict=True)) + "\n")
    for row in rows_of(cohorts_of(study())[0].manifest):
        assert row["split"] == splits[int(row["source_row"]) - 1]
    with pytest.raises(InputError, match="has its own split"):
        cohorts_of(study(folds=3))


def test_cohort_without_any_complete_eye_is_refused(study, manifest):
    lines = [
        ",".join([*line.split(",")[:2], "", *line.split(",")[3:]]) for line in manifest.read_text().splitlines()[1:]
    ]
    manifest.write_text("\n".join(["patient_id,eye,oct,fundus,md_db,visit_date", *lines]) + "\n")
    with pytest.raises(InputError, match="no eye has both"):
        cohorts_of(study())
