"""What is read of a HEYEX .xml document: the one series of B-scans and their numbers, never the patient's elements."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from bundle.data.readers.heidelberg_raster import refuse_pattern
from bundle.errors import InputError

_MAX_BYTES = 2**28  # the layers of 500 B-scans make 80 MB
_CONTEXT = "OphthalmicAcquisitionContext"
_NOT_RASTERS = {"circle": "a circle scan", "radial": "a radial (star) scan", "star": "a radial (star) scan"}


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a document type, which no export has: entities can blow a small file up."""
        raise InputError("found a document type declaration in the .xml, which no export has: export the scan again")


def parse_export(xml: Path) -> ElementTree.Element:
    """The root of the document. Raises InputError for a damaged or huge one, or one that declares entities."""
    if xml.stat().st_size > _MAX_BYTES:
        raise InputError(f"found an .xml of {xml.stat().st_size} bytes, expected at most {_MAX_BYTES}")
    raw = xml.read_bytes()
    # exports declare no encoding and hold names in whatever the site uses: what is not UTF-8 is replaced, not refused
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(text)
        return parser.close()
    except ElementTree.ParseError as error:
        raise InputError("found .xml that ends early or is damaged: copy or export it again") from error


def only_series(root: ElementTree.Element) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    """The one series that holds B-scans, and its B-scans in the document's order.

    Raises InputError when there are none or several, or the series calls itself a circle or radial scan.
    """
    found = []
    for series in root.iter("Series"):
        bscans = [image for image in series.iter("Image") if (image.findtext("ImageType/Type") or "").strip() == "OCT"]
        if bscans:
            found.append((series, bscans))
    if len(found) != 1:
        raise InputError(f"found {len(found)} OCT scans in the export, expected one: export each scan on its own")
    kind = (found[0][0].findtext("Type") or "").lower()
    for word, what in _NOT_RASTERS.items():
        if word in kind:
            raise refuse_pattern(what)
    return found[0]


def bscan_numbers(bscan: ElementTree.Element, where: str) -> list[float]:
    """Start x, y, end x, y in mm; width, height in pixels; mm a pixel along A-scans and in depth; all finite."""
    points = ("Start/Coord/X", "Start/Coord/Y", "End/Coord/X", "End/Coord/Y")
    found = []
    for name in (*points, "Width", "Height", "ScaleX", "ScaleY"):
        try:
            found.append(float(bscan.findtext(f"{_CONTEXT}/{name}") or ""))
        except ValueError as error:
            raise InputError(f"{where}: found no number in {_CONTEXT}/{name}: export the scan again") from error
    if not np.isfinite(found).all():
        raise InputError(f"{where}: found NaN or infinite numbers in {_CONTEXT}: export the scan again")
    return found
