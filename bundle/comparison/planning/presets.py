"""Named sets of options: the files in configs/compare, whose keys are options of `scripts.compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle.comparison.methods.catalogue import ROOT
from bundle.comparison.methods.overlays import read_values

PRESETS_FOLDER = ROOT / "configs" / "compare"


def presets() -> dict[str, Path]:
    """File of each preset by its name."""
    return {path.stem: path for path in sorted(PRESETS_FOLDER.glob("*.yaml"))}


def read_preset(name: str) -> dict[str, Any]:
    """Options by name, with underscores; overlays of this bundle are found from any folder."""
    options = dict(read_values(presets()[name]))
    if "overlay" in options:
        options["overlay"] = [ROOT / path for path in options["overlay"]]
    return options
