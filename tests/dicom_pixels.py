"""Encodes the pixels of a synthetic DICOM file in any transfer syntax for which there is a free encoder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.dicom_header import item

Change = Callable[[Dataset], None]


def set_pixels(dataset: Dataset, frames: np.ndarray, syntax: str, monochrome1: bool) -> None:
    """Pixel module and pixel data of (F, R, C), encoded in `syntax`."""
    bits = frames.dtype.itemsize * 8
    dataset.update(item(SamplesPerPixel=1, PixelRepresentation=0, Rows=frames.shape[1], Columns=frames.shape[2]))
    dataset.update(item(BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1))
    dataset.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    if monochrome1:
        frames = np.iinfo(frames.dtype).max - frames
    native = frames.astype(frames.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<"))
    dataset.PixelData = native.tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def save(dataset: Dataset, path: Path, syntax: str, change: Change | None) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax if not _is_compressed(syntax) else ExplicitVRLittleEndian
    if _is_compressed(syntax):
        _compress(dataset, syntax)
    if change is not None:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    if syntax == JPEGLosslessSV1:
        _jpeg_lossless(path)
    return path


def _is_compressed(syntax: str) -> bool:
    return syntax.startswith("1.2.840.10008.1.2.4") or syntax == "1.2.840.10008.1.2.5"


def _compress(dataset: Dataset, syntax: str) -> None:
    if syntax == JPEGLosslessSV1:
        return
    if syntax == JPEGBaseline8Bit:
        frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        coded = [io.BytesIO() for _ in frames]
        for file, frame in zip(coded, frames, strict=True):
            Image.fromarray(frame).save(file, "JPEG", quality=95)
        dataset.PixelData = encapsulate([file.getvalue() for file in coded])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.file_meta.TransferSyntaxUID = syntax
        return
    options: dict[str, Any] = {"j2k_psnr": [60.0]} if syntax == JPEG2000 else {}
    plugin = "pylibjpeg" if syntax in (JPEG2000, JPEG2000Lossless, RLELossless) else ""  # not GDCM: it may abort
    dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False, **options)


def _jpeg_lossless(path: Path) -> None:
    """Rewrite an uncompressed file as JPEG lossless, for which GDCM has the only free encoder."""
    gdcm = pytest.importorskip("gdcm", reason="python-gdcm, the only encoder of JPEG lossless, is absent")
    reader, changer, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    changer.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    changer.SetInput(reader.GetImage())
    assert changer.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(changer.GetOutput())
    assert writer.Write()
