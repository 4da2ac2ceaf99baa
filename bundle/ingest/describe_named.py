"""Files without a header that names the patient: everything comes from the file's name, and only if it is certain.

`<patient>_<OD or OS>_<date>.<suffix>`, the date as 2021-03-31 or 20210331; further text may follow after `_`, `-` or a
blank: `4711_OD_2021-03-31_1.jpg`. `<patient>` is what DICOM headers and the table of fields call the patient.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from bundle.ingest.records import Described, Person, Source
from bundle.ingest.refusal import Refusal

NO_NAME = "no header names its patient, and its name is not <patient>_<OD or OS>_<date>"
_NAME = re.compile(
    r"(?P<patient>.+?)_(?P<eye>OD|OS)_(?P<date>\d{4}-\d{2}-\d{2}|\d{8})(?:[_\-. ].*)?", re.IGNORECASE | re.ASCII
)


def describe_named(source: Source, kind: str) -> Described:
    """The description of a file or folder by its name.

    Raises Refusal when the name is not of the form above.
    """
    match = _NAME.fullmatch(source.path.name)
    if match is None:
        raise Refusal(NO_NAME, kind)
    try:
        taken = datetime.strptime(match["date"].replace("-", ""), "%Y%m%d")
    except ValueError:
        raise Refusal(NO_NAME, kind) from None
    person = Person(key=match["patient"].strip())
    return Described(
        number=source.number, kind=kind, path=source.path, members=_members(source.path), person=person,
        eye=match["eye"].upper(), taken=taken,
    )  # fmt: skip


def _members(path: Path) -> tuple[Path, ...]:
    """What a copy depends on: the files of a folder, or the file and the sidecar that states its spacing."""
    if path.is_dir():
        return tuple(sorted(path.iterdir()))
    sidecar = path.with_name(Path(path.name.removesuffix(".gz")).stem + ".json")
    return (path, sidecar) if sidecar.is_file() else (path,)
