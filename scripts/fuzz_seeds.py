"""Small valid files of every format that the readers take, for `scripts.fuzz_readers` to damage.

A Cirrus .img has no header, so nothing in it but its length can be wrong; it is not among them.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import nibabel
import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

PATIENT = "CANARY4711"  # stands where a patient's name would: no message may hold it
SPACING_MM = (0.05, 0.002, 0.012)
_OP = uid.OphthalmicPhotography8BitImageStorage
_OPT, _OPV = "1.2.840.10008.5.1.4.1.1.77.1.5.4", "1.2.840.10008.5.1.4.1.1.80.1"


@dataclass(frozen=True)
class Seed:
    """A valid scan, photograph or field.

    reader: "oct", "fundus" or "field". files: content by name; one of them is damaged, the first mostly.
    name: what is read, "" for the folder itself. pack: applied to a damaged file, so that what is inside a checked
    archive gets damaged too.
    """

    reader: str
    files: dict[str, bytes] = field(repr=False)
    name: str = "scan"
    pack: Callable[[bytes], bytes] | None = None


@cache
def seeds() -> dict[str, Seed]:
    """Every seed by the name of its format."""
    voxels = np.random.default_rng(0).integers(0, 256, (6, 40, 32), dtype=np.uint8)
    photo = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    coded = {"RLE": uid.RLELossless, "JPEG 2000": uid.JPEG2000Lossless, "JPEG-LS": uid.JPEGLSLossless}
    plain, nifti = uid.ExplicitVRLittleEndian, nibabel.Nifti1Image(voxels, np.diag([*SPACING_MM, 1.0]))
    nifti.header["descrip"] = PATIENT.encode()
    npy = io.BytesIO()
    np.save(npy, voxels)
    series = {f"{i}.dcm": _dicom(_slice(i), voxels[i], plain) for i in range(len(voxels))}
    bmps, tiffs = ({f"{i}.{k}": _image(one, k) for i, one in enumerate(voxels)} for k in ("BMP", "TIFF"))
    found = {
        "NIfTI": Seed("oct", {"scan": nifti.to_bytes()}),
        "NIfTI, gzip": Seed("oct", {"scan": gzip.compress(nifti.to_bytes(), mtime=0)}),
        "NIfTI inside gzip": Seed("oct", {"scan": nifti.to_bytes()}, pack=lambda raw: gzip.compress(raw, 1, mtime=0)),
        "NPZ": Seed("oct", {"scan": _npz(npy.getvalue())}),
        "array inside NPZ": Seed("oct", {"scan": npy.getvalue()}, pack=_npz),
        "folder of B-scans": Seed("oct", bmps | {"oct.json": b'{"spacing_mm": [0.05, 0.002, 0.012]}'}, ""),
        "Heidelberg .vol": Seed("oct", {"scan": _vol(voxels)}),
        "Heidelberg .xml": Seed("oct", {"scan.xml": _xml(len(voxels))} | tiffs, "scan.xml"),
        "DICOM OCT": Seed("oct", {"scan": _dicom(_volume(len(voxels)), voxels, plain)}),
        "DICOM folder": Seed("oct", series, ""),
        "DICOM photograph": Seed("fundus", {"scan": _dicom(_header(_OP), photo, plain)}),
        "DICOM JPEG": Seed("fundus", {"scan": _dicom(_header(_OP), photo, uid.JPEGBaseline8Bit)}),
        "DICOM field": Seed("field", {"scan": _dicom(_field(), None, plain)}),
    }
    deflated = uid.DeflatedExplicitVRLittleEndian
    for name, syntax in (coded | {"deflated": deflated, "implicit": uid.ImplicitVRLittleEndian}).items():
        found[f"DICOM OCT, {name}"] = Seed("oct", {"scan": _dicom(_volume(len(voxels)), voxels, syntax)})
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        found[kind] = Seed("fundus", {"scan": _image(photo, kind)})
    return found


def _image(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _npz(npy: bytes) -> bytes:
    spacing, file = io.BytesIO(), io.BytesIO()
    np.save(spacing, np.array(SPACING_MM))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("voxels", npy), ("spacing_mm", spacing.getvalue())):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)  # of 1980, so that the bytes are always the same
    return file.getvalue()


def _vol(voxels: np.ndarray) -> bytes:
    head, parts = bytearray(2048), []
    head[:11], head[84:86] = b"HSF-OCT-103", b"OD"
    n_bscans, n_depth, n_ascans = voxels.shape
    struct.pack_into("<3I3d2I", head, 12, n_ascans, n_bscans, n_depth, 0.012, 0.05, 0.002, 4, 4)
    struct.pack_into("<2i", head, 96, 3, 256)
    head[140:150] = PATIENT.encode()
    for i, bscan in enumerate(voxels):
        header = bytearray(256)
        struct.pack_into("<12sI4d", header, 0, b"HSF-BS-103", 256, 1.0, 2.0 + 0.05 * i, 4.0, 2.0 + 0.05 * i)
        parts += [bytes(header), (bscan / np.float32(255)).astype("<f4").tobytes()]
    return b"".join([bytes(head), bytes(16), *parts])


def _xml(n_bscans: int) -> bytes:
    images = "".join(
        f"<Image><ImageType><Type>OCT</Type></ImageType><Laterality>R</Laterality><OphthalmicAcquisitionContext>"
        f"<Width>32</Width><Height>40</Height><ScaleX>0.012</ScaleX><ScaleY>0.002</ScaleY><Start><Coord><X>1</X>"
        f"<Y>{2 + 0.05 * i}</Y></Coord></Start><End><Coord><X>4</X><Y>{2 + 0.05 * i}</Y></Coord></End>"
        f"</OphthalmicAcquisitionContext><ImageData><ExamURL>{i}.TIFF</ExamURL></ImageData></Image>"
        for i in range(n_bscans)
    )
    patient = f"<Patient><LastName>{PATIENT}</LastName><Series>{images}</Series></Patient>"
    return f"<HEDX><BODY>{patient}</BODY></HEDX>".encode()


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
    if pixels is not None:
        colour = pixels.shape[-1] == 3
        rows, columns = pixels.shape[:2] if colour else pixels.shape[-2:]
        dataset.update(_item(Rows=rows, Columns=columns, SamplesPerPixel=3 if colour else 1, BitsAllocated=8))
        dataset.update(_item(BitsStored=8, HighBit=7, PixelRepresentation=0, PixelData=pixels.tobytes()))
        dataset["PixelData"].VR = "OB"
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    if pixels is not None and syntax == uid.JPEGBaseline8Bit:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.PixelData = encapsulate([_image(pixels, "JPEG")])
        dataset.file_meta.TransferSyntaxUID = syntax
    elif uid.UID(syntax).is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
