"""The pairing rules of docs/ingest.md, each by a case that another rule would decide otherwise."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np

from bundle.ingest import consistency, pairing
from bundle.ingest.pairing import choose, pair
from bundle.ingest.records import Described, LeftOut
from tests.ingest.scans import born, described

WINDOW = 180


def reasons(left_out: list[LeftOut]) -> dict[int, str]:
    assert len({one.number for one in left_out}) == len(left_out)
    return {one.number: one.reason for one in left_out}


def test_a_field_takes_the_nearest_image_of_its_own_eye_and_patient() -> None:
    field = described("field")
    far, near = described(day="2024-03-20"), described(day="2024-02-25")
    other_eye, other_patient = described(eye="OS"), described(person={"key": "B"})
    photograph = described("fundus", day="2024-05-01")
    visits, left_out = pair([field, far, near, other_eye, other_patient, photograph], WINDOW)
    (visit,) = visits
    assert (visit.field, visit.oct, visit.fundus) == (field, near, photograph)
    assert reasons(left_out) == {
        far.number: pairing.NOT_CHOSEN, other_eye.number: pairing.NO_FIELD, other_patient.number: pairing.NO_FIELD,
    }  # fmt: skip


def test_the_window_ends_with_its_last_day_whatever_the_hour() -> None:
    field = described("field", day="2024-03-01", time="00:00")
    last = field.taken.date() + timedelta(days=WINDOW)
    inside = described(day=str(last), time="23:59")
    outside = described("fundus", day=str(last + timedelta(days=1)), time="00:00")
    (visit,), left_out = pair([field, inside, outside], WINDOW)
    assert (visit.oct, visit.fundus) == (inside, None)
    assert reasons(left_out) == {outside.number: pairing.NO_FIELD}


def test_a_field_without_image_and_an_image_without_field_are_orphans() -> None:
    field, image = described("field"), described("fundus", day="2025-03-01")
    visits, left_out = pair([field, image], WINDOW)
    assert visits == []
    assert reasons(left_out) == {field.number: pairing.NO_IMAGE, image.number: pairing.NO_FIELD}


def test_two_fields_near_one_scan_both_get_it() -> None:
    scan = described()
    visits, left_out = pair([described("field"), described("field", day="2024-04-01"), scan], WINDOW)
    assert [visit.oct for visit in visits] == [scan, scan]
    assert left_out == []


def test_a_repeated_field_counts_by_its_last_attempt() -> None:
    early, late = described("field", time="10:20", md_db=-9.0), described("field", time="10:02", md_db=-4.0)
    visits, left_out = pair([early, late, described()], WINDOW)
    assert [visit.field for visit in visits] == [early]
    assert reasons(left_out) == {late.number: pairing.REPEATED_FIELD}


def test_best_scan_of_a_day() -> None:
    field = described("field")
    many, good = described(n_bscans=200, quality=6.0), described(n_bscans=20, quality=9.0)
    assert choose([many, good], field, WINDOW) == good
    unrated = described(n_bscans=100)
    assert choose([many, good, unrated], field, WINDOW) == many  # one states no quality: B-scans decide
    other_scale = described(n_bscans=19, quality=40.0, device="another")
    assert choose([many, good, other_scale], field, WINDOW) == many
    first, last = described(n_bscans=8, time="09:00"), described(n_bscans=8, time="11:00")
    assert choose([last, first], field, WINDOW) == last


def test_the_nearest_day_comes_before_quality_and_of_equal_days_the_later() -> None:
    field = described("field", day="2024-03-10")
    better, nearer = described(day="2024-03-01", quality=10.0), described(day="2024-03-09", quality=5.0)
    assert choose([better, nearer], field, WINDOW) == nearer
    after = described(day="2024-03-11", quality=1.0)
    assert choose([better, nearer, after], field, WINDOW) == after


def test_choice_is_the_brute_force_best_and_independent_of_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        field = described("field", day="2024-06-01")
        scans = [
            described(day=str(date(2024, 6, 1) + timedelta(days=int(rng.integers(-3, 4)))),
                      time=f"{rng.integers(24):02d}:00", n_bscans=int(rng.integers(1, 4)))
            for _ in range(5)
        ]  # fmt: skip
        best = choose(scans, field, 2)

        def rank(scan: Described, field: Described = field) -> tuple[float, ...]:
            days = (scan.taken.date() - field.taken.date()).days
            return -abs(days), days, scan.n_bscans, datetime.timestamp(scan.taken), scan.number

        inside = [scan for scan in scans if abs((scan.taken.date() - field.taken.date()).days) <= 2]
        assert best == (max(inside, key=rank) if inside else None)
        assert choose(list(reversed(scans)), field, 2) == best


# ---- sources that contradict each other ----------------------------------------------------------------------------


def test_one_number_with_two_births_is_left_out_whole() -> None:
    field, scan = described("field", person=born("1950-01-01")), described(person=born("1951-01-01"))
    innocent = [described("field", person={"key": "B"}), described(person={"key": "B"} | born("1960-01-01"))]
    visits, left_out = pair([field, scan, *innocent], WINDOW)
    assert [visit.field for visit in visits] == innocent[:1]
    assert set(reasons(left_out)) == {field.number, scan.number}
    assert "dates of birth" in left_out[0].reason


def test_a_sex_or_birth_that_is_not_stated_contradicts_nothing() -> None:
    visits, _ = pair([described("field", person={"sex": "female"}), described()], WINDOW)
    assert len(visits) == 1


def test_the_same_object_twice_counts_once() -> None:
    first, copy = described(uid="1.2.3"), described(uid="1.2.3", time="12:00")
    (visit,), left_out = pair([described("field"), copy, first], WINDOW)
    assert visit.oct == first
    assert reasons(left_out) == {copy.number: consistency.REPEATED}


def test_a_scan_and_the_photograph_that_it_names_must_show_the_same_eye() -> None:
    photograph = described("fundus", uid="1.9", eye="OS")
    scan = described(uid="1.8", refers=frozenset({"1.9", "1.10"}))
    stranger = described("fundus", uid="1.10", person={"key": "B"})
    visits, left_out = pair([described("field"), scan, photograph, stranger], WINDOW)
    assert visits == []
    assert reasons(left_out)[photograph.number] == consistency.PARTNER_EYE
    assert reasons(left_out)[stranger.number] == consistency.PARTNER_PATIENT
    assert scan.number in reasons(left_out)
