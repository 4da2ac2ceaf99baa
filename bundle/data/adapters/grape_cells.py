"""Reads single cells of the GRAPE tables; every fault is told with file, row and column, never with the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.data import perimetry_g1
from bundle.data.adapters.tables import Row
from bundle.data.laterality import normalise_eye

FIELD_COLUMNS = tuple(str(column) for column in range(perimetry_g1.N_COLUMNS))
_SENSITIVITY_RANGE_DB = (-1.0, 50.0)
_RNFL_RANGE_UM = (10.0, 350.0)
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


def read_subject(row: Row) -> int:
    """Number of the subject; a whole number, in GRAPE 1 to 144."""
    number = row.required("Subject Number", 0, 1e9, "")
    if number != int(number):
        raise row.error("Subject Number", "found a fraction, expected a whole number")
    return int(number)


def read_eye(row: Row) -> str:
    """ "OD" or "OS"."""
    eye = normalise_eye(row.text("Laterality") or "")
    if eye is None:
        raise row.error("Laterality", f"found '{row.text('Laterality') or ''}', expected OD or OS")
    return eye


def read_sex(row: Row) -> str | None:
    """ "male", "female" or None when missing."""
    text = row.text("Gender")
    if text is not None and text.lower() not in _SEXES:
        raise row.error("Gender", f"found '{text[:24]}', expected M or F")
    return None if text is None else _SEXES[text.lower()]


def read_sensitivities_db(row: Row) -> NDArray[np.float64] | None:
    """(59,) sensitivities, unseen points as 0 dB; None when a point is missing."""
    columns = [row.number_in(column, *_SENSITIVITY_RANGE_DB, "dB") for column in FIELD_COLUMNS]
    values = [value for value in columns if value is not None]
    if len(values) < len(columns):
        return None
    try:
        return perimetry_g1.point_sensitivities_db(values)
    except ValueError as error:
        column = str(perimetry_g1.BLIND_SPOT_COLUMN)
        raise row.error(column, f"{error} (another test pattern or column order?)") from error


@dataclass(frozen=True, kw_only=True)
class Rnfl:
    """Circumpapillary RNFL thickness in um: the printed mean and the four anatomical quadrants."""

    mean_um: float
    superior_um: float
    nasal_um: float
    inferior_um: float
    temporal_um: float


def read_rnfl(row: Row) -> Rnfl | None:
    """The five thicknesses, or None when one of them is missing."""
    values = [row.number_in(column, *_RNFL_RANGE_UM, "um") for column in ("Mean", "S", "N", "I", "T")]
    mean, superior, nasal, inferior, temporal = values
    if mean is None or superior is None or nasal is None or inferior is None or temporal is None:
        return None
    return Rnfl(mean_um=mean, superior_um=superior, nasal_um=nasal, inferior_um=inferior, temporal_um=temporal)
