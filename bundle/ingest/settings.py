"""What a user may set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Source and output folder, and the rules.

    key: file of the secret key, None for `<out>.key`; fields: a table of visual fields beside those in DICOM.
    window_days: how far apart a field and its images may be; jobs: processes.
    Raises InputError for a negative window or no process.
    """

    source: Path
    out: Path
    key: Path | None = None
    fields: Path | None = None
    window_days: int = 180
    keep_burned_in: bool = False
    jobs: int = os.cpu_count() or 1
    progress: bool = True

    def __post_init__(self) -> None:
        if self.window_days < 0:
            raise InputError(f"--window-days: found {self.window_days}, expected at least 0 days")
        if self.jobs < 1:
            raise InputError(f"--jobs: found {self.jobs}, expected at least 1 process")

    def in_words(self) -> str:
        """The rules, for the report."""
        burned_in = "kept and flagged" if self.keep_burned_in else "left out"
        return f"images up to {self.window_days} days from their field; burned-in text is {burned_in}"
