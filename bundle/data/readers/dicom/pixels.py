"""Pixels of a DICOM file: how large they are said to be, whether that can be true, and their decoding."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGTransferSyntaxes

from bundle.data.readers.dicom.codestream import coded_size
from bundle.data.readers.dicom.decoders import decoder_of, syntax_name
from bundle.data.readers.records import MAX_VOXELS
from bundle.errors import InputError

_INTERLEAVED = (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes)


def n_frames(dataset: pydicom.Dataset) -> int:
    """NumberOfFrames; 1 where it is absent."""
    value = dataset.get("NumberOfFrames")
    return 1 if value is None or value == "" else int(value)


def check_size(dataset: pydicom.Dataset, n_bytes: int) -> None:
    """Refuse sizes that no scan has, or that a file of `n_bytes` cannot hold, before anything is allocated."""
    frames, rows, columns = n_frames(dataset), int(dataset.Rows), int(dataset.Columns)
    samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("BitsAllocated") or 0)
    size = f"{frames} frames of {rows} x {columns} pixels"
    if min(frames, rows, columns) < 1 or frames * rows * columns * samples > MAX_VOXELS:
        raise InputError(f"found a header that states {size}, expected 1 to {MAX_VOXELS} voxels: export it again")
    if samples not in (1, 3) or bits not in (8, 16):
        raise InputError(f"found {samples} samples of {bits} bits a pixel, expected 1 or 3 of 8 or 16: export it again")
    compressed = UID(dataset.file_meta.TransferSyntaxUID).is_compressed
    needed = frames * 8 if compressed else get_expected_length(dataset)  # 8: the frame's item tag and length alone
    if needed > n_bytes:
        raise InputError(f"found a header that states {size}, more than the file holds: cut short, copy it again")


def decode(dataset: pydicom.Dataset) -> np.ndarray:
    """(F, R, C) or (F, R, C, 3) integers in stored order, native byte order; colour as RGB.

    dataset: as `open_dicom(path, pixels=True)` returns it.
    Raises InputError when no installed codec decodes the transfer syntax, or the content is not what the header says.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    allocated, bits = int(dataset.BitsAllocated), int(dataset.get("BitsStored") or 0)
    if not 1 <= bits <= allocated:
        raise InputError("found no possible number of bits stored, expected 1 up to those allocated: export it again")
    decoder, plugin = decoder_of(syntax)
    _check_encoded(dataset, syntax)
    # pydicom believes the header where the encoded image knows better: it would cut off the bits beyond BitsStored, and
    # so fold a bright pixel into a dark one, and JPEG and JPEG 2000 are interleaved whatever PlanarConfiguration says
    # (PS3.5, 8.2.1 and 8.2.4).
    options = {"bits_stored": allocated} | ({"planar_configuration": 0} if syntax in _INTERLEAVED else {})
    try:
        array, _ = decoder.as_array(dataset, raw=False, decoding_plugin=plugin, **options)
    except Exception as error:  # whatever the codecs raise on damage
        raise InputError(
            f"found pixels that cannot be decoded as {syntax_name(syntax)} ({type(error).__name__}): damaged or of a "
            "rare variant; copy it again or export without compression"
        ) from error
    frames, rows, columns = n_frames(dataset), int(dataset.Rows), int(dataset.Columns)
    array = array.reshape(frames, rows, columns, *((3,) if dataset.SamplesPerPixel == 3 else ()))
    return _within_bits(array.astype(array.dtype.newbyteorder("="), copy=False), bits)


def _within_bits(array: np.ndarray, bits: int) -> np.ndarray:
    """`array` if `bits` hold its values; signed ones may have their sign in these alone, and get it extended."""
    unused = array.dtype.itemsize * 8 - bits
    if unused <= 0:
        return array
    found, top = int(array.max()), 2**bits - 1
    if array.dtype.kind == "i":
        extended = (array << unused) >> unused
        if np.array_equal(array & top, array) or np.array_equal(extended, array):
            return extended
        found, top = max(found, int(array.min()), key=abs), 2 ** (bits - 1) - 1
    elif found <= top:
        return array
    raise InputError(f"found a pixel of {found}, expected at most {top} in {bits} bits: damaged, copy it again")


def decode_grey(dataset: pydicom.Dataset) -> np.ndarray:
    """(F, R, C) uint8 or uint16, bright where much light came back; float32 where the file's numbers have a sign."""
    if dataset.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError("found DICOM in colour, expected grey B-scans: export the scan, not a screenshot of it")
    array = decode(dataset)
    if array.dtype.kind == "i":
        array = array.astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # its largest number is black
        highest = 2 ** int(dataset.BitsStored) - 1 if array.dtype.kind == "u" else 0
        array = np.subtract(highest, array, dtype=array.dtype)
    return array


def _check_encoded(dataset: pydicom.Dataset, syntax: UID) -> None:
    """Compare what is encoded with the header: a codec would allocate, and pydicom drop, what exceeds it."""
    promised = n_frames(dataset)
    if not syntax.is_compressed:
        expected, length = get_expected_length(dataset), len(dataset.PixelData)
        # More bytes may be padding, but as many as one more row, column or frame takes would shear or cut the images.
        line = expected // max(promised, int(dataset.Rows), int(dataset.Columns))
        if not expected <= length < expected + max(line, 1 + expected % 2):
            raise InputError(f"found {length} bytes of pixels, the header promises {expected}: damaged, copy it again")
        return
    rows, columns, found = int(dataset.Rows), int(dataset.Columns), 0
    offsets = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    tables = offsets if all(offsets) else None
    try:
        for found, frame in enumerate(
            generate_frames(dataset.PixelData, number_of_frames=promised, extended_offsets=tables), 1
        ):
            size = coded_size(frame)
            if size is not None and size != (rows, columns):
                raise InputError(
                    f"frame {found}: found {size[0]} x {size[1]} pixels, the header says {rows} x {columns}"
                )
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"found pixels that cannot be unpacked ({type(error).__name__}): damaged, copy it again"
        ) from error
    if found != promised:
        raise InputError(f"found {found} compressed frames, the header promises {promised}: damaged, copy it again")
