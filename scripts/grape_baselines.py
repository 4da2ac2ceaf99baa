"""Patient-grouped cross-validation of the classical baselines on a cohort made by scripts.prepare_grape.

    python -m scripts.grape_baselines --manifest DIR/manifest.csv --folds 5 --repeats 10 --out predictions.csv
    python -m scripts.grape_baselines --manifest DIR/manifest.csv --features photograph --out predictions.csv

Prints R2, MAE and RMSE, averaged over the repeats, with 95 % intervals from resampling patients. Repeat r uses the
folds of `bundle.data.k_fold(rows, folds, seed=r)`, so that a network can be run on the same ones. Out-of-fold
predictions of the MD go to the CSV: row (of the manifest), repeat, fold, label_db, pred_db, method.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from bundle.baselines.grape import FEATURES, folds_of, methods, predict_all, read_eyes
from bundle.data.manifest import read_manifest
from bundle.errors import InputError, run_main
from bundle.metrics.bootstrap import bootstrap_ci

METRICS = ("r2", "mae", "rmse")


def main(arguments: list[str] | None = None) -> None:
    """Run the baselines, print the table, write the predictions."""
    options = _parser().parse_args(arguments)
    if options.repeats < 1:
        raise InputError(f"--repeats: found {options.repeats}, expected at least 1")
    rows = read_manifest(options.manifest)
    features = [name for name in FEATURES if name in options.features]
    eyes = read_eyes(rows, features)
    used = methods(features)
    folds = [folds_of(rows, eyes, options.folds, seed) for seed in range(options.repeats)]
    print(
        f"{len(eyes.row)} of {len(rows)} examinations ({len(np.unique(eyes.patient))} patients) have "
        f"{' and '.join(features)}; {options.folds} folds by patient, {options.repeats} repeats; dB"
    )
    for target, label in eyes.target.items():
        predicted = [predict_all(eyes, each, target, used) for each in folds]
        print(f"\n| target {target} | R2 [95 % CI] | MAE [95 % CI] | RMSE [95 % CI] |\n|---|---|---|---|")
        for method in used:
            seeds_by_eyes = np.stack([repeat[method][0] for repeat in predicted])
            cells = [bootstrap_ci(name, seeds_by_eyes, label, eyes.patient).format() for name in METRICS]
            print(f"| {method} | {' | '.join(cells)} |")
        if target == "md_db" and options.out is not None:
            lines = [
                {"row": row, "repeat": repeat, "fold": fold, "label_db": f"{truth:.3f}", "pred_db": f"{value:.3f}",
                 "method": method}
                for repeat, by_method in enumerate(predicted)
                for method, (values, fold_of) in by_method.items()
                for row, fold, truth, value in zip(eyes.row, fold_of, label, values, strict=True)
            ]  # fmt: skip
            _write(options.out, lines)


def _write(path: Path, lines: list[dict[str, object]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written ({error.strerror}): name another file") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grape_baselines", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.csv of a prepared cohort")
    parser.add_argument("--folds", type=int, default=5, help="folds, by patient (5)")
    parser.add_argument("--repeats", type=int, default=10, help="divisions into folds, seeds 0 to N-1 (10)")
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES),
                        help="eyes without all of these are not used (rnfl photograph)")  # fmt: skip
    parser.add_argument("--out", type=Path, help="CSV for the out-of-fold predictions of the MD")
    return parser


if __name__ == "__main__":
    run_main(main)
