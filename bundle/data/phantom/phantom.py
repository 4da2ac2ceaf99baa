"""A phantom cohort: any examination of any patient, drawn on demand, the same for the same (seed, patient, eye)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from bundle.data.phantom.anatomy import OctAnatomy
from bundle.data.phantom.fundus import FundusAnatomy, render_fundus
from bundle.data.phantom.imaging import draw_cataract, photograph, scan_oct
from bundle.data.phantom.latents import Eye, Patient, draw_eye, draw_patient
from bundle.data.phantom.oct import mirror_left, render_oct
from bundle.data.phantom.presets import PhantomPreset, get_preset
from bundle.data.phantom.vessels import grow_vessels
from bundle.errors import InputError

EYES = ("OD", "OS")
FIRST_VISIT = datetime.date(2021, 1, 4)
VISIT_SPAN_DAYS = 1460
# Every random number comes from a generator keyed by (seed, patient, eye, stream): the order of work has no effect.
_PATIENT, _LATENTS, _LOOKS, _OCT, _FUNDUS = 1, 2, 3, 4, 5


@dataclass(frozen=True, kw_only=True)
class PhantomExamination:
    """One examination of one eye: everything but the pixels, which `Phantom.render` makes.

    `hidden` is the truth behind it, for tests and studies; it never reaches a manifest.
    """

    patient_index: int
    eye: str
    patient: Patient
    hidden: Eye
    oct_anatomy: OctAnatomy
    fundus_anatomy: FundusAnatomy
    visit_date: datetime.date

    @property
    def md_db(self) -> float:
        """Mean Deviation of the measured field, dB."""
        return self.hidden.field.md_db


class Phantom:
    """A cohort without end: patient 0, 1, 2, ... of one preset and seed.

    Args:
        preset: "default", "long_tail", "balanced" or "realistic" (`presets.PRESETS`), or a `PhantomPreset`.
        seed: integer >= 0; another seed is another cohort.

    Raises:
        InputError: unknown preset or negative seed.

    >>> examination = Phantom("default", seed=0).examinations(0)[0]
    >>> voxels, pixels = Phantom("default", seed=0).render(examination)
    >>> voxels.shape, pixels.shape
    ((16, 48, 32), (64, 64, 3))
    """

    def __init__(self, preset: str | PhantomPreset = "default", seed: int = 0) -> None:
        self.preset = preset if isinstance(preset, PhantomPreset) else get_preset(preset)
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed: found {seed!r}, expected an integer >= 0")
        self.seed = seed

    def _rng(self, patient_index: int, eye: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, patient_index, eye, stream])

    def examinations(self, patient_index: int) -> list[PhantomExamination]:
        """The examinations of one patient: both eyes, or one for a share of the patients."""
        rng = self._rng(patient_index, 0, _PATIENT)
        patient = draw_patient(rng)
        visit_date = FIRST_VISIT + datetime.timedelta(days=int(rng.integers(VISIT_SPAN_DAYS)))
        both, only = rng.random() < self.preset.both_eyes_share, int(rng.integers(2))
        return [
            self._examine(patient_index, number, patient, visit_date)
            for number in range(len(EYES))
            if both or number == only
        ]

    def _examine(self, patient_index: int, eye: int, patient: Patient, visit_date: datetime.date) -> PhantomExamination:
        hidden = draw_eye(patient, self.preset, self._rng(patient_index, eye, _LATENTS))
        rng = self._rng(patient_index, eye, _LOOKS)
        vessels = grow_vessels(rng)
        cataract = draw_cataract(patient.age_years, rng)
        return PhantomExamination(
            patient_index=patient_index,
            eye=EYES[eye],
            patient=patient,
            hidden=hidden,
            oct_anatomy=scan_oct(hidden, vessels, cataract, rng),
            fundus_anatomy=photograph(hidden, patient, vessels, cataract, rng),
            visit_date=visit_date,
        )

    def render(self, examination: PhantomExamination) -> tuple[np.ndarray, np.ndarray]:
        """OCT volume and photograph as a device stores them: a left eye is the mirror image of a right one.

        Returns:
            (B-scan, depth, A-scan) uint8 and (H, W, 3) uint8 RGB, sizes as the preset says.
        """
        number = EYES.index(examination.eye)
        index = examination.patient_index
        voxels = render_oct(examination.oct_anatomy, self.preset.oct, self._rng(index, number, _OCT))
        pixels = render_fundus(examination.fundus_anatomy, self.preset.fundus_px, self._rng(index, number, _FUNDUS))
        if examination.eye == "OS":
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        return mirror_left(voxels, examination.eye), pixels
