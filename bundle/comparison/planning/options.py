"""The options of `scripts.compare`, and the presets that fill them."""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.comparison.planning.presets import presets, read_preset

OF_A_PHANTOM = ("phantom", "patients", "test_eyes", "train_size")  # of a preset; not with one's own eyes


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line. What a preset may set has no default here."""
    p = argparse.ArgumentParser(prog="python -m scripts.compare", description=description,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("--list", action="store_true", help="list the methods and stop; with --verbose what each one is")
    p.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--preset", choices=presets(), help="options from configs/compare: smoke (does every method run?), "
                   "main (the main comparison)")  # fmt: skip
    p.add_argument("--dry-run", action="store_true", help="say what would be trained, and stop")
    eyes = p.add_argument_group("eyes")
    eyes.add_argument("--manifest", nargs="+", type=Path, metavar="CSV", help="your own eyes, one cohort a file")
    eyes.add_argument("--phantom", nargs="+", metavar="PRESET",
                      help="phantom cohorts: default, long_tail, balanced, realistic")  # fmt: skip
    eyes.add_argument("--patients", type=int, metavar="N", help="phantom patients (default: the preset's)")
    eyes.add_argument("--test-eyes", type=int, metavar="N", help="further phantom eyes as a fixed test split")
    eyes.add_argument("--phantom-seed", type=int, metavar="N", help="another seed is another cohort (default: 0)")
    eyes.add_argument("--eyes", choices=("complete", "all"), default="complete",
                      help="complete: only eyes with OCT and photograph (default: %(default)s)")  # fmt: skip
    eyes.add_argument("--folds", type=int, metavar="K", help="cross-validate by patient; metrics are pooled")
    eyes.add_argument("--train-size", type=int, metavar="N", help="use only N training patients")
    eyes.add_argument("--split-seed", type=int, default=0, metavar="N", help="deals patients (default: %(default)s)")
    what = p.add_argument_group("trainings")
    what.add_argument("--methods", nargs="+", metavar="METHOD", help="names from --list (default: all)")
    what.add_argument("--reference", metavar="METHOD", help="the others are compared with it (default: concat)")
    what.add_argument("--seeds", type=int, metavar="N", help="trainings of each method (default: 3)")
    what.add_argument("--first-seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    what.add_argument("--epochs", nargs="+", type=int, metavar="N", help="upper limits (default: train.yaml's)")
    what.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
                      help="further keys of train.yaml for every method, such as lr=1.0e-3")  # fmt: skip
    what.add_argument("--overlay", nargs="+", type=Path, metavar="YAML", help="for example a backbone's")
    tune = p.add_argument_group("tuning of learning rate and main knob, on validation")
    tune.add_argument("--trials", type=int, metavar="N", help="of each method; 1 tunes nothing (default: 1)")
    tune.add_argument("--trial-epochs", type=int, metavar="N", help="upper limit of a trial (default: --epochs)")
    tune.add_argument("--trial-seed", type=int, default=1000, metavar="N", help="(default: %(default)s)")
    tune.add_argument("--lr-factors", nargs="+", type=float, metavar="X", default=[0.25, 0.5, 1.0, 2.0, 4.0],
                      help="rates to try, times the configured one (default: 1/4 to 4)")  # fmt: skip
    p.add_argument("--no-tracking", action="store_true", help="no MLflow runs")
    p.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
    p.add_argument("--out", type=Path, metavar="DIR", help="(default: eval/compare/ and the cohort's name)")
    return p


def apply_preset(a: argparse.Namespace) -> None:
    """Fill what the command line leaves open; its own options win."""
    if a.preset is None:
        return
    for name, value in read_preset(a.preset).items():
        if name == "settings":
            a.settings = [*value, *a.settings]  # the later one of a key counts
        elif getattr(a, name) is None and not (name in OF_A_PHANTOM and a.manifest):
            setattr(a, name, value)
