"""What `scripts.fuzz_readers` damages: a valid scan, photograph or field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

PATIENT = "CANARY4711"  # stands where a patient's name would: no message may hold it
SPACING_MM = (0.05, 0.002, 0.012)


@dataclass(frozen=True)
class Seed:
    """The valid files of one examination.

    reader: "oct", "fundus" or "field". files: content by name; one of them is damaged, the first mostly.
    name: what is read, "" for the folder itself. pack: applied to a damaged file, so that what is inside a checked
    archive gets damaged too.
    """

    reader: str
    files: dict[str, bytes] = field(repr=False)
    name: str = "scan"
    pack: Callable[[bytes], bytes] | None = None
