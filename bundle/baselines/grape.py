"""The classical baselines of the GRAPE bridge cohort: features from its manifest, methods, out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.baselines.crossval import Fold, cross_validated_predictions
from bundle.baselines.features import (
    Array,
    Encoder,
    PrincipalComponents,
    Standardise,
    StandardiseWithSquares,
    photograph_pixels,
)
from bundle.baselines.ridge import Baseline, MeanPredictor, RidgeBaseline
from bundle.data.adapters.grape_cohort import RNFL_COLUMNS
from bundle.data.examination import Examination
from bundle.data.splits import k_fold
from bundle.errors import InputError

N_COMPONENTS = 40
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "rnfl": Standardise,
    "photograph": lambda: PrincipalComponents(N_COMPONENTS),
}
FEATURES = tuple(ENCODERS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Eyes:
    """The examinations that have every feature asked for. `row`, `patient`: (n,) ints; targets and features by name."""

    row: NDArray[np.int64]
    patient: NDArray[np.int64]
    target: dict[str, Array]
    features: dict[str, Array]


def read_eyes(rows: Sequence[Examination], features: Sequence[str]) -> Eyes:
    """Features and targets of the examinations that have all of `features` ("rnfl", "photograph").

    Targets: "md_db", and "mean_sensitivity_db" where the manifest has it for every eye that is used.
    Raises InputError when no examination has them all.
    """
    used = [one for one in rows if _has(one, features)]
    if not used:
        wanted = " and ".join(features)
        raise InputError(f"the manifest has no labelled row with {wanted}: make it with scripts.prepare_grape")
    values: dict[str, Array] = {}
    if "rnfl" in features:
        values["rnfl"] = np.array([[_number(one, column) for column in RNFL_COLUMNS] for one in used])
    if "photograph" in features:
        values["photograph"] = np.stack([_photograph(one.fundus, one.eye) for one in used if one.fundus])
    targets = {"md_db": np.array([one.md_db for one in used])}
    if all(one.extra.get("mean_sensitivity_db") for one in used):
        targets["mean_sensitivity_db"] = np.array([_number(one, "mean_sensitivity_db") for one in used])
    _, patient = np.unique([one.patient_id for one in used], return_inverse=True)
    return Eyes(row=np.array([one.row for one in used]), patient=patient, target=targets, features=values)


def folds_of(rows: Sequence[Examination], eyes: Eyes, k: int, seed: int) -> list[Fold]:
    """The folds of the whole manifest (`k_fold`), cut down to the eyes that are used, as positions among them.

    A network that is cross-validated on the same manifest, k and seed gets the same folds.
    """
    position = {int(row): index for index, row in enumerate(eyes.row)}
    return [
        ([position[row] for row in train if row in position], [position[row] for row in test if row in position])
        for train, test in k_fold(rows, k, seed)
    ]


def methods(features: Sequence[str]) -> dict[str, Callable[[], Baseline]]:
    """The mean predictor, a ridge on each feature and, when there are several, a ridge on all of them side by side.

    "rnfl" comes a second time with its squares: the field falls with the RNFL along a bent line, not a straight one.
    """
    found: dict[str, Callable[[], Baseline]] = {"mean": MeanPredictor}
    for name in features:
        found[f"ridge {name}"] = _ridge({name: ENCODERS[name]})
    if len(features) > 1:
        found[f"ridge {' + '.join(features)}"] = _ridge({name: ENCODERS[name] for name in features})
    if "rnfl" in features:
        bent = {name: ENCODERS[name] for name in features} | {"rnfl": StandardiseWithSquares}
        found["ridge rnfl and squares"] = _ridge({"rnfl": StandardiseWithSquares})
        if len(features) > 1:
            found[f"ridge {' + '.join(features)}, rnfl with squares"] = _ridge(bent)
    return found


def predict_all(
    eyes: Eyes, folds: Sequence[Fold], target: str, methods_used: Mapping[str, Callable[[], Baseline]]
) -> dict[str, tuple[Array, NDArray[np.int64]]]:
    """{method: (out-of-fold predictions (n,), fold (n,))} of one target."""
    return {
        name: cross_validated_predictions(make, eyes.features, eyes.target[target], folds)
        for name, make in methods_used.items()
    }


def _ridge(encoders: Mapping[str, Callable[[], Encoder]]) -> Callable[[], Baseline]:
    return lambda: RidgeBaseline(encoders)


def _has(one: Examination, features: Sequence[str]) -> bool:
    has_rnfl = all(one.extra.get(column) for column in RNFL_COLUMNS)
    return one.labelled and ("rnfl" not in features or has_rnfl) and ("photograph" not in features or bool(one.fundus))


def _number(one: Examination, column: str) -> float:
    try:
        return float(one.extra[column])
    except ValueError:
        where = f"manifest row {one.row}, column {column}"
        raise InputError(f"{where}: found no number, expected one: prepare the cohort again") from None


def _photograph(path: Path, eye: str) -> Array:
    """Pixels with each colour channel at mean 0 and SD 1: the camera's exposure and colour cast are not the eye's."""
    pixels = photograph_pixels(path, eye).reshape(-1, 3)
    spread = pixels.std(axis=0)
    return ((pixels - pixels.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).ravel()
