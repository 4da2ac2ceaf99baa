"""Formats that are recognised but not read: naming them helps more than 'unknown content'."""

from __future__ import annotations

from pathlib import Path

_EXPORT = "export the volume from the device or convert it to NIfTI, NPZ or a folder of B-scan images"
_ADVICE = {
    b"HSF-OCT": ("Heidelberg .vol", _EXPORT),
    b"ep-v": ("Heidelberg .vol", _EXPORT),
    b"CMDb": ("Heidelberg .E2E", _EXPORT),
    b"FOCT": ("Topcon .fda or .fds", _EXPORT),
    b"\x93NUMPY": ("a bare NumPy array (.npy)", "save it as .npz with voxels, spacing_mm and laterality"),
    b"\x89HDF": ("HDF5 or MATLAB 7.3", "convert it to NIfTI or NPZ"),
    b"MATLAB": ("MATLAB", "convert it to NIfTI or NPZ"),
    b"%PDF": ("a PDF report", "export the images themselves"),
    b"GIF8": ("GIF", "save it as PNG"),
    b"RIFF": ("WebP", "save it as PNG"),
    b"\x00\x00\x00\x0cjP": ("JPEG 2000", "save it as PNG"),
}


def refusal(head: bytes, path: Path) -> str | None:
    """The sentence that refuses a known format, or None when the content is unknown."""
    if head[128:132] == b"DICM":
        return "found DICOM, which is not read yet: convert it to NIfTI, NPZ or images, and keep the laterality"
    for magic, (name, advice) in _ADVICE.items():
        if head.startswith(magic):
            return f"found {name}, which is not read: {advice}"
    return None
