"""Opens DICOM files without trusting them: sizes are compared before anything is decoded, errors tell no header text.

Every function here raises InputError, and nothing else, for a file that is damaged or unusable. The messages name no
path: `read_oct` and `read_fundus` put it before them, and so should any other caller.
"""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bundle.data.readers.dicom.pixels import check_size
from bundle.data.readers.dicom.pixels import decode as decode  # one import for the readers of this package
from bundle.data.readers.records import MAX_BYTES
from bundle.errors import InputError

_ANATOMY = Tag("FrameAnatomySequence")  # a keyword takes long to look up, and there are hundreds of frames
_EYES = {"R": "OD", "L": "OS"}
_DEVICE_CHARACTERS = 64
_VRS = {b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"LO", b"SH", b"SQ", b"DT", b"ST", b"PN"}
# what a file can start with: file meta, or identification
_FIRST_ELEMENTS = {2: range(0x04), 8: range(0x32)}


def is_dicom(head: bytes, path: Path) -> bool:
    """Whether the content is DICOM: "DICM" at byte 128, or a plausible first element (little endian) at once."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 32:
        return False
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    if element not in _FIRST_ELEMENTS.get(group, ()):
        return False
    length = int.from_bytes(head[4:8], "little")
    return head[4:6] in _VRS or (group == 8 and 0 < length <= 128 and length % 2 == 0)


@contextmanager
def no_header_text() -> Iterator[None]:
    """Turns whatever pydicom or a codec raises into an InputError and silences its warnings and log.

    All of them may quote a header. Errors of the file system pass through, as they name no content. Also a decorator.
    """
    log = logging.getLogger("pydicom")
    was_disabled, log.disabled = log.disabled, True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.strerror:
                raise
            kind = type(error).__name__
            raise InputError(f"cannot be read as DICOM ({kind}): damaged or cut short, copy it again") from error
        finally:
            log.disabled = was_disabled


@no_header_text()
def open_dicom(path: str | Path, pixels: bool = False) -> pydicom.Dataset:
    """The header of a DICOM file and, if asked for, its pixel data, still encoded.

    Refuses a file over 1 GiB (deflated: after inflating), a header that promises more voxels than allowed or more bytes
    than are there, a file without SOP class and, with `pixels`, one without pixel data.
    """
    path = Path(path)
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        raise InputError(f"found {n_bytes} bytes, expected at most {MAX_BYTES}")
    n_bytes = max(n_bytes, _inflated_bytes(path))
    dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    if not dataset.get("SOPClassUID"):
        raise InputError("found DICOM without a SOP class: damaged or cut short, copy it again")
    _name_transfer_syntax(dataset)
    if "Rows" in dataset:
        check_size(dataset, n_bytes)
    if pixels and "PixelData" not in dataset:
        raise InputError("found DICOM without pixels: cut short or no image, copy it again")
    return dataset


def _inflated_bytes(path: Path) -> int:
    """Bytes that a deflated file unpacks to, counted before pydicom unpacks it all at once; 0 if not deflated."""
    with path.open("rb") as file:
        file.seek(128)
        if file.read(4) != b"DICM":
            return 0
        meta = pydicom.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return 0
        file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))  # the group length is an element of 12 bytes
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while total <= MAX_BYTES:
            packed = inflater.unconsumed_tail or file.read(2**20)
            if not packed or inflater.eof:
                return total
            total += len(inflater.decompress(packed, 2**22))
    raise InputError(f"found deflated content of more than {MAX_BYTES} bytes, which no scan has")


def _name_transfer_syntax(dataset: pydicom.Dataset) -> None:
    """A file without file meta says nowhere how it is encoded; pydicom found out when it read the first element."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if not dataset.file_meta.get("TransferSyntaxUID"):
        is_implicit, _ = dataset.original_encoding
        syntax = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax


@no_header_text()
def laterality_of(dataset: pydicom.Dataset) -> str | None:
    """ "OD" or "OS" from ImageLaterality, Laterality and every FrameLaterality; None when none of them is filled.

    Refuses both eyes in one file, values that disagree, and any other value.
    """
    frames = [
        *(dataset.get("SharedFunctionalGroupsSequence") or []),
        *(dataset.get("PerFrameFunctionalGroupsSequence") or []),
    ]
    anatomies = [one for frame in frames if _ANATOMY in frame for one in frame[_ANATOMY].value or []]
    stated = [dataset.get("ImageLaterality"), dataset.get("Laterality"), *(a.get("FrameLaterality") for a in anatomies)]
    found = {str(value).strip().upper() for value in stated if value}
    if found == {"R", "L"} or "B" in found:
        raise InputError("found both eyes in one DICOM file, expected one: export each eye as a file of its own")
    if found - {"R", "L"}:
        raise InputError("found a DICOM laterality that is neither R nor L: correct it or export the scan again")
    return _EYES[found.pop()] if found else None


@no_header_text()
def device_of(dataset: pydicom.Dataset) -> str | None:
    """Manufacturer and model, never a serial number or station; None when neither is filled."""
    words = [str(dataset.get(keyword) or "").strip() for keyword in ("Manufacturer", "ManufacturerModelName")]
    name = " ".join(word for word in words if word)
    return "".join(c for c in name if c.isprintable())[:_DEVICE_CHARACTERS] or None
