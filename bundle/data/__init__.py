"""Manifest, cohort, splits and data set; the readers are in `bundle.data.readers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bundle.data.cohort import Cohort
from bundle.data.examination import EYES, SPLITS, Examination
from bundle.data.laterality import check_laterality
from bundle.data.manifest import read_manifest
from bundle.data.splits import k_fold, split_by_patient

if TYPE_CHECKING:
    from bundle.data.dataset import EyeDataset
    from bundle.data.readers import read_visual_field

__all__ = [
    "EYES",
    "SPLITS",
    "Cohort",
    "Examination",
    "EyeDataset",
    "check_laterality",
    "k_fold",
    "read_manifest",
    "read_visual_field",
    "split_by_patient",
]


def __getattr__(name: str) -> Any:
    """On first use: `EyeDataset`, which needs torch and MONAI, and the reader, which needs pydicom."""
    if name == "EyeDataset":
        from bundle.data.dataset import EyeDataset

        return EyeDataset
    if name == "read_visual_field":
        from bundle.data.readers import read_visual_field

        return read_visual_field
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
