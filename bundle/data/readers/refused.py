"""Formats that are recognised but not read: naming them helps more than 'unknown content'."""

from __future__ import annotations

from pathlib import Path

_VOLUMES = {
    b"HSF-OCT": "Heidelberg .vol",
    b"ep-v": "Heidelberg .vol",
    b"CMDb": "Heidelberg .E2E",
    b"FOCT": "Topcon .fda or .fds",
    b"<HEDX": "a Heidelberg .xml export",
}
_ADVICE = {
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
    if is_header_beside(path):
        return "found the voxels of an Analyze or NIfTI pair (.hdr and .img), which is not read: convert to .nii.gz"
    for magic, name in _VOLUMES.items():
        if head.startswith(magic):
            return f"found {name}, an OCT volume, expected another kind of image: name it in the column oct"
    for magic, (name, advice) in _ADVICE.items():
        if head.startswith(magic):
            return f"found {name}, which is not read: {advice}"
    return None


def is_header_beside(path: Path) -> bool:
    """Whether a file named .img has the header file of an Analyze or NIfTI pair beside it."""
    return path.suffix.lower() == ".img" and any(path.with_suffix(suffix).is_file() for suffix in (".hdr", ".HDR"))
