"""Splits by patient, alike in MD: both eyes and all visits of a patient stay together."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from bundle.data.examination import SPLITS, Examination
from bundle.errors import InputError

Patient = list[Examination]


def split_by_patient(
    examinations: Sequence[Examination], fractions: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0
) -> dict[int, str]:
    """{row: "train" | "validation" | "test"}, stratified by the patients' mean MD.

    The patients are put in the order of their mean MD; each split's places are spread evenly along that order and
    shuffled among neighbours. So every split sees the whole range of MD, and the seed decides who goes where.

    fractions: of patients, for train, validation, test; each is met within one patient. 0 asks for no such split.
    The result depends on the seed and the patients alone: the order of the rows does not matter.
    Raises InputError when a fraction is invalid or there are too few patients to fill every split asked for.
    """
    check_fractions(fractions)
    patients = _by_severity(examinations, seed)
    counts = _largest_remainder(fractions, len(patients))
    for name, fraction, count in zip(SPLITS, fractions, counts, strict=True):
        if fraction > 0 and count == 0:
            raise InputError(
                f"split: {len(patients)} patients are too few for a {name} share of {fraction:g}: "
                "add patients, change the fractions, or fill the manifest's split column"
            )
    places = _deal(patients, counts, seed)
    return {one.row: SPLITS[k] for patient, k in zip(patients, places, strict=True) for one in patient}


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises InputError unless they are three shares that add up to 1."""
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise InputError(f"fractions: found {tuple(fractions)}, expected three numbers >= 0 that add up to 1")


def k_fold(examinations: Sequence[Examination], k: int, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    """`k` pairs (train rows, test rows) for cross-validation, by patient and stratified like `split_by_patient`.

    Every row is tested in exactly one fold; the folds' numbers of patients differ by one at most. Rows are sorted.
    Raises InputError when `k` is below 2 or above the number of patients.
    """
    patients = _by_severity(examinations, seed)
    if not 2 <= k <= len(patients):
        raise InputError(f"folds: found {k}, expected 2 to {len(patients)} (the number of patients)")
    counts = [len(patients) // k + (fold < len(patients) % k) for fold in range(k)]
    places = _deal(patients, counts, seed)
    folds = []
    for fold in range(k):
        test = sorted(_rows(p for p, place in zip(patients, places, strict=True) if place == fold))
        train = sorted(_rows(p for p, place in zip(patients, places, strict=True) if place != fold))
        folds.append((train, test))
    return folds


def keep_patients(examinations: Sequence[Examination], n_patients: int, seed: int = 0) -> set[int]:
    """The rows of `n_patients` patients spread over the range of MD; a smaller choice is part of every larger one.

    Patients are taken in the bit-reversed order of their MD rank (van der Corput's sequence), from a seeded start.
    Raises InputError when `n_patients` is below 1 or above the number of patients.
    """
    patients = _by_severity(examinations, seed)
    if not 1 <= n_patients <= len(patients):
        raise InputError(f"train_size: found {n_patients}, expected 1 to {len(patients)} training patients")
    width = len(patients).bit_length()
    start = int.from_bytes(_key(seed, "start")[:4], "big")

    def turn(rank: int) -> int:
        return int(f"{(rank + start) % len(patients):0{width}b}"[::-1], 2)

    chosen = sorted(range(len(patients)), key=turn)[:n_patients]
    return set(_rows(patients[rank] for rank in chosen))


def _by_severity(examinations: Sequence[Examination], seed: int) -> list[Patient]:
    """The patients from the worst mean MD to the best, those without any MD last; the seed orders equals."""
    groups: dict[str, Patient] = defaultdict(list)
    for one in examinations:
        groups[one.patient_id].append(one)

    def severity(patient: Patient) -> tuple[float, bytes]:
        md_db = [one.md_db for one in patient if one.labelled]
        mean_db = math.fsum(md_db) / len(md_db) if md_db else math.inf  # fsum: the same for any order of the rows
        return mean_db, _key(seed, patient[0].patient_id)

    return sorted(groups.values(), key=severity)


def _deal(patients: Sequence[Patient], counts: Sequence[int], seed: int) -> list[int]:
    """The group of each patient of a sorted list: `counts[k]` patients in group k, evenly along the list."""
    slots = [((j + 0.5) / n, k) for k, n in enumerate(counts) for j in range(n)]
    groups = [k for _, k in sorted(slots)]
    block = math.ceil(len(patients) / min((n for n in counts if n), default=1))  # holds one of the smallest group
    order: list[int] = []
    for start in range(0, len(patients), block):
        neighbours = range(start, min(start + block, len(patients)))
        order += sorted(neighbours, key=lambda i: _key(seed, patients[i][0].patient_id))
    places = [0] * len(patients)
    for position, patient in enumerate(order):
        places[patient] = groups[position]
    return places


def _largest_remainder(fractions: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to `total`, each within one of its fraction of it (Hamilton's method)."""
    quotas = [fraction * total for fraction in fractions]
    counts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda k: (counts[k] - quotas[k], k))
    for k in by_remainder[: total - sum(counts)]:
        counts[k] += 1
    return counts


def _key(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()


def _rows(patients: Iterable[Patient]) -> list[int]:
    return [one.row for one in chain.from_iterable(patients)]
