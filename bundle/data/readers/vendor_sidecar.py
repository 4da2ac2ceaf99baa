"""What a sidecar may add to a vendor's file, and the refusal of sources that contradict each other about the eye."""

from __future__ import annotations

from collections.abc import Mapping

from bundle.data.readers.sidecar import AXES, Sidecar
from bundle.errors import InputError


def vendor_sidecar(sidecar: Sidecar, *, may_reverse: bool = False) -> Sidecar:
    """The sidecar, if it states nothing that the format fixes, where a user's word against it is a mistake.

    may_reverse: whether the format leaves open how its axes run, so that the key reverse is of use.
    Raises InputError for axes, files and, unless it may be stated, reverse.
    """
    if sidecar.axes != AXES or sidecar.files or (sidecar.reverse and not may_reverse):
        keys = "spacing_mm, laterality and reverse" if may_reverse else "spacing_mm and laterality"
        raise InputError(f"sidecar: found axes, reverse or files, which this format fixes itself: keep {keys} alone")
    return sidecar


def agreed_eye(stated: Mapping[str, str | None]) -> str | None:
    """The eye on which all sources that state one agree; None when none does.

    stated: "OD", "OS" or None by source, such as {"the header": "OD", "the sidecar": None}.
    Raises InputError when two sources disagree.
    """
    first_source: dict[str, str] = {}
    for source, eye in stated.items():
        if eye is not None:
            first_source.setdefault(eye, source)
    if len(first_source) > 1:
        found = " and ".join(f"{eye} in {source}" for eye, source in first_source.items())
        raise InputError(f"found {found}, expected one eye: correct the one that is wrong")
    return next(iter(first_source), None)
