"""The record that a perimetry reader returns: one static visual field of one eye."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass, field

import numpy as np

from bundle.data.visual_field_checks import check_md, check_points, check_signs
from bundle.data.visual_field_patterns import pattern_of, right_eye_orientation

FIXATION_LOSS_LIMIT = 0.20
FALSE_POSITIVE_LIMIT = 0.15
FALSE_NEGATIVE_LIMIT = 0.33


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How attentive the subject was: shares from 0 to 1, None where the test did not measure them.

    fixation_losses: answers to stimuli in the blind spot. false_positives: answers to nothing.
    false_negatives: no answer to a stimulus brighter than one seen before at that place.
    """

    fixation_losses: float | None = None
    false_positives: float | None = None
    false_negatives: float | None = None

    @property
    def reliable(self) -> bool | None:
        """Whether every measured share is below its limit; None when none was measured.

        Limits: fixation losses < 20 % and false negatives < 33 %, which the maker of the Humphrey analyser recommended
        (Birt et al., Ophthalmology 1997; 104:1126), and false positives < 15 %, its limit for SITA tests (Heijl,
        Patella, Bengtsson: Effective Perimetry, 2012), where 33 % was older. A field with deep loss often has many
        false negatives though its subject attends, so a False here is a reason to look, not to drop the eye.
        """
        pairs = (
            (self.fixation_losses, FIXATION_LOSS_LIMIT),
            (self.false_positives, FALSE_POSITIVE_LIMIT),
            (self.false_negatives, FALSE_NEGATIVE_LIMIT),
        )
        measured = [share < limit for share, limit in pairs if share is not None]
        return all(measured) if measured else None


@dataclass(frozen=True, kw_only=True)
class VisualField:
    """A static visual field.

    md_db: Mean Deviation, dB, loss negative, within [-35, +5]; nan when the file gives none
        (`bundle.data.visual_field_md.md_from_thresholds` computes one).
    psd_db: Pattern Standard Deviation, dB; nan when not given.
    laterality: "OD" or "OS".
    points: (n, 4) float64: x and y in degrees (x > 0 to the right as the subject sees it, so temporal in a right eye
        and nasal in a left one; y > 0 superior), sensitivity in dB, total deviation in dB (loss negative). NaN in the
        last two where the file gives no value.
    test_date: the day of the test; device: manufacturer and model.

    Raises InputError when a value is impossible, when the points are those of the other eye, or when loss is counted as
    positive. `repr` leaves out the day and the points.
    """

    md_db: float
    psd_db: float = math.nan
    laterality: str
    points: np.ndarray = field(repr=False)
    reliability: Reliability = field(default_factory=Reliability)
    test_date: datetime.date | None = field(default=None, repr=False)
    device: str | None = None

    def __post_init__(self) -> None:
        check_points(self.points, self.laterality)
        check_signs(self.md_db, self.points, self.laterality)
        check_md(self.md_db, self.psd_db)

    @property
    def pattern(self) -> str:
        """ "24-2", "30-2", "10-2" or "other", by the coordinates."""
        return pattern_of(right_eye_orientation(self.points[:, :2], self.laterality))
