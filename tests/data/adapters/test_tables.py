"""Tables of data sets: the same text from CSV and workbook, identifiers of any spelling, faults named by row."""

from __future__ import annotations

import pytest

from bundle.data.adapters.tables import Row, by_id, column_of_eyes, id_number, read_rows
from bundle.errors import InputError
from tests.data.adapters.layouts import write_csv, write_workbook

ROWS = [["ID", "MD", "eye"], [1, -3.25, "OD"], [2, -11, "OS"]]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0007", 7), ("7", 7), ("#007", 7), ("data_00007", 7), ("", None), ("A", None), ("17_2", None)],
)
def test_identifiers_of_any_spelling_are_one_number(text, number):
    assert id_number(text) == number


def test_workbook_and_csv_give_the_same_rows(tmp_path):
    write_workbook(tmp_path / "a.xlsx", ROWS)
    write_csv(tmp_path / "b.csv", ROWS)
    book, plain = read_rows(tmp_path / "a.xlsx"), read_rows(tmp_path / "b.csv", ("ID", "MD"))
    assert [row.cells for row in book] == [row.cells for row in plain]
    assert [row.number for row in book] == [2, 3]
    assert book[1].cells == {"ID": "2", "MD": "-11", "eye": "OS"}


def test_blank_rows_are_passed_over_but_counted(tmp_path):
    write_workbook(tmp_path / "a.xlsx", [ROWS[0], [None, None, None], ROWS[1]])
    assert [row.number for row in read_rows(tmp_path / "a.xlsx")] == [3]


def test_whole_numbers_that_a_workbook_stores_as_fractions_lose_the_dot(tmp_path):
    write_workbook(tmp_path / "a.xlsx", [["ID"], [7.0]])
    assert read_rows(tmp_path / "a.xlsx")[0].cells == {"ID": "7"}


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04 cut short"])
def test_damaged_workbook_is_refused_without_a_traceback(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(InputError, match="Excel workbook"):
        read_rows(tmp_path / "a.xlsx")


def test_missing_and_empty_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "a.xlsx")
    write_workbook(tmp_path / "b.xlsx", [])
    with pytest.raises(InputError, match="no filled row"):
        read_rows(tmp_path / "b.xlsx")


def test_repeated_identifier_is_named_by_both_rows():
    rows = [Row("t.csv", 2, {"ID": "0004"}), Row("t.csv", 3, {"ID": "4"})]
    with pytest.raises(InputError, match="row 3, column ID: found the identifier of row 2 again"):
        by_id(rows, "ID")


def test_column_of_the_eye_is_the_one_that_holds_nothing_else():
    rows = [Row("t", 2, {"sex": "male", "x": "OD", "note": "OD"}), Row("t", 3, {"sex": "male", "x": "L", "note": "?"})]
    assert column_of_eyes(rows) == "x"
    with pytest.raises(InputError, match="found 0 columns"):
        column_of_eyes([Row("t", 2, {"eye": "both"})])
    with pytest.raises(InputError, match="found 2 columns"):
        column_of_eyes(rows[:1])


@pytest.mark.parametrize(("text", "sign", "md_db"), [("-3.5", 1, "-3.5"), ("3.5", -1, "-3.5"), ("/", 1, "")])
def test_md_follows_the_sign(text, sign, md_db):
    assert Row("t", 2, {"MD": text}).md_db("MD", sign) == md_db


@pytest.mark.parametrize(("text", "sign"), [("12", 1), ("-36", 1), ("-12", -1), ("36", -1), ("mild", 1)])
def test_md_outside_its_range_is_refused(text, sign):
    with pytest.raises(InputError, match="row 2, column MD"):
        Row("t", 2, {"MD": text}).md_db("MD", sign)
