"""Make a phantom cohort, or a picture of phantom eyes.

python -m scripts.make_phantom --preset default --out data/phantom
python -m scripts.make_phantom --preset default --out data/study --patients 400 --test-eyes 1500
python -m scripts.make_phantom --picture docs/images/phantom_eyes.png
"""

from __future__ import annotations

import argparse

from bundle.data.phantom import PRESETS, make_phantom
from bundle.errors import InputError, run_main


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m scripts.make_phantom", description="Make a phantom cohort or picture.")
    p.add_argument("--preset", default="default", choices=list(PRESETS), help="kind of cohort (default: %(default)s)")
    p.add_argument("--out", help="folder to write the cohort to")
    p.add_argument("--seed", type=int, default=0, help="another seed is another cohort (default: %(default)s)")
    p.add_argument("--patients", type=int, help="number of patients, about 1.94 eyes each (default: the preset's)")
    p.add_argument("--test-eyes", type=int, help="add a fixed test split of at least this many eyes")
    p.add_argument("--workers", type=int, help="processes (default: one for small cohorts, else all cores)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.add_argument("--picture", help="write a picture of twelve eyes across severity to this PNG file")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; prints the path of what it made."""
    a = parser().parse_args(arguments)
    if a.out is None and a.picture is None:
        raise InputError("--out or --picture: found neither, expected at least one; see --help")
    if a.out is not None:
        print(
            make_phantom(
                a.out,
                preset=a.preset,
                seed=a.seed,
                n_patients=a.patients,
                test_eyes=a.test_eyes,
                workers=a.workers,
                progress=not a.quiet,
            )
        )
    if a.picture is not None:
        from bundle.data.phantom.picture import draw_picture

        print(draw_picture(a.picture, seed=a.seed))
    return 0


if __name__ == "__main__":
    run_main(main)
