"""One eye of the studies folder: which images it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundle.errors import InputError

MODALITIES = ("oct", "fundus")


class UnknownStudyError(LookupError):
    """No study of that name; the name itself is not repeated, as a client may have written anything."""


@dataclass(frozen=True)
class Study:
    """The images of one eye.

    eye: "OD", "OS", or None when only the files may tell.
    oct, fundus: every file or folder that is named as this modality; one at most is usable.
    """

    eye: str | None
    oct: tuple[Path, ...] = ()
    fundus: tuple[Path, ...] = ()

    @property
    def modalities(self) -> list[str]:
        """Modalities that are there, OCT first."""
        return [name for name in MODALITIES if getattr(self, name)]

    def image(self, modality: str) -> Path | None:
        """The path of a modality's image, or None.

        Raises InputError when several have the name of one.
        """
        found: tuple[Path, ...] = getattr(self, modality)
        if len(found) > 1:
            raise InputError(f"{modality}: found {len(found)} images of this study, expected one: remove the others")
        return found[0] if found else None
