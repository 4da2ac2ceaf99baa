"""Writes DICOM fundus photographs as cameras do, for tests: every encoding that `read_op` reads, and broken ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import compress, convert_color_space
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    OphthalmicPhotography8BitImageStorage,
    OphthalmicPhotography16BitImageStorage,
    RLELossless,
    generate_uid,
)

LOSSLESS = {"rle": RLELossless, "jpeg2000": JPEG2000Lossless, "jpegls": JPEGLSLossless}


def write_op(
    path: Path,
    pixels: np.ndarray,
    *,
    laterality: str | None = "R",
    patient_id: str = "P1",
    date: str = "20240131",
    time: str = "101500",
    photometric: str | None = None,
    encoding: str = "plain",
    bits_stored: int | None = None,
    planar: int = 0,
    quality: int = 90,
    **attributes: Any,
) -> Path:
    """Write one Ophthalmic Photography object and return its path.

    pixels: (H, W) grey or (H, W, 3) RGB, uint8 or uint16; (F, H, W[, 3]) writes several frames.
    laterality: R, L or B; None leaves it out. date, time: of study, acquisition and content, as DICOM writes them.
    photometric: default MONOCHROME2 or RGB; YBR_FULL and YBR_FULL_422 convert the RGB pixels.
    encoding: "plain", "jpeg" (baseline, YCbCr 4:2:2, `quality`), "rle", "jpeg2000" or "jpegls".
    planar: how plain pixels are stored; in a compressed file only what the header says, which must not matter.
    attributes: any other element by keyword, set last; None deletes it.
    """
    colour = pixels.shape[-1] == 3
    dataset = _header(pixels, colour, laterality, patient_id, date, time)
    dataset.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    dataset.BitsStored = bits_stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    if encoding == "jpeg":
        _store_jpeg(dataset, pixels, quality)
    else:
        _store_plain(dataset, pixels, planar)
        if encoding != "plain":
            compress(dataset, LOSSLESS[encoding], pixels, generate_instance_uid=False)
        if colour:
            dataset.PlanarConfiguration = planar
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", generate_uid())
    dataset.save_as(path, enforce_file_format=True)
    return path


def _header(
    pixels: np.ndarray, colour: bool, laterality: str | None, patient_id: str, date: str, time: str
) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    wide = pixels.dtype == np.uint16
    dataset.SOPClassUID = OphthalmicPhotography16BitImageStorage if wide else OphthalmicPhotography8BitImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = patient_id, "DOE^JANE", "19500704"
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "OP", "Kowa", "nonmyd"
    dataset.DeviceSerialNumber = "SN-0815"
    dataset.StudyDate = dataset.ContentDate = date
    dataset.StudyTime = dataset.ContentTime = time
    dataset.AcquisitionDateTime = date + time
    if laterality is not None:
        dataset.ImageLaterality = laterality
    dataset.NumberOfFrames = pixels.shape[0] if pixels.ndim == 3 + colour else 1
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.BitsAllocated = 16 if wide else 8
    dataset.PixelRepresentation = 0
    dataset.PatientOrientation = ["L", "F"]
    dataset.BurnedInAnnotation = "NO"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _store_plain(dataset: pydicom.Dataset, pixels: np.ndarray, planar: int) -> None:
    kind = dataset.PhotometricInterpretation
    if kind.startswith("YBR_FULL"):
        pixels = convert_color_space(pixels, "RGB", "YBR_FULL")
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    if kind == "YBR_FULL_422":  # two pixels share the chroma of the left one: Y1 Y2 Cb Cr
        left, right = pixels[:, ::2], pixels[:, 1::2]
        pixels = np.stack([left[..., 0], right[..., 0], left[..., 1], left[..., 2]], axis=-1)
    elif planar:
        pixels = np.moveaxis(pixels, -1, -3)
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated == 16 else "OB"


def _store_jpeg(dataset: pydicom.Dataset, pixels: np.ndarray, quality: int) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:2")
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "YBR_FULL_422", 0
    dataset.LossyImageCompression = "01"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
