"""Pseudonyms, shifted dates, ages and the key file."""

from __future__ import annotations

import doctest
import hashlib
import hmac
import stat
from datetime import date, timedelta
from pathlib import Path

import pytest

from bundle.data.laterality import eye_in_file_name
from bundle.errors import InputError
from bundle.ingest import pseudonym
from bundle.ingest.key_file import load_key, write_private
from bundle.ingest.people import age_at
from bundle.ingest.pseudonym import Pseudonyms, whole_years
from bundle.ingest.records import Person

KEY = bytes(range(32))


def test_examples() -> None:
    assert doctest.testmod(pseudonym).failed == 0


def test_a_pseudonym_is_fifty_bits_of_the_keyed_hash() -> None:
    number = int(hmac.new(KEY, b"patient\x004711", hashlib.sha256).hexdigest(), 16)
    signs = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    expected = "".join(signs[number // 32**place % 32] for place in range(10))
    assert Pseudonyms(KEY).patient("4711") == "P" + expected
    assert Pseudonyms(bytes(32)).patient("4711") != "P" + expected


def test_ten_thousand_pseudonyms_differ_and_never_name_an_eye() -> None:
    names = [Pseudonyms(KEY).patient(str(number)) for number in range(10_000)]
    assert len(set(names)) == len(names)
    assert all(eye_in_file_name(Path(f"{name}_OS_{name[1:]}.npz")) == "OS" for name in names)


def test_dates_move_back_by_up_to_a_year_and_keep_their_distance() -> None:
    names, day = Pseudonyms(KEY), date(2024, 2, 29)
    shifts = {(day - names.shifted(str(number), day)).days for number in range(3000)}
    assert (min(shifts), max(shifts)) == (1, 365)
    later = day + timedelta(days=777)
    assert names.shifted("4711", later) - names.shifted("4711", day) == timedelta(days=777)


def test_age_counts_completed_years_and_ends_at_ninety() -> None:
    assert whole_years(date(2000, 2, 29), date(2023, 2, 28)) == 22
    assert whole_years(date(2000, 2, 29), date(2023, 3, 1)) == 23
    assert age_at([Person(key="A")], Person(key="A", age_years=97), date(2024, 1, 1)) == 90
    persons = [Person(key="A"), Person(key="A", birth_date=date(1960, 5, 5))]
    assert age_at(persons, Person(key="A", age_years=12), date(2024, 5, 4)) == 63
    assert age_at([Person(key="A")], Person(key="A"), date(2024, 1, 1)) is None


# ---- the key -------------------------------------------------------------------------------------------------------


def test_a_new_key_is_private_and_found_again(tmp_path: Path) -> None:
    file = tmp_path / "secret" / "study.key"
    key = load_key(file, tmp_path / "out")
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file, tmp_path / "out") == key
    assert load_key(tmp_path / "another.key", tmp_path / "out") != key


def test_a_key_in_the_output_folder_is_refused_also_through_dots(tmp_path: Path) -> None:
    for path in ("out/a.key", "out/../out/b/a.key"):
        with pytest.raises(InputError, match="inside --out"):
            load_key(tmp_path / path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    load_key(file, tmp_path / "out")
    file.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        load_key(file, tmp_path / "out")
    file.chmod(0o600)
    file.write_text("password\n")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        load_key(file, tmp_path / "out")


def test_a_private_file_replaces_one_that_was_open_to_all(tmp_path: Path) -> None:
    file = tmp_path / "sources.csv"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [file]
