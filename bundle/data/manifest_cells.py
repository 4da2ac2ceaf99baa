"""Reads one cell of the manifest; each function raises ValueError with what was found and expected, and the fix."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from pathlib import Path

from bundle.data.examination import SPLITS
from bundle.data.laterality import normalise_eye

MD_RANGE_DB = (-35.0, 5.0)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def parse_patient(text: str) -> str:
    """The identifier as written; it must not be empty."""
    if not text:
        raise ValueError("found nothing, expected the patient's identifier: fill it, the split by patient needs it")
    return text


def parse_eye(text: str) -> str:
    """ "OD" or "OS" for any usual spelling."""
    eye = normalise_eye(text)
    if eye is None:
        raise ValueError(f"found '{text[:12]}', expected OD (right) or OS (left): correct it")
    return eye


def parse_split(text: str) -> str | None:
    """ "train", "validation" or "test"; None for an empty cell."""
    if not text or text.lower() in SPLITS:
        return text.lower() or None
    near = get_close_matches(text.lower(), SPLITS, n=1, cutoff=0.3)
    fix = f"write {near[0]}" if near else "correct it"
    raise ValueError(f"found '{text[:24]}', expected train, validation or test: {fix}")


def _parse_number(text: str, unit: str) -> float:
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        point = text.replace(",", ".")
        raise ValueError(f"found '{text}' with a decimal comma, expected a decimal point: write {point}")
    raise ValueError(f"found '{text[:24]}', expected a finite number {unit}, digits only: correct the cell")


def parse_md_db(text: str, labels: str) -> float:
    """Mean Deviation in dB within `MD_RANGE_DB`; nan for an empty cell when `labels` is "optional"."""
    if not text:
        if labels == "optional":
            return math.nan
        raise ValueError("found nothing, expected the Mean Deviation in dB: fill it, or drop the row")
    md_db = _parse_number(text, "in dB")
    low, high = MD_RANGE_DB
    if not low <= md_db <= high:
        raise ValueError(f"found {md_db:g}, expected an MD in [{low:g}, +{high:g}] dB (loss is negative): check it")
    return md_db


def parse_age(text: str) -> float | None:
    """Age in years, 0 to 120; None for an empty cell."""
    if not text:
        return None
    age = _parse_number(text, "of years")
    if not 0 <= age <= 120:
        raise ValueError(f"found {age:g}, expected an age of 0 to 120 years: correct it")
    return age


def parse_path(text: str, folder: Path, *, folders_allowed: bool) -> Path | None:
    """The absolute path of an image that exists, is of the right kind, is not empty and may be read."""
    if not text:
        return None
    path = (folder / text).absolute()
    try:
        if path.is_dir():
            if not folders_allowed:
                raise ValueError(f"found the folder '{text}', expected an image file: name the file")
            if not any(path.iterdir()):
                raise ValueError(f"found the empty folder '{text}', expected one with B-scans: fill it")
            return path
        size = path.stat().st_size
        if not path.is_file():
            raise ValueError(f"'{text}' is no regular file: name an image file")
        with path.open("rb"):
            pass
    except OSError as error:
        fix = "write / instead of \\" if "\\" in text else "check the path, which starts at the manifest's folder"
        raise ValueError(f"'{text}' cannot be read ({error.strerror}): {fix}") from error
    if size == 0:
        raise ValueError(f"'{text}' is empty (0 bytes), expected an image: copy it again")
    return path
