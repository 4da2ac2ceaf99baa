"""What a DICOM header says of an OCT, a photograph or a visual field: who, which eye, when, how good."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time

import pydicom

from bundle.data.readers.dicom import sop_classes as sop
from bundle.data.readers.dicom.dataset import device_of, laterality_of, no_header_text, open_dicom
from bundle.data.readers.dicom.opv import read_opv
from bundle.data.readers.dicom.pixels import n_frames
from bundle.errors import InputError
from bundle.ingest.records import Described, Person, Source
from bundle.ingest.refusal import Refusal

OTHER_CLASS = "DICOM, but no OCT volume, photograph or static visual field: {}"
NO_PATIENT = "its header has no patient number"
NO_EYE = "its header does not say which eye"
NO_DATE = "its header has no date of the examination"
NO_MD = "a visual field without a Mean Deviation"
BAD_FIELD = "a visual field that cannot be used: see its detail in the private list of sources"
BAD_EYE = "its header names both eyes, or contradicts itself about the eye"
_KINDS = sop.MODALITIES | {sop.OPV: "field"}
_FRAMES = (sop.OP_8_BIT, sop.OP_16_BIT, sop.SECONDARY_CAPTURE)
_TOMOGRAPHS = ("OPT", "OCT")
# First what is nearest to the patient: a later export may rewrite the last ones.
_WHEN = ("Acquisition", "PerformedProcedureStepStart", "Study", "Series", "Content")
_SEXES = {"F": "female", "M": "male"}


@no_header_text()
def describe_dicom(source: Source) -> Described:
    """The description of a DICOM file.

    Raises Refusal when it is of another kind, or does not state patient, eye or date; InputError when it is damaged.
    """
    dataset = open_dicom(source.path)
    kind = _kind(dataset)
    eye, md_db = _field(source, kind) if kind == "field" else (_eye(dataset, kind), None)
    person, taken = person_of(dataset), taken_at(dataset)
    if not person.key or eye is None or taken is None:
        raise Refusal(NO_PATIENT if not person.key else NO_EYE if eye is None else NO_DATE, kind)
    frames = n_frames(dataset) if kind == "oct" else 0
    return Described(
        number=source.number, kind=kind, path=source.path, members=(source.path,), person=person, eye=eye, taken=taken,
        device=_device(dataset), quality=_quality(dataset), n_bscans=frames, md_db=md_db,
        burned_in=str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES",
        uid=str(dataset.get("SOPInstanceUID") or ""), refers=frozenset(_references(dataset)),
        series=str(dataset.get("SeriesInstanceUID") or "") if kind == "oct" and frames == 1 else "",
    )  # fmt: skip


def _kind(dataset: pydicom.Dataset) -> str:
    """By class; a single frame of a tomograph is an OCT also where an export calls it a photograph or a capture."""
    uid = str(dataset.SOPClassUID)
    if uid in _FRAMES and str(dataset.get("Modality") or "").strip() in _TOMOGRAPHS:
        return "oct"
    if uid not in _KINDS:
        raise Refusal(OTHER_CLASS.format(sop.class_name(uid)))
    return _KINDS[uid]


def _field(source: Source, kind: str) -> tuple[str, float]:
    try:
        field = read_opv(source.path)
    except InputError as error:
        raise Refusal(BAD_FIELD, kind, str(error)) from error
    if math.isnan(field.md_db):
        raise Refusal(NO_MD, kind)
    return field.laterality, float(field.md_db)


def _eye(dataset: pydicom.Dataset, kind: str) -> str | None:
    try:
        return laterality_of(dataset)
    except InputError as error:
        raise Refusal(BAD_EYE, kind, str(error)) from error


def person_of(dataset: pydicom.Dataset) -> Person:
    """The patient of a header; the key is "" where it has no PatientID."""
    age = str(dataset.get("PatientAge") or "").strip().upper()
    return Person(
        key=str(dataset.get("PatientID") or "").strip(),
        birth_date=_day(dataset.get("PatientBirthDate")),
        sex=_SEXES.get(str(dataset.get("PatientSex") or "").strip().upper(), ""),
        age_years=int(age[:-1]) if age.endswith("Y") and age[:-1].isdecimal() else None,
        issuer=str(dataset.get("IssuerOfPatientID") or "").strip(),
    )


def taken_at(dataset: pydicom.Dataset) -> datetime | None:
    """Day and time of the examination; midnight where the header has no time, None where it has no date."""
    stamp = str(dataset.get("AcquisitionDateTime") or "").strip()
    day = _day(stamp[:8])
    if day is not None:
        return datetime.combine(day, _time(stamp[8:14]))
    for what in _WHEN:
        day = _day(dataset.get(f"{what}Date"))
        if day is not None:
            return datetime.combine(day, _time(dataset.get(f"{what}Time")))
    return None


def _day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value or "").strip(), "%Y%m%d").date()
    except ValueError:
        return None


def _time(value: object) -> time:
    digits = str(value or "").strip()[:6]
    try:
        return datetime.strptime(digits, "%H%M%S").time()
    except ValueError:
        return time()


def _device(dataset: pydicom.Dataset) -> str:
    """Manufacturer and model, unless a part of the patient's name or number stands in them."""
    device = device_of(dataset) or ""
    texts = [str(dataset.get(keyword) or "") for keyword in ("PatientName", "PatientID", "StationName")]
    words = {word.lower() for text in texts for word in text.replace("^", " ").split() if len(word) > 2}
    return "" if any(word in device.lower() for word in words) else " ".join(device.split())


def _quality(dataset: pydicom.Dataset) -> float | None:
    """The value of a quality rating sequence, of which DICOM has one for each kind of derived or wide-field image."""
    for element in dataset:
        if element.keyword.endswith("QualityRatingSequence") and element.value:
            value = element.value[0].get("NumericValue")
            return None if value is None else float(value)
    return None


def _references(dataset: pydicom.Dataset) -> Iterator[str]:
    """Identifiers of the images that the header, or a frame's position on them, names."""
    groups = [dataset, *(dataset.get("SharedFunctionalGroupsSequence") or [])]
    groups += dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in groups:
        for keyword in ("OphthalmicFrameLocationSequence", "ReferencedImageSequence", "SourceImageSequence"):
            for item in group.get(keyword) or []:
                if item.get("ReferencedSOPInstanceUID"):
                    yield str(item.ReferencedSOPInstanceUID)
