"""Fundus photographs and scanning-laser images in DICOM (Ophthalmic Photography, 8 bit, 16 bit and wide field).

Module Ophthalmic Photography Image: DICOM PS3.3, C.8.17.2. Photometric interpretations: C.7.6.3.1.2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.multival import MultiValue

from bundle.data.readers.dicom.dataset import laterality_of, no_header_text, open_dicom
from bundle.data.readers.dicom.photo_pixels import COLOUR, GREY, PALETTE, photometric, read_pixels
from bundle.data.readers.dicom.pixels import n_frames
from bundle.data.readers.dicom.sop_classes import OP_8_BIT, OP_16_BIT, OP_WIDE_FIELD, OPT, class_name
from bundle.data.readers.records import FundusImage
from bundle.errors import InputError

_CLASSES = (OP_8_BIT, OP_16_BIT, *OP_WIDE_FIELD)
# PatientOrientation of an upright photograph is L\F: seen from the front, its rows run to the patient's left, and its
# columns to the feet.
_LEFT_RIGHT = {"L": False, "R": True}
_UPSIDE_DOWN = {"F": False, "H": True}


def read_op(path: Path) -> FundusImage:
    """Read one photograph as (H, W, 3) uint8 RGB, with the laterality of the header.

    Colour is brought to RGB, a palette is looked up, grey is replicated to three channels and MONOCHROME1 inverted.
    Other than 8 bits are scaled by what the header says the detector can give, 255 * value / (2^BitsStored - 1),
    rounded: never by the darkest and brightest pixel of the image, so that two photographs stay comparable. A
    PatientOrientation that says so turns the image upright. Each change is listed in `conversions`.
    Raises InputError for any other kind of DICOM, several frames, and pixels that are not what the header says.
    """
    header = open_dicom(path)
    with no_header_text():
        _check_class(str(header.SOPClassUID))
        _check_kind(header)
        laterality = laterality_of(header)
    dataset = open_dicom(path, pixels=True)
    with no_header_text():
        pixels, conversions = read_pixels(dataset)
        pixels, turned = _upright(pixels, dataset)
        return FundusImage(pixels=pixels, laterality=laterality, conversions=(*conversions, *turned))


def _check_class(uid: str) -> None:
    if uid in _CLASSES:
        return
    advice = "name it in the column oct" if uid == OPT else "export the photograph as Ophthalmic Photography or as PNG"
    raise InputError(f"found DICOM, {class_name(uid)}, expected an ophthalmic photograph: {advice}")


def _check_kind(dataset: pydicom.Dataset) -> None:
    frames = n_frames(dataset)
    if frames != 1:
        raise InputError(f"found {frames} frames, expected one photograph: export the one to use as a file of its own")
    known = COLOUR if dataset.get("SamplesPerPixel") == 3 else (*GREY, PALETTE)
    if photometric(dataset) not in known:
        raise InputError(f"found a photometric interpretation other than {', '.join(known)}: export as RGB or grey")
    if dataset.get("PixelRepresentation"):
        raise InputError("found signed pixels, which no photograph has: export it again")


def _upright(pixels: np.ndarray, dataset: pydicom.Dataset) -> tuple[np.ndarray, list[str]]:
    """Mirror an image whose PatientOrientation says that its rows run to the right or its columns to the head."""
    stated = dataset.get("PatientOrientation")
    rows_to, columns_to = stated if isinstance(stated, MultiValue) and len(stated) == 2 else ("", "")
    left_right, upside_down = _LEFT_RIGHT.get(rows_to), _UPSIDE_DOWN.get(columns_to)
    if left_right is None or upside_down is None or not (left_right or upside_down):
        return pixels, []
    turned = pixels[:: -1 if upside_down else 1, :: -1 if left_right else 1]
    return np.ascontiguousarray(turned), ["turned upright as PatientOrientation says"]
