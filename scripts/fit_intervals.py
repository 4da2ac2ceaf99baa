"""Fit a model's prediction intervals anew on your own labelled eyes, such as those of another clinic or device.

python -m scripts.fit_intervals --model eval/latest --manifest clinic/manifest.csv --out models_clinic

The weights stay as they are. Printed is how often the present intervals hold on these eyes: if that is near what they
promise, they need no change. The eyes must be ones that the model was not trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.errors import run_main


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.fit_intervals",
        description=(__doc__ or "").split("\n\n")[0],
        epilog=(__doc__ or "").split("\n\n")[2],
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model, for example eval/latest")
    parser.add_argument("--manifest", required=True, metavar="CSV", help="eyes with md_db; others are passed over")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write the model to")
    parser.add_argument("--level", type=float, default=0.9, help="share of eyes to be inside (default: 0.9)")
    parser.add_argument(
        "--split", default="all", choices=("all", "train", "validation", "test"), help="which eyes (default: all)"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, mps")
    arguments = parser.parse_args()

    from bundle.data import Cohort
    from bundle.deploy.own_intervals import fit_own_intervals
    from bundle.deploy.predictor import Predictor

    present = fit_own_intervals(
        Predictor(arguments.model, arguments.device), Cohort(arguments.manifest, labels="optional"), arguments.out,
        arguments.level, arguments.split,
    )  # fmt: skip
    print("the model had no intervals" if present is None else f"present {present.sentence()}")
    print(f"{arguments.out}: the model with intervals of these eyes")


if __name__ == "__main__":
    run_main(main)
