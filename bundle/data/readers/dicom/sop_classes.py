"""What a DICOM file is, by its SOP class (DICOM PS3.6, table A-1), and what to do with one that is not wanted."""

from __future__ import annotations

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
OP_8_BIT = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
OP_16_BIT = "1.2.840.10008.5.1.4.1.1.77.1.5.2"
OP_WIDE_FIELD = ("1.2.840.10008.5.1.4.1.1.77.1.5.5", "1.2.840.10008.5.1.4.1.1.77.1.5.6")
OPV = "1.2.840.10008.5.1.4.1.1.80.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# which column of a manifest an image belongs in
MODALITIES = {OPT: "oct", OP_8_BIT: "fundus", OP_16_BIT: "fundus"} | dict.fromkeys(OP_WIDE_FIELD, "fundus")

_AS_FUNDUS = "name it in the column fundus"
_AS_FIELD = "it holds the Mean Deviation and no image: import it with the examination's folder"
_DERIVED = "it is derived from a scan: export the B-scan volume itself"
_REPORT = "a printed report holds no usable image: export the scan itself"

# UID: (name, what to do where an OCT volume is wanted)
_KNOWN = {
    OPT: ("Ophthalmic Tomography (OCT)", "name it in the column oct"),
    OP_8_BIT: ("Ophthalmic Photography", _AS_FUNDUS),
    OP_16_BIT: ("Ophthalmic Photography (16 bit)", _AS_FUNDUS),
    OP_WIDE_FIELD[0]: ("Wide Field Ophthalmic Photography", _AS_FUNDUS),
    OP_WIDE_FIELD[1]: ("Wide Field Ophthalmic Photography", _AS_FUNDUS),
    OPV: ("Ophthalmic Visual Field Static Perimetry", _AS_FIELD),
    "1.2.840.10008.5.1.4.1.1.77.1.5.3": ("Stereometric Relationship", "name the photographs that it refers to"),
    "1.2.840.10008.5.1.4.1.1.77.1.5.7": ("OCT En Face", _DERIVED),
    "1.2.840.10008.5.1.4.1.1.77.1.5.8": ("OCT B-scan Volume Analysis (layers)", _DERIVED),
    "1.2.840.10008.5.1.4.1.1.81.1": ("Ophthalmic Thickness Map", _DERIVED),
    "1.2.840.10008.5.1.4.1.1.104.1": ("Encapsulated PDF", _REPORT),
    SECONDARY_CAPTURE: ("Secondary Capture", "a screenshot holds no usable volume: export the scan itself"),
    "1.2.840.10008.1.3.10": ("Media Storage Directory (DICOMDIR)", "name one of the files or folders that it lists"),
    "1.2.840.10008.5.1.4.1.1.66": ("Raw Data", "export the scan as images"),
}


def class_name(uid: str | None) -> str:
    """The name of a SOP class; "DICOM of an unknown kind" for one that is not in the table."""
    return _KNOWN[uid][0] if uid in _KNOWN else "DICOM of an unknown kind"


def wrong_class(uid: str | None, expected: str) -> str:
    """The sentence that refuses a DICOM file of class `uid` where `expected` (such as "an OCT volume") is wanted."""
    advice = _KNOWN[uid][1] if uid in _KNOWN else "export the scan as Ophthalmic Tomography"
    return f"found DICOM, {class_name(uid)}, expected {expected}: {advice}"
