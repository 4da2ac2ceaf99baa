"""Sources that contradict each other: whoever is wrong, none of them can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable

from bundle.ingest.records import Described, LeftOut, Person

REPEATED = "the same image or field as one with a lower number"
TWO_PEOPLE = "one patient number with two {}: two people, or a wrong header"
PARTNER_PATIENT = "the image that it refers to has another patient"
PARTNER_EYE = "the image that it refers to is of the other eye"
_SINGLE: dict[str, Callable[[Person], Hashable]] = {
    "dates of birth": lambda person: person.birth_date,
    "sexes": lambda person: person.sex,
    "issuers": lambda person: person.issuer,
}


def consistent(described: list[Described]) -> tuple[list[Described], list[LeftOut]]:
    """The sources that no other contradicts, in their order, and those left out."""
    left_out: dict[int, LeftOut] = {}
    for check in (_repeated, _two_people, _partners):
        for one in check([one for one in described if one.number not in left_out]):
            left_out.setdefault(one.number, one)
    return [one for one in described if one.number not in left_out], list(left_out.values())


def _repeated(described: list[Described]) -> list[LeftOut]:
    """Copies of one DICOM object."""
    seen: set[str] = set()
    out = []
    for one in sorted(described, key=lambda one: one.number):
        if one.uid and one.uid in seen:
            out.append(one.left_out(REPEATED))
        seen.add(one.uid)
    return out


def _two_people(described: list[Described]) -> list[LeftOut]:
    """All sources of a patient number under which two dates of birth, sexes or issuers are found."""
    by_patient: dict[str, list[Described]] = defaultdict(list)
    for one in described:
        by_patient[one.person.key].append(one)
    out = []
    for of_patient in by_patient.values():
        for what, value in _SINGLE.items():
            if len({value(one.person) for one in of_patient} - {None, ""}) > 1:
                out += [one.left_out(TWO_PEOPLE.format(what)) for one in of_patient]
    return out


def _partners(described: list[Described]) -> list[LeftOut]:
    """An OCT and the photograph that its header names as its own, when they differ in patient or eye."""
    by_uid = {one.uid: one for one in described if one.uid}
    out = []
    for one in described:
        for partner in (by_uid[uid] for uid in sorted(one.refers) if uid in by_uid):
            reason = PARTNER_PATIENT if one.person.key != partner.person.key else PARTNER_EYE
            if (one.person.key, one.eye) != (partner.person.key, partner.eye):
                out += [one.left_out(reason), partner.left_out(reason)]
    return out
