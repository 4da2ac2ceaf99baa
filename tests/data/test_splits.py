"""Splits keep patients together, fill their shares, look alike in MD, and depend on nothing but patients and seed."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from bundle.data import SPLITS, Examination, k_fold, split_by_patient
from bundle.data.splits import keep_patients
from bundle.errors import InputError

SEEDS = range(40)


def clinic(n_patients: int, seed: int = 0) -> list[Examination]:
    """Patients of 1 to 4 examinations; MD near normal with a long tail of loss, as in data of real clinics."""
    rng = np.random.default_rng(seed)
    rows: list[Examination] = []
    for patient in range(n_patients):
        patient_md_db = rng.normal(-1, 1.3) - (rng.random() < 0.5) * rng.exponential(7)
        for _ in range(rng.integers(1, 5)):
            md_db = float(np.clip(patient_md_db + rng.normal(0, 1), -35, 5))
            rows.append(Examination(row=len(rows) + 2, patient_id=f"p{patient}", eye="OD", md_db=md_db))
    return rows


@pytest.mark.parametrize("seed", SEEDS)
def test_split_covers_all_rows_and_no_patient_is_in_two(seed: int) -> None:
    rows = clinic(20 + seed, seed)
    splits = split_by_patient(rows, seed=seed)
    assert set(splits) == {one.row for one in rows}
    assert len({(one.patient_id, splits[one.row]) for one in rows}) == 20 + seed


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.8, 0.2, 0.0), (1, 0, 0), (0.34, 0.33, 0.33)]
)
@pytest.mark.parametrize("n_patients", [7, 10, 53, 100])
def test_fractions_are_met_within_one_patient(fractions: tuple[float, float, float], n_patients: int) -> None:
    rows = clinic(n_patients)
    splits = split_by_patient(rows, fractions, seed=3)
    patients = Counter({one.patient_id: splits[one.row] for one in rows}.values())
    for name, fraction in zip(SPLITS, fractions, strict=True):
        assert abs(patients[name] - fraction * n_patients) < 1
        assert fraction > 0 or patients[name] == 0


def test_exact_fractions_are_met_exactly() -> None:
    rows = clinic(20)
    splits = split_by_patient(rows)
    assert Counter({one.patient_id: splits[one.row] for one in rows}.values()) == {
        "train": 14,
        "validation": 3,
        "test": 3,
    }


def test_splits_are_alike_in_md() -> None:
    """Over many seeds the spread of a split's mean MD is a small part of what drawing at random gives."""
    rows = [Examination(row=i + 2, patient_id=f"p{i}", eye="OD", md_db=md) for i, md in enumerate(mds(200))]
    dealt, drawn = [], []
    for seed in SEEDS:
        splits = split_by_patient(rows, seed=seed)
        dealt.append(np.mean([one.md_db for one in rows if splits[one.row] == "test"]))
        drawn.append(np.mean(np.random.default_rng(seed).choice([one.md_db for one in rows], 30, replace=False)))
    overall = np.mean([one.md_db for one in rows])
    assert np.std(dealt) < 0.25 * np.std(drawn)
    assert abs(np.mean(dealt) - overall) < 0.15
    worst = sorted(one.md_db for one in rows)[:20]
    in_test = [
        sum(split_by_patient(rows, seed=s)[one.row] == "test" for one in rows if one.md_db in worst) for s in SEEDS
    ]
    assert min(in_test) >= 1  # the tail, one in ten eyes, is in every test set


def mds(n: int) -> list[float]:
    rng = np.random.default_rng(5)
    return [float(md) for md in rng.normal(-1, 1.3, n) - (rng.random(n) < 0.5) * rng.exponential(7, n)]


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_rows_does_not_matter(seed: int) -> None:
    rows = clinic(25, seed)
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert split_by_patient(shuffled, seed=seed) == split_by_patient(rows, seed=seed)
    assert k_fold(shuffled, 5, seed) == k_fold(rows, 5, seed)
    assert keep_patients(shuffled, 9, seed) == keep_patients(rows, 9, seed)


def test_order_of_visits_does_not_matter_to_the_last_bit() -> None:
    """0.1 + 0.2 + 0.3 depends on the order of addition, and here it decides between a tie and none."""
    rows: list[Examination] = []
    for patient in range(20):
        for md_db in (-0.1, -0.2, -0.3) if patient % 2 else (-0.2,):
            rows.append(Examination(row=len(rows) + 2, patient_id=f"p{patient}", eye="OD", md_db=md_db))
    assert k_fold(rows, 4) == k_fold(rows[::-1], 4)


def test_seed_decides_and_repeats() -> None:
    rows = clinic(40)
    assert split_by_patient(rows, seed=1) == split_by_patient(rows, seed=1)
    assert len({tuple(split_by_patient(rows, seed=seed).values()) for seed in SEEDS}) == len(SEEDS)


def test_every_patient_can_be_a_test_patient() -> None:
    rows = clinic(20)
    tested = {row for seed in range(200) for row, name in split_by_patient(rows, seed=seed).items() if name == "test"}
    assert tested == {one.row for one in rows}


def test_equal_and_missing_labels_are_split_too() -> None:
    for md_db in (-3.0, math.nan):
        rows = [Examination(row=i + 2, patient_id=f"p{i}", eye="OD", md_db=md_db) for i in range(20)]
        assert Counter(split_by_patient(rows).values()) == {"train": 14, "validation": 3, "test": 3}


@pytest.mark.parametrize(("n_patients", "split"), [(1, "validation"), (2, "validation"), (4, "test")])
def test_too_few_patients_are_refused(n_patients: int, split: str) -> None:
    with pytest.raises(InputError, match=f"{n_patients} patients are too few for a {split} share"):
        split_by_patient(clinic(n_patients))


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (math.nan, 0.5, 0.5)])
def test_invalid_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="three numbers >= 0 that add up to 1"):
        split_by_patient(clinic(20), fractions)


@pytest.mark.parametrize("k", [2, 5, 7])
@pytest.mark.parametrize("seed", range(10))
def test_folds_partition_rows_by_patient(k: int, seed: int) -> None:
    rows = clinic(23, seed)
    patient = {one.row: one.patient_id for one in rows}
    folds = k_fold(rows, k, seed)
    assert sorted(row for _, test in folds for row in test) == sorted(patient)
    sizes = []
    for train, test in folds:
        assert sorted(train + test) == sorted(patient)
        assert not {patient[row] for row in train} & {patient[row] for row in test}
        sizes.append(len({patient[row] for row in test}))
    assert max(sizes) - min(sizes) <= 1


def test_folds_are_alike_in_md() -> None:
    rows = [Examination(row=i + 2, patient_id=f"p{i}", eye="OD", md_db=md) for i, md in enumerate(mds(200))]
    md_db = {one.row: one.md_db for one in rows}
    means = [np.mean([md_db[row] for row in test]) for _, test in k_fold(rows, 5)]
    assert np.ptp(means) < 0.6  # the SD of a random fold's mean is 0.9 dB here


@pytest.mark.parametrize("k", [0, 1, 6])
def test_impossible_number_of_folds_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"folds: found {k}, expected 2 to 5"):
        k_fold(clinic(5), k)


@pytest.mark.parametrize("seed", range(10))
def test_smaller_training_sets_are_parts_of_larger_ones_and_span_md(seed: int) -> None:
    rows = [Examination(row=i + 2, patient_id=f"p{i}", eye="OD", md_db=md) for i, md in enumerate(mds(100))]
    md_db = {one.row: one.md_db for one in rows}
    smaller: set[int] = set()
    for n in (1, 5, 10, 25, 50, 100):
        kept = keep_patients(rows, n, seed)
        assert len(kept) == n
        assert smaller <= kept
        smaller = kept
        if n >= 10:
            ranks = np.searchsorted(sorted(md_db.values()), [md_db[row] for row in kept])
            assert np.histogram(ranks, bins=4, range=(0, 100))[0].min() >= n // 4 - n // 10 - 1


@pytest.mark.parametrize("n", [0, 6])
def test_impossible_training_size_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=f"train_size: found {n}, expected 1 to 5"):
        keep_patients(clinic(5), n)
