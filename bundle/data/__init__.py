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

__all__ = [
    "EYES",
    "SPLITS",
    "Cohort",
    "Examination",
    "EyeDataset",
    "check_laterality",
    "k_fold",
    "read_manifest",
    "split_by_patient",
]


def __getattr__(name: str) -> Any:
    """`EyeDataset` on first use: it needs torch and MONAI, which the manifest and the readers do without."""
    if name == "EyeDataset":
        from bundle.data.dataset import EyeDataset

        return EyeDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
