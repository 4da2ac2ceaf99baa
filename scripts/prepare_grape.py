"""Turns the GRAPE files into a cohort: manifest, real disc photographs and OCT volumes rendered from the measured RNFL.

    python -m scripts.prepare_grape --source DIR --out DIR
    python -m scripts.prepare_grape --source DIR --out DIR --modalities fundus --visits all

What the cohort is and is not, and the norm behind its labels: docs/grape.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bundle.data.adapters.grape import LeftOut, read_grape
from bundle.data.adapters.grape_cohort import (
    BRIDGE_GEOMETRY,
    MANIFEST_FILE,
    Settings,
    is_ready,
    tables_digest,
    write_cohort,
)
from bundle.data.examination import Examination
from bundle.data.manifest import read_manifest
from bundle.errors import InputError, run_main


def main(arguments: list[str] | None = None) -> None:
    """Prepare the cohort and print what it holds and what was left out."""
    options = _parser().parse_args(arguments)
    shape = tuple(options.oct_shape)
    if min(shape) < 8 or max(shape) > 1024:
        raise InputError(f"--oct-shape: found {shape}, expected three sizes of 8 to 1024 voxels")
    visits, left_out = read_grape(options.source, options.visits)
    settings = Settings(
        tables_sha256=tables_digest(options.source), visits=options.visits, modalities=options.modalities,
        seed=options.seed, oct_shape=shape,
    )  # fmt: skip
    if is_ready(options.out, settings):
        print(f"{options.out / MANIFEST_FILE} is there already and complete; nothing was written")
    else:
        with tqdm(total=len(visits), unit="eye", disable=None) as bar:  # None: no bar unless stderr is a terminal
            left_out += write_cohort(visits, options.out, settings, lambda: bar.update(1))
        print(f"wrote {options.out / MANIFEST_FILE}")
    print(summary(read_manifest(options.out / MANIFEST_FILE, verify_checksums=False), left_out))


def summary(rows: list[Examination], left_out: list[LeftOut]) -> str:
    """What a cohort holds, in a few lines without any identifier."""
    md_db = np.array([one.md_db for one in rows])
    eyes, patients = {(one.patient_id, one.eye) for one in rows}, {one.patient_id for one in rows}
    kinds = Counter((one.oct is not None, one.fundus is not None) for one in rows)
    lines = [
        f"{len(rows)} examinations of {len(eyes)} eyes of {len(patients)} patients: {kinds[True, True]} with OCT and "
        f"photograph, {kinds[True, False]} with OCT only, {kinds[False, True]} with a photograph only",
        f"MD {md_db.mean():.1f} ± {md_db.std():.1f} dB, {md_db.min():.1f} to {md_db.max():.1f} dB",
    ]
    for reason, count in Counter(one.reason for one in left_out).most_common():
        first = next(one.source for one in left_out if one.reason == reason)
        lines.append(f"left out: {count} (first: {first}): {reason}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare_grape", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--source", type=Path, required=True,
                        help="folder with GRAPE_VF.csv and, if any, GRAPE_FollowUps.csv and rois/")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="new folder for the cohort")
    parser.add_argument("--visits", choices=("baseline", "all"), default="baseline",
                        help="all: add the follow-up visits that have a photograph (they have no OCT)")  # fmt: skip
    parser.add_argument("--modalities", choices=("both", "fundus", "oct"), default="both",
                        help="fundus: photographs alone, no rendered OCT; oct: rendered OCT alone")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of everything in the rendered OCT but the RNFL (0)")
    parser.add_argument("--oct-shape", type=int, nargs=3, default=BRIDGE_GEOMETRY.shape, metavar=("B", "D", "A"),
                        help="voxels in (B-scan, depth, A-scan) of the 6 x 2 x 6 mm volume (32 128 64)")  # fmt: skip
    return parser


if __name__ == "__main__":
    run_main(main)
