"""Whether prediction intervals hold what they promise, over all finished trainings of a comparison.

python -m scripts.interval_coverage eval/compare/main

For each training and each subset of modalities, the interval is fitted on its validation eyes, as training does, and
the test eyes inside, below and above are counted. Printed: means over the trainings, as a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.errors import InputError, run_main
from bundle.metrics import STAGES, fit_prediction_interval, stage_index
from bundle.reporting.grid import to_markdown
from bundle.reporting.predictions import SUBSET_TITLES, SUBSETS, Predictions

HEADER = ("Answer", "Trainings", "Inside (%)", "SD", "Below", "Above", "Width (dB)", "Stage", *STAGES)


def predictions_of(folder: Path) -> Iterator[Predictions]:
    """Of each finished training with test eyes, in the order of their names.

    Raises:
        InputError: not the folder of a comparison, or nothing in it is finished.
    """
    paths = sorted(folder.glob("cells/*/predictions.csv"))
    every = (Predictions.from_csv(path) for path in tqdm(paths, desc="trainings", disable=None))
    found = 0
    for one in every:
        if (one.split == "test").any():  # a tuning trial has validation eyes alone
            found += 1
            yield one
    if not found:
        raise InputError(
            f"{folder}: no finished training; give the --out of a scripts.compare, such as eval/compare/main"
        )


def shares(predictions: Predictions, subset: str, level: float) -> list[float] | None:
    """Inside, below, above, mean width in dB, and inside for each measured and each predicted stage, of test eyes.

    NaN for a stage without eyes. None where the network has no such answer, or there are too few validation patients.
    """
    eyes = predictions.select(predictions.labelled & np.isfinite(predictions.pred_db[subset]))
    validation, test = eyes.of_split("validation"), eyes.of_split("test")
    interval = fit_prediction_interval(
        validation.pred_db[subset], validation.label_db, validation.patient, level, MD_RANGE_DB
    )
    if interval is None or not len(test):
        return None
    low, high = interval.limits_db(test.pred_db[subset])
    below, above = test.label_db < low, test.label_db > high
    inside = ~below & ~above
    stages = (stage_index(test.label_db), stage_index(test.pred_db[subset]))
    by_stage = [
        inside[stage == k].mean() if (stage == k).any() else np.nan for stage in stages for k in range(len(STAGES))
    ]
    return [inside.mean(), below.mean(), above.mean(), (high - low).mean(), *by_stage]


def table(trainings: Sequence[Predictions], level: float) -> str:
    """Means over the trainings in Markdown, two rows a subset of modalities: inside by measured and predicted stage."""
    rows = []
    for subset in SUBSETS:
        known = [one for one in (shares(training, subset, level) for training in trainings) if one is not None]
        if known:
            values = np.array(known)
            means = np.nanmean(values, axis=0)
            inside, below, above, *stages = (f"{100 * share:.1f}" for share in np.delete(means, 3))
            spread = f"{100 * values[:, 0].std(ddof=1):.1f}" if len(known) > 1 else "–"
            figures = [SUBSET_TITLES[subset], str(len(known)), inside, spread, below, above, f"{means[3]:.1f}"]
            rows.append([*figures, "measured", *stages[: len(STAGES)]])
            rows.append(["" for _ in figures] + ["predicted", *stages[len(STAGES) :]])
    if not rows:
        raise InputError(f"no interval at a level of {level:g}: too few validation patients; give a lower --level")
    return to_markdown(HEADER, rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.interval_coverage", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("folder", type=Path, help="of a comparison, for example eval/compare/main")
    parser.add_argument("--level", type=float, default=0.9, help="share of eyes promised (default: 0.9)")
    arguments = parser.parse_args()
    print(table(list(predictions_of(arguments.folder)), arguments.level), end="")


if __name__ == "__main__":
    run_main(main)
