"""STAGE 2024, "STAGE2" (MICCAI challenge, Baidu AI Studio): macular OCT, colour photograph and MD of each eye.

The layout of STAGE 2023 (`bundle.data.adapters.stage`) with the photograph `<ID>/<ID>.jpg` among the B-scans, the
labels in `training_GT/task1_GT_training.csv` and the validation table `data_info_val.xlsx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bundle.data.adapters.stage import prepare_stage


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    oct_sidecar: Mapping[str, object] | None = None,
    progress: bool = True,
) -> str:
    """Prepare STAGE 2024 in `out_dir`; arguments, result and errors as for STAGE 2023."""
    return prepare_stage("stage2", source, out_dir, oct_sidecar, progress)
