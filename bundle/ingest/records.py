"""What the steps of ingestion hand to each other: a source, its description, or why it was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

KINDS = ("oct", "fundus", "field")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file, or a folder of B-scans, below the ingested folder; `number` is all that a report says of it."""

    number: int
    path: Path = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A source that is not used.

    reason: one of our own sentences, without any content of the source; it is printed and reported.
    detail: what a reader said, which may quote names; it goes into the private list of sources only.
    """

    number: int
    kind: str = "other"
    reason: str
    detail: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Person:
    """What a source says of its patient; None or "" where it says nothing."""

    key: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str = ""
    age_years: int | None = field(default=None, repr=False)
    issuer: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of a source before its pixels are read.

    kind: "oct", "fundus" or "field"; eye: "OD" or "OS"; taken: local date and time, midnight where no time is known.
    members: the files of a series of single frames, or of a folder; else the source itself.
    device: manufacturer and model; quality: the device's own figure, higher is better, None if it states none.
    n_bscans: 0 where unknown; md_db: of a field.
    burned_in: the header says that the pixels hold text.
    uid, refers: the object's DICOM identifier and those of the images it names as its partners.
    """

    number: int
    kind: str
    path: Path = field(repr=False)
    members: tuple[Path, ...] = field(default=(), repr=False)
    person: Person = field(repr=False)
    eye: str
    taken: datetime = field(repr=False)
    device: str = ""
    quality: float | None = None
    n_bscans: int = 0
    md_db: float | None = None
    burned_in: bool = False
    uid: str = field(default="", repr=False)
    refers: frozenset[str] = field(default=frozenset(), repr=False)
    series: str = field(default="", repr=False)

    def left_out(self, reason: str, detail: str = "") -> LeftOut:
        """This source as one that is not used."""
        return LeftOut(number=self.number, kind=self.kind, reason=reason, detail=detail)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visual field and the images of the same eye that go with it; at least one image is there."""

    field: Described
    oct: Described | None
    fundus: Described | None

    @property
    def images(self) -> list[Described]:
        """The images that are there."""
        return [one for one in (self.oct, self.fundus) if one is not None]
