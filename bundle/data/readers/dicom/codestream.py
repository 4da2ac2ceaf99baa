"""The size that a compressed image states about itself: JPEG (T.81), JPEG-LS (T.87) and JPEG 2000 (T.800)."""

from __future__ import annotations

_SOI, _SOC = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, arithmetic conditioning: in the range of frame headers


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a compressed frame states; None where it is neither JPEG nor JPEG 2000, or is damaged."""
    if frame.startswith(_JP2):
        frame = frame[max(frame.find(_SOC), 0) :]
    if frame.startswith(_SOC):
        return _jpeg2000_size(frame)
    return _jpeg_size(frame) if frame.startswith(_SOI) else None


def _jpeg2000_size(frame: bytes) -> tuple[int, int] | None:
    """SIZ: marker, length and capabilities take 8 bytes of the 40; then width, height and the offset of the image."""
    if len(frame) < 24:
        return None
    width, height, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    return height - top, width - left


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """From the frame header, SOF0 to SOF15 or JPEG-LS's SOF55: length, precision, rows, columns."""
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES) or marker == 0xF7:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
