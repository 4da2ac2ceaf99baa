"""What a source is, without reading its pixels: DICOM by its header, every other file by its content and its name."""

from __future__ import annotations

from pathlib import Path

from bundle.data.laterality import eye_in_file_name
from bundle.data.readers import FUNDUS_FORMATS, HEAD_BYTES, OCT_FORMATS
from bundle.data.readers.dicom.dataset import is_dicom
from bundle.errors import InputError
from bundle.ingest.describe_dicom import describe_dicom
from bundle.ingest.describe_named import describe_named
from bundle.ingest.records import Described, LeftOut, Source
from bundle.ingest.refusal import Refusal

UNKNOWN = "content of an unknown kind: no DICOM, OCT volume or photograph"
DAMAGED = "cannot be read: damaged or cut short, or a kind of DICOM that is not read"
OTHER_EYE = "its name or folder says the other eye than its header"


def describe(source: Source, root: Path) -> Described | LeftOut:
    """The description of a source below `root`, or why it cannot be used. Never raises for what a file holds."""
    try:
        described = _describe(source)
        for part in [source.path, *source.path.parents]:
            if part == root:
                break
            stated = eye_in_file_name(part)
            if stated is not None:  # the innermost name that states an eye counts
                if stated != described.eye:
                    raise Refusal(OTHER_EYE, described.kind)
                break
        return described
    except Refusal as refusal:
        return LeftOut(number=source.number, kind=refusal.kind, reason=refusal.reason, detail=refusal.detail)
    except Exception as error:  # a damaged file makes a parser raise anything; its text may quote a header
        detail = str(error) if isinstance(error, InputError) else type(error).__name__
        return LeftOut(number=source.number, reason=DAMAGED, detail=detail)


def _describe(source: Source) -> Described:
    head = b""
    if source.path.is_file():
        with source.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if is_dicom(head, source.path):
            return describe_dicom(source)
    kind = content_kind(head, source.path)
    if kind is None:
        raise Refusal(UNKNOWN)
    return describe_named(source, kind)


def content_kind(head: bytes, path: Path) -> str | None:
    """ "oct" or "fundus" by a file's first bytes, as the readers see it; None for neither."""
    for kind, formats in (("oct", OCT_FORMATS), ("fundus", FUNDUS_FORMATS)):
        if any(sniff(head, path) for _, sniff, _ in formats):
            return kind
    return None
