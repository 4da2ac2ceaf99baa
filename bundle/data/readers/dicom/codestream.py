"""The size that a compressed image states about itself: JPEG (T.81), JPEG-LS (T.87) and JPEG 2000 (T.800)."""

from __future__ import annotations

from typing import NamedTuple

_SOI, _SOC = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, arithmetic conditioning: in the range of frame headers


class JpegHeader(NamedTuple):
    """What the frame header of a JPEG or JPEG-LS states."""

    bits: int
    rows: int
    columns: int


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a compressed frame states; None where it is neither JPEG nor JPEG 2000, or is damaged."""
    if frame.startswith(_JP2):
        frame = frame[max(frame.find(_SOC), 0) :]
    if frame.startswith(_SOC):
        return _jpeg2000_size(frame)
    header = jpeg_header(frame)
    return None if header is None else (header.rows, header.columns)


def jpeg_header(frame: bytes) -> JpegHeader | None:
    """From SOF0 to SOF15 or JPEG-LS's SOF55; None where there is none.

    It holds its length, the bits a sample, rows and columns.
    """
    at = 2
    while frame.startswith(_SOI) and at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES) or marker == 0xF7:
            rows, columns = (int.from_bytes(frame[at + k : at + k + 2], "big") for k in (5, 7))
            return JpegHeader(frame[at + 4], rows, columns)
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _jpeg2000_size(frame: bytes) -> tuple[int, int] | None:
    """SIZ: marker, length and capabilities take 8 bytes of the 40; then width, height and the offset of the image."""
    if len(frame) < 24:
        return None
    width, height, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    return height - top, width - left
