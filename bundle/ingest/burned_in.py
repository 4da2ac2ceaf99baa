"""Text burned into a photograph: rows of small, sharp, equally coloured marks, as names and dates are drawn.

A cheap check, not a proof: faint, large, handwritten or rotated text is missed. The header's own word is read first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_CONTRAST = 90  # grey levels between a stroke and what surrounds it; vessels reach about 60
_MIN_HEIGHT_PIXELS = 6
_MAX_HEIGHT_SHARE = 1 / 12  # of the photograph's shorter side
_MIN_MARKS = 4
_EQUAL_GREY = 12  # marks of one text have one colour


@dataclass(frozen=True)
class _Mark:
    top: int
    bottom: int
    left: int
    right: int
    grey: float

    @property
    def height(self) -> int:
        return self.bottom - self.top


def shows_text(pixels: np.ndarray) -> bool:
    """Whether a photograph, (H, W, 3) uint8 RGB, seems to have a line of at least four letters or digits drawn on it.

    >>> shows_text(np.zeros((64, 64, 3), dtype=np.uint8))
    False
    """
    side = max(5, min(pixels.shape[:2]) // 60 | 1)  # wider than a stroke
    for channel in np.moveaxis(pixels, 2, 0):  # yellow on orange stands out in green, white in blue
        light = channel - ndimage.grey_opening(channel, size=side)  # never negative
        dark = ndimage.grey_closing(channel, size=side) - channel
        if _has_line(_marks(light > _CONTRAST, channel, True)) or _has_line(_marks(dark > _CONTRAST, channel, False)):
            return True
    return False


def _marks(mask: np.ndarray, grey: np.ndarray, is_light: bool) -> list[_Mark]:
    """Connected pieces of the mask that have a letter's size and shape, by their left edge."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    marks = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not _MIN_HEIGHT_PIXELS <= height <= min(grey.shape) * _MAX_HEIGHT_SHARE or width > 1.8 * height:
            continue
        inside = labels[rows, columns] == number
        if inside.mean() < 0.15:
            continue
        values = grey[rows, columns][inside]
        marks.append(
            _Mark(rows.start, rows.stop, columns.start, columns.stop, float(values.max() if is_light else values.min()))
        )
    return sorted(marks, key=lambda mark: mark.left)


def _has_line(marks: list[_Mark]) -> bool:
    """Whether enough marks stand beside each other like the letters of a line."""
    length = [1] * len(marks)  # of the longest line that ends with each mark
    for right, mark in enumerate(marks):
        for left in range(right):
            if _adjoin(marks[left], mark):
                length[right] = max(length[right], length[left] + 1)
    return max(length, default=0) >= _MIN_MARKS


def _adjoin(left: _Mark, right: _Mark) -> bool:
    low, high = sorted((left.height, right.height))
    overlap = min(left.bottom, right.bottom) - max(left.top, right.top)
    gap = right.left - left.right
    alike = abs(left.grey - right.grey) <= _EQUAL_GREY and high <= 1.7 * low
    return alike and overlap >= 0.6 * low and -1 <= gap <= 1.5 * high
