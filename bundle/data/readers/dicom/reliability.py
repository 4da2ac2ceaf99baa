"""Reliability of a visual field in DICOM: catch trials and checks of fixation (PS3.3, C.8.26)."""

from __future__ import annotations

import pydicom

from bundle.data.readers.dicom.values import first_item, number
from bundle.data.visual_field import Reliability
from bundle.errors import InputError


def reliability_of(dataset: pydicom.Dataset) -> Reliability:
    """Shares of fixation losses, false positives and false negatives; None for what was not measured.

    The device's estimate (per cent) counts before failures / catch trials, as SITA tests estimate without catch trials.
    """
    fixation = first_item(dataset, "FixationSequence")
    trials = first_item(dataset, "VisualFieldCatchTrialSequence")
    return Reliability(
        fixation_losses=_ratio(fixation, "PatientNotProperlyFixatedQuantity", "FixationCheckedQuantity"),
        false_positives=_share(trials, "Positive"),
        false_negatives=_share(trials, "Negative"),
    )


def _share(trials: pydicom.Dataset | None, kind: str) -> float | None:
    if trials is None:
        return None
    per_cent = number(trials, f"False{kind}sEstimate")
    if per_cent is None or trials.get(f"False{kind}sEstimateFlag") == "NO":
        return _ratio(trials, f"False{kind}sQuantity", f"{kind}CatchTrialsQuantity")
    if not 0.0 <= per_cent <= 100.0:
        raise InputError(f"found {per_cent:g} per cent of false {kind.lower()}s, expected 0 to 100: export it again")
    return per_cent / 100.0


def _ratio(item: pydicom.Dataset | None, failed_keyword: str, tried_keyword: str) -> float | None:
    if item is None:
        return None
    failed, tried = number(item, failed_keyword), number(item, tried_keyword)
    if failed is None or not tried:
        return None
    if not 0.0 <= failed <= tried:
        raise InputError(f"found {failed:g} failures in {tried:g} reliability checks: export the field again")
    return failed / tried
