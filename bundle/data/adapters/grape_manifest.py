"""GRAPE as a data source of a config: the cohort of `scripts.prepare_grape`, made on first use (docs/grape.md)."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from bundle.data.adapters.grape import Visits, read_grape
from bundle.data.adapters.grape_cohort import (
    BRIDGE_GEOMETRY,
    MANIFEST_FILE,
    Modalities,
    Settings,
    is_ready,
    tables_digest,
    write_cohort,
)
from bundle.data.adapters.layout import source_folder
from bundle.errors import InputError

_log = logging.getLogger(__name__)


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    visits: Visits = "baseline",
    modalities: Modalities = "both",
    seed: int = 0,
    oct_shape: Sequence[int] = BRIDGE_GEOMETRY.shape,
    progress: bool = True,
) -> str:
    """Write the GRAPE cohort to `out_dir`, or find it written; returns the path of manifest.csv.

    source: the folder that holds GRAPE_VF.csv, its photographs and, if any, GRAPE_FollowUps.csv. The label is computed
        from the 59 points: the table's column `MD` is a 0/1 flag of progression.
    visits: "baseline" or "all". modalities: "both", "fundus" or "oct" (rendered from the measured RNFL).
    seed: of everything in the rendered OCT but the RNFL. oct_shape: its voxels (B-scan, depth, A-scan).
    Raises InputError for another layout, a cell out of range, or an `out_dir` that holds anything else.
    """
    folder, out = source_folder(source, "GRAPE_VF.csv"), Path(out_dir)
    shape = tuple(oct_shape)
    if len(shape) != 3 or min(shape) < 8 or max(shape) > 1024:
        raise InputError(f"oct_shape: found {shape}, expected three sizes of 8 to 1024 voxels")
    found, left_out = read_grape(folder, visits)
    settings = Settings(
        tables_sha256=tables_digest(folder), visits=visits, modalities=modalities, seed=seed, oct_shape=shape
    )
    if not is_ready(out, settings):
        with tqdm(total=len(found), unit="eye", disable=not (progress and sys.stderr.isatty())) as bar:
            left_out += write_cohort(found, out, settings, lambda: bar.update(1))
        for reason, count in Counter(one.reason for one in left_out).most_common():
            _log.warning("left out %d: %s", count, reason)
    return str(out / MANIFEST_FILE)
