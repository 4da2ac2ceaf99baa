"""Descriptions of sources, as plain records, for the tests of the rules."""

from __future__ import annotations

from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from bundle.ingest.records import Described, Person

_NUMBERS = count(1)


def described(kind: str = "oct", day: str = "2024-03-01", time: str = "10:00", **values: Any) -> Described:
    """A right eye of patient A unless said otherwise; numbers count up. `person` takes keywords of `Person`."""
    number = values.pop("number", None) or next(_NUMBERS)
    person = {"key": "A"} | values.pop("person", {})
    defaults: dict[str, Any] = {"path": Path(f"{kind}{number}"), "members": (Path(f"{kind}{number}"),), "eye": "OD"}
    if kind == "field":
        defaults["md_db"] = -3.0
    taken = datetime.fromisoformat(f"{day} {time}")
    return Described(number=number, kind=kind, taken=taken, person=Person(**person), **(defaults | values))


def born(text: str) -> dict[str, date]:
    """The keyword that states a date of birth."""
    return {"birth_date": date.fromisoformat(text)}
