"""Which OCT and which photograph of a folder of DICOM files belong to which eye."""

from __future__ import annotations

from pathlib import Path

from bundle.data.readers import HEAD_BYTES
from bundle.data.readers.dicom.dataset import is_dicom, laterality_of, open_dicom
from bundle.data.readers.dicom.sop_classes import MODALITIES
from bundle.errors import InputError


def eyes_in(folder: str | Path) -> dict[str, dict[str, Path]]:
    """{"OD": {"oct": path, "fundus": path}, "OS": ...}: the eyes of one patient with what was found of each.

    Every file below the folder is looked at; DICOM of other kinds and files that are no DICOM are passed over.

    Raises:
        InputError: no such folder, neither an OCT volume nor a photograph, files of several patients, an image that
            does not state its eye, or two OCT volumes or photographs of one eye. Files are named by their number in the
            order of their paths, since a path may hold a name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("input: found no folder, expected one with the DICOM files of one patient; check -i")
    found: dict[str, dict[str, Path]] = {}
    patients = set()
    for number, path in enumerate(sorted(one for one in folder.rglob("*") if one.is_file()), start=1):
        try:
            described = _describe(path)
        except InputError as error:
            raise InputError(f"input: file {number}: {error}") from error
        if described is None:
            continue
        kind, eye, patient = described
        patients.add(patient)
        if kind in found.setdefault(eye, {}):
            raise InputError(f"input: file {number} is a second {kind} image of {eye}; leave the one to use")
        found[eye][kind] = path
    if not found:
        raise InputError("input: found neither OCT volume (OPT) nor photograph (OP), expected at least one")
    if len(patients) > 1:
        raise InputError(f"input: found files of {len(patients)} patients, expected one; run each patient by itself")
    return dict(sorted(found.items()))


def _describe(path: Path) -> tuple[str, str, str] | None:
    """Kind, eye and patient of an OCT volume or a photograph; None for any other file."""
    with path.open("rb") as file:
        if not is_dicom(file.read(HEAD_BYTES), path):
            return None
    dataset = open_dicom(path)
    kind = MODALITIES.get(str(dataset.SOPClassUID))
    if kind is None:
        return None
    eye = laterality_of(dataset)
    if eye is None:
        raise InputError("found no laterality, expected R or L in the header; export it again with the eye stated")
    return kind, eye, str(dataset.get("PatientID") or "")
