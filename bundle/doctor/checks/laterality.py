"""Right or left: what the table says, what the files say, and what the pictures look like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bundle.data.laterality import eye_in_file_name
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding

_MIN_EYES = 10  # of each side
_MIRRORED = -0.05  # at least +.02 in every one of 300 draws of 10 + 10 GRAPE photographs, phantom photographs and scans


def stated_eye(evidence: Evidence) -> Iterator[Finding]:
    """A file that states another eye than its row."""
    for modality, facts in (("OCT", evidence.oct), ("fundus", evidence.fundus)):
        wrong = [
            one.row
            for one in evidence.examinations
            if one.row in facts and facts[one.row].laterality not in (None, one.eye)
        ]
        if wrong:
            message = f"found another eye in the {modality} file than in the column eye, expected the same"
            yield Finding("error", "laterality", tuple(wrong), message, "correct the table, or the file or its sidecar")


def unstated_eye(evidence: Evidence) -> Iterator[Finding]:
    """Rows of which neither file nor file name tells the eye, so that only the table is to be trusted."""
    alone = 0
    for one in evidence.examinations:
        images = [facts[one.row] for facts in (evidence.oct, evidence.fundus) if one.row in facts]
        named = any(eye_in_file_name(path) for path in (one.oct, one.fundus) if path is not None)
        alone += not named and all(image.laterality is None for image in images)
    if alone:
        message = f"{alone} of {len(evidence.examinations)} eyes are right or left by the column eye alone"
        yield Finding("note", "laterality", (), message, "look at the disc's side in some of the pictures")


def mirrored_left_eyes(evidence: Evidence) -> Iterator[Finding]:
    """Left eyes that were drawn as right eyes before: the transforms would mirror them back.

    A left eye is the mirror image of a right one, so the mean picture of the left eyes resembles the mirrored mean of
    the right eyes more than the mean itself. Otherwise the files were mirrored, or `eye` is wrong.
    """
    patterns = {
        "OCT": {row: one.en_face for row, one in evidence.oct.items()},
        "fundus": {row: one.pattern for row, one in evidence.fundus.items()},
    }
    for modality, by_row in patterns.items():
        right, left = (
            [by_row[one.row] for one in evidence.examinations if one.eye == eye and one.row in by_row]
            for eye in ("OD", "OS")
        )
        if min(len(right), len(left)) < _MIN_EYES:
            continue
        right_mean, left_mean = np.mean(right, axis=0), np.mean(left, axis=0)
        as_mirror = _correlation(right_mean[:, ::-1], left_mean) - _correlation(right_mean, left_mean)
        if as_mirror < _MIRRORED:
            message = (
                f"found left eyes whose {modality} images look like right eyes, expected mirror images "
                f"(correlation of the mean images {-as_mirror:+.2f} higher)"
            )
            yield Finding("warning", "laterality", (), message, "store left eyes as acquired, unmirrored")


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
