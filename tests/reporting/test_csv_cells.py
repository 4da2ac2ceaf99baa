import math

import pytest

from bundle.errors import InputError
from bundle.reporting.csv_cells import number_cell, parse_integer, parse_number, read_csv


@pytest.mark.parametrize("value", [-3.27, 0.0, 1e-9, -12.345678, 1234567.0, math.nan])
def test_numbers_survive_to_seven_digits(value) -> None:
    assert parse_number(number_cell(value), "f.csv", 2, "x") == pytest.approx(value, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("text", ["-3,27", "inf", "low"])
def test_a_bad_number_is_named_by_row_and_column(text) -> None:
    with pytest.raises(InputError, match=rf"f.csv, row 7, column 'label_db': found '{text}'"):
        parse_number(text, "f.csv", 7, "label_db")
    with pytest.raises(InputError, match="expected a whole number"):
        parse_integer("2.5", "f.csv", 7, "row")


def test_files_that_are_not_the_table_expected(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "none.csv", ["a"])
    file = tmp_path / "t.csv"
    file.write_text("a,c\n1,2\n")
    with pytest.raises(InputError, match="no column 'b', expected a, b"):
        read_csv(file, ["a", "b"])
    file.write_text("a,b\n1,2\n1\n")
    with pytest.raises(InputError, match="row 3: expected 2 cells"):
        read_csv(file, ["a", "b"])
