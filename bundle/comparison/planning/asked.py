"""From options to studies."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bundle.comparison.methods.catalogue import check_methods, known_methods
from bundle.comparison.methods.refusals import refused_methods
from bundle.comparison.planning.grid import check_methods_left, cohort_name, expand
from bundle.comparison.planning.settings import read_settings
from bundle.comparison.planning.study import Study
from bundle.data.phantom import make_phantom
from bundle.errors import InputError


def read_studies(a: argparse.Namespace) -> list[Study]:
    """The studies that the command line asks for; makes the phantom cohorts."""
    if a.jobs is not None and a.jobs < 1:
        raise InputError(f"--jobs: found {a.jobs}, expected 1 or more")
    names = cohort_names(a)
    asked = tuple(known_methods()) if a.methods is None else tuple(a.methods)
    refused = refused_methods(asked, a.overlay or [])
    methods = tuple(name for name in asked if name not in refused)
    check_methods_left(methods, refused)
    check_methods(methods)
    base = Study(
        manifest=Path(), out=output_folder(a), methods=methods,
        seeds=tuple(range(a.first_seed, a.first_seed + (3 if a.seeds is None else a.seeds))),
        folds=a.folds, train_size=a.train_size, split_seed=a.split_seed,
        settings=read_settings(a.settings), overlays=tuple(a.overlay or ()),
        reference=a.reference or ("concat" if "concat" in methods else methods[0]),
        complete_only=a.eyes == "complete", tracking=not a.no_tracking, trials=1 if a.trials is None else a.trials,
        trial_epochs=a.trial_epochs, trial_seed=a.trial_seed, lr_factors=tuple(a.lr_factors), refused=refused,
    )  # fmt: skip
    studies = expand(base, names, a.epochs or [None])
    # a phantom is made only after all the rest was found in order
    made = {name: phantom_manifest(a, name) for name, manifest in names.items() if manifest == Path()}
    return [replace(one, manifest=made.get(one.cohort_name, one.manifest)) for one in studies]


def cohort_names(a: argparse.Namespace) -> dict[str, Path]:
    """Manifest by the cohort's name; an empty path for a phantom that is still to be made."""
    pairs = [(cohort_name(path), path) for path in a.manifest or []] + [(name, Path()) for name in a.phantom or []]
    if not pairs:
        raise InputError("--manifest or --phantom: found neither, expected a cohort; see --help")
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"--manifest, --phantom: found two cohorts called '{twice}', expected names that differ")
    return dict(pairs)


def output_folder(a: argparse.Namespace) -> Path:
    """Where everything is written."""
    return a.out or Path("eval/compare") / (a.preset or "-".join(cohort_names(a)))


def phantom_manifest(a: argparse.Namespace, preset: str) -> Path:
    """Make the cohort, or find it made; each combination of options has its own folder."""
    seed = a.phantom_seed or 0
    parts = [preset, f"seed{seed}", f"{a.patients}p" if a.patients else "", f"{a.test_eyes}t" if a.test_eyes else ""]
    folder = Path("data/phantoms") / "-".join(part for part in parts if part)
    return Path(make_phantom(folder, preset, seed, a.patients, a.test_eyes))
