"""What all sources of a patient together say of the patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from bundle.ingest.pseudonym import OLDEST_YEARS, whole_years
from bundle.ingest.records import Described, Person


def people_of(described: Iterable[Described]) -> dict[str, list[Person]]:
    """{patient number: what each of the patient's sources says}."""
    people: dict[str, list[Person]] = defaultdict(list)
    for one in described:
        people[one.person.key].append(one.person)
    return people


def sex_of(persons: Iterable[Person]) -> str:
    """ "female", "male" or ""; sources that contradict each other were left out before."""
    return next((person.sex for person in persons if person.sex), "")


def age_at(persons: Iterable[Person], of_field: Person, day: date) -> int | None:
    """Whole years on a day, at most 90: from any date of birth, else the age that the field's own header states."""
    births = [person.birth_date for person in persons if person.birth_date]
    if births and births[0] <= day:
        return whole_years(births[0], day)
    return None if of_field.age_years is None else min(of_field.age_years, OLDEST_YEARS)
