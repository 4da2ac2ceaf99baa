"""Small valid DICOM files, in every transfer syntax with a decoder of its own, for `scripts.fuzz_readers` to damage."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from imagecodecs import jpeg8_encode
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from scripts.fuzz_seed import PATIENT, SPACING_MM, Seed

_OP = uid.OphthalmicPhotography8BitImageStorage
_OPT, _OPV = "1.2.840.10008.5.1.4.1.1.77.1.5.4", "1.2.840.10008.5.1.4.1.1.80.1"
_SYNTAXES = {
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "implicit": uid.ImplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG Lossless": uid.JPEGLosslessSV1,
    "JPEG of 12 bits": uid.JPEGExtended12Bit,
}
_JPEG_OPTIONS: dict[str, dict[str, Any]] = {
    uid.JPEGBaseline8Bit: {"subsampling": "422"},
    uid.JPEGLosslessSV1: {"lossless": True, "predictor": 1},
    uid.JPEGExtended12Bit: {"level": 90, "bitspersample": 12},
}


def dicom_seeds(voxels: np.ndarray, photo: np.ndarray) -> dict[str, Seed]:
    """By name. voxels: (B-scan, depth, A-scan) uint8; photo: (H, W, 3) uint8."""
    plain, n = uid.ExplicitVRLittleEndian, len(voxels)
    series = {f"{i}.dcm": _dicom(_slice(i), voxels[i], plain) for i in range(n)}
    found = {
        "DICOM OCT": Seed("oct", {"scan": _dicom(_volume(n), voxels, plain)}),
        "DICOM folder": Seed("oct", series, ""),
        "DICOM photograph": Seed("fundus", {"scan": _dicom(_header(_OP), photo, plain)}),
        "DICOM JPEG": Seed("fundus", {"scan": _dicom(_header(_OP), photo, uid.JPEGBaseline8Bit)}),
        "DICOM field": Seed("field", {"scan": _dicom(_field(), None, plain)}),
    }
    wide = voxels.astype(np.uint16) << 4
    for name, syntax in _SYNTAXES.items():
        pixels = wide if syntax == uid.JPEGExtended12Bit else voxels
        found[f"DICOM OCT, {name}"] = Seed("oct", {"scan": _dicom(_volume(n), pixels, syntax)})
    return found


def _item(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _header(sop_class: str, instance: int = 1) -> Dataset:
    return _item(
        SOPClassUID=sop_class, SOPInstanceUID=f"1.2.3.{instance}", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.5",
        PatientName=PATIENT, PatientID=PATIENT, Manufacturer="Maker", ImageLaterality="R", StudyDate="20240131",
        PatientOrientation=["L", "F"], BurnedInAnnotation="NO",
    )  # fmt: skip


def _spacing() -> Dataset:
    return _item(PixelSpacing=list(SPACING_MM[1:]), SpacingBetweenSlices=SPACING_MM[0])


def _volume(n_bscans: int) -> Dataset:
    dataset = _header(_OPT)
    upright = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    starts_mm = [[0, 0, round(0.05 * (n_bscans - i), 6)] for i in range(n_bscans)]
    dataset.NumberOfFrames = n_bscans
    dataset.SharedFunctionalGroupsSequence = [_item(PixelMeasuresSequence=[_spacing()])]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=start)], PlaneOrientationSequence=upright)
        for start in starts_mm
    ]
    return dataset


def _slice(i: int) -> Dataset:
    dataset = _header("1.2.840.10008.5.1.4.1.1.7", i + 1)
    dataset.update(_spacing())
    dataset.Modality, dataset.InstanceNumber = "OPT", i + 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, round(1 - 0.05 * i, 6)], [1, 0, 0, 0, 1, 0]
    return dataset


def _field() -> Dataset:
    dataset = _header(_OPV)
    dataset.MeasurementLaterality = "R"
    normals = [_item(AgeCorrectedSensitivityDeviationValue=-4.0)]
    dataset.VisualFieldTestPointSequence = [
        _item(VisualFieldTestPointXCoordinate=x, VisualFieldTestPointYCoordinate=y, SensitivityValue=25.0,
              StimulusResults="SEEN", VisualFieldTestPointNormalsSequence=normals)
        for x in (-9.0, -3.0, 3.0, 9.0) for y in (-9.0, -3.0, 3.0, 9.0)
    ]  # fmt: skip
    dataset.ResultsNormalsSequence = [_item(GlobalDeviationFromNormal=-4.0, LocalizedDeviationFromNormal=2.0)]
    return dataset


def _dicom(dataset: Dataset, pixels: np.ndarray | None, syntax: str) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    if pixels is not None:
        _set_pixels(dataset, pixels)
    if pixels is not None and uid.UID(syntax).is_encapsulated:
        _compress(dataset, pixels, uid.UID(syntax))
    dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _set_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    colour, bits = pixels.shape[-1] == 3, pixels.itemsize * 8
    rows, columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    dataset.update(_item(Rows=rows, Columns=columns, SamplesPerPixel=3 if colour else 1, BitsAllocated=bits))
    dataset.update(_item(BitsStored=bits, HighBit=bits - 1, PixelRepresentation=0, PixelData=pixels.tobytes()))
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0


def _compress(dataset: Dataset, pixels: np.ndarray, syntax: uid.UID) -> None:
    if syntax not in _JPEG_OPTIONS:
        plugin = "pylibjpeg" if syntax == uid.JPEG2000Lossless else "pydicom" if syntax == uid.RLELossless else ""
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        return
    frames = pixels[np.newaxis] if dataset.SamplesPerPixel == 3 else pixels
    dataset.PixelData = encapsulate([jpeg8_encode(frame, **_JPEG_OPTIONS[syntax]) for frame in frames])
    if syntax == uid.JPEGExtended12Bit:
        dataset.BitsStored, dataset.HighBit = 12, 11
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
