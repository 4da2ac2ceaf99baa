"""Compare methods on the same eyes over several seeds; resumable, one process a core.

    python -m scripts.compare --list
    python -m scripts.compare --preset smoke
    python -m scripts.compare --phantom default --patients 300 --test-eyes 1500 --seeds 3 --out eval/compare/first
    python -m scripts.compare --manifest my/manifest.csv --folds 5 --methods oct_only concat re_m3dr

The same command again completes what is not finished. See comparison.md in --out.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bundle.errors import InputError, run_main

SMOKE = {"phantom": "default", "patients": 24, "epochs": 2, "seeds": 1}  # every method, in about a minute


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m scripts.compare", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("--list", action="store_true", help="list the methods and stop")
    p.add_argument("--preset", choices=("smoke",), help="smoke: every method for 2 epochs on 24 phantom patients")
    eyes = p.add_argument_group("eyes")
    eyes.add_argument("--manifest", type=Path, metavar="CSV", help="your own eyes")
    eyes.add_argument("--phantom", metavar="PRESET", help="a phantom cohort: default, long_tail, balanced, realistic")
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
    what.add_argument("--epochs", type=int, metavar="N", help="upper limit (default: train.yaml's)")
    what.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
                      help="further keys of train.yaml for every method, such as lr=1.0e-3")  # fmt: skip
    what.add_argument("--overlay", nargs="+", default=[], type=Path, metavar="YAML", help="for example a backbone's")
    what.add_argument("--tracking", action="store_true", help="an MLflow run for each training")
    p.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
    p.add_argument("--out", type=Path, metavar="DIR", help="(default: eval/compare/ and the cohort's name)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when a training failed."""
    a = parser().parse_args(arguments)
    if a.list:
        return list_methods()
    apply_preset(a)
    from bundle.comparison import (
        claim_folder,
        collect,
        plan_cells,
        read_eyes,
        run_cells,
        write_cohorts,
        write_comparison,
    )
    from bundle.comparison.environment import cores
    from bundle.comparison.progress import CellProgress
    from bundle.comparison.tracking import prepare_tracking

    study = read_study(a)
    whole = read_eyes(study)
    claim_folder(study, whole.digest)
    cohorts = write_cohorts(study, whole)
    cells = plan_cells(study, cohorts)
    if study.tracking:
        prepare_tracking(cells[0])
    print(f"{len(cells)} trainings, {sum(cell.done for cell in cells)} of them finished: {study.out}", flush=True)
    with CellProgress(len(cells), sum(cell.done for cell in cells)) as progress:
        failed = [one for one in progress.watch(run_cells(cells, a.jobs or cores())) if one.error is not None]
    command = shlex.join(["python", "-m", "scripts.compare", *(sys.argv[1:] if arguments is None else arguments)])
    print(f"\n{write_comparison(study, cohorts, collect(cells, cohorts, study.name), command)}")
    print(f"report: {study.out / 'comparison.md'}")
    if failed:
        print(f"{len(failed)} of {len(cells)} trainings failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def list_methods() -> int:
    """Print each method and what it is."""
    from bundle.comparison.methods import headline, known_methods

    methods = known_methods()
    width = max(map(len, methods))
    for name, overlay in methods.items():
        print(f"{name:{width}}  {headline(overlay)}")
    return 0


def apply_preset(a: argparse.Namespace) -> None:
    """Fill what the command line leaves open; its own options win."""
    if a.preset is None:
        return
    for name, value in SMOKE.items():
        if getattr(a, name) is None and not (name in ("phantom", "patients") and a.manifest):
            setattr(a, name, value)


def read_study(a: argparse.Namespace) -> Any:
    """The study that the command line asks for; makes the phantom cohort."""
    from bundle.comparison import Study, known_methods

    if (a.manifest is None) == (a.phantom is None):
        found = "neither" if a.manifest is None else "both"
        raise InputError(f"--manifest or --phantom: found {found}, expected one of them; see --help")
    if a.jobs is not None and a.jobs < 1:
        raise InputError(f"--jobs: found {a.jobs}, expected 1 or more")
    methods = tuple(known_methods()) if a.methods is None else tuple(a.methods)
    default_reference = "concat" if "concat" in methods else methods[0]
    name = a.preset or a.phantom or a.manifest.stem
    study = Study(
        manifest=a.manifest or Path(), out=a.out or Path("eval/compare") / name, methods=methods,
        seeds=tuple(range(a.first_seed, a.first_seed + (3 if a.seeds is None else a.seeds))),
        epochs=a.epochs, folds=a.folds, train_size=a.train_size, split_seed=a.split_seed,
        settings=read_settings(a.settings), overlays=tuple(a.overlay), reference=a.reference or default_reference,
        complete_only=a.eyes == "complete", tracking=a.tracking,
    )  # fmt: skip
    # a phantom is made only after all the rest was found in order
    return study if a.manifest else replace(study, manifest=make_phantom(a))


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; values are read as in the YAML files."""
    import yaml

    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise InputError(f"--set: found '{pair}', expected KEY=VALUE such as lr=1.0e-3")
        try:
            settings[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {key}: '{text}' is no YAML value; expected one such as 1.0e-3") from error
    return settings


def make_phantom(a: argparse.Namespace) -> Path:
    """Make the cohort, or find it made; each combination of options has its own folder."""
    from bundle.data.phantom import make_phantom

    seed = a.phantom_seed or 0
    parts = [a.phantom, f"seed{seed}", f"{a.patients}p" if a.patients else "", f"{a.test_eyes}t" if a.test_eyes else ""]
    folder = Path("data/phantoms") / "-".join(part for part in parts if part)
    return Path(make_phantom(folder, a.phantom, seed, a.patients, a.test_eyes))


if __name__ == "__main__":
    run_main(main)
