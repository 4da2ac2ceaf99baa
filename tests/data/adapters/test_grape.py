"""Reading GRAPE's tables: other patients, missing values, and every fault named by file, row and column."""

from __future__ import annotations

import pytest

from bundle.data.adapters.grape import read_grape
from bundle.errors import InputError
from tests.data.adapters.grape_folder import (
    BASELINE_COLUMNS,
    baseline_row,
    field,
    follow_up_row,
    write_grape,
    write_photograph,
    write_table,
)
from tests.realdata import realdata


def test_other_patients_are_read(tmp_path):
    source = write_grape(tmp_path, [baseline_row(900, "OS", Age="71", Gender="M")], None, ("900_OS_1.jpg",))
    (visit,), left_out = read_grape(source)
    assert (visit.subject, visit.eye, visit.visit, visit.age_years, visit.sex) == (900, "OS", 1, 71.0, "male")
    assert visit.rnfl is not None
    assert (visit.rnfl.mean_um, visit.rnfl.superior_um, visit.rnfl.inferior_um) == (80.0, 100.0, 105.0)
    assert (visit.rnfl.nasal_um, visit.rnfl.temporal_um) == (60.0, 55.0)
    assert visit.photograph is not None
    assert visit.sensitivities_db.tolist() == [24.0] * 59
    assert left_out == []


def test_progression_flag_called_md_changes_nothing(tmp_path):
    one, _ = read_grape(write_grape(tmp_path / "a", [baseline_row(900, "OD", MD="0")]))
    other, _ = read_grape(write_grape(tmp_path / "b", [baseline_row(900, "OD", MD="1")]))
    assert one[0].sensitivities_db.tolist() == other[0].sensitivities_db.tolist()


def test_columns_are_found_by_name_in_any_order_and_extra_ones_ignored(tmp_path):
    rows = [baseline_row(900, "OD") | {"note": "free text"}]
    write_table(tmp_path / "GRAPE_VF.csv", rows, ["note", *reversed(BASELINE_COLUMNS)])
    assert len(read_grape(tmp_path)[0]) == 1


def test_missing_rnfl_keeps_an_eye_that_has_a_photograph(tmp_path):
    source = write_grape(tmp_path, [baseline_row(900, "OD", S="/")], None, ("900_OD_1.jpg",))
    (visit,), _ = read_grape(source)
    assert visit.rnfl is None
    assert visit.photograph is not None


def test_missing_photograph_keeps_an_eye_that_has_rnfl(tmp_path):
    (visit,), _ = read_grape(write_grape(tmp_path, [baseline_row(900, "OD")]))
    assert visit.photograph is None
    assert visit.rnfl is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"Mean": "/"}, "neither a photograph nor RNFL"), ({"Age": "/"}, "age"), ({"40": "/"}, "visual field")],
)
def test_unusable_rows_are_left_out_with_the_reason(tmp_path, changes, reason):
    visits, left_out = read_grape(write_grape(tmp_path, [baseline_row(900, "OD", **changes), baseline_row(901, "OD")]))
    assert [visit.subject for visit in visits] == [901]
    assert left_out[0].source == "GRAPE_VF.csv row 2"
    assert reason in left_out[0].reason


def test_photograph_names_ignore_case(tmp_path):
    source = write_grape(tmp_path, [baseline_row(900, "OD")], None, ("900_od_1.JPG",))
    assert read_grape(source)[0][0].photograph is not None


def test_photograph_names_cannot_leave_the_folder(tmp_path):
    write_photograph(tmp_path / "secret.jpg")
    source = write_grape(tmp_path / "grape", [baseline_row(900, "OD", Corresponding_CFP="../secret.jpg")])
    (source / "rois").mkdir()
    assert read_grape(source)[0][0].photograph is None


def test_all_visits_add_follow_ups_with_a_photograph_once(tmp_path):
    follow_ups = [
        follow_up_row(900, "OD", 1, "900_OD_1.jpg"),
        follow_up_row(900, "OD", 2),
        follow_up_row(900, "OD", 3, "900_OD_3.jpg", Interval_Years="2.5"),
    ]
    source = write_grape(tmp_path, [baseline_row(900, "OD")], follow_ups, ("900_OD_1.jpg", "900_OD_3.jpg"))
    visits, left_out = read_grape(source, "all")
    assert [(visit.visit, visit.age_years) for visit in visits] == [(1, 60.0), (3, 62.5)]
    assert visits[1].rnfl is None
    assert visits[1].sex == "female"
    assert [one.source for one in left_out] == ["GRAPE_FollowUps.csv row 3"]
    assert [visit.visit for visit in read_grape(source)[0]] == [1]


def test_follow_up_without_baseline_is_left_out(tmp_path):
    source = write_grape(tmp_path, [baseline_row(900, "OD")], [follow_up_row(900, "OS", 2, "900_OS_2.jpg")])
    _, left_out = read_grape(source, "all")
    assert "no baseline row" in left_out[0].reason


def test_missing_follow_up_table_is_no_fault(tmp_path):
    assert len(read_grape(write_grape(tmp_path, [baseline_row(900, "OD")]), "all")[0]) == 1


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"Laterality": "left-ish"}, "Laterality"),
        ({"Age": "sixty"}, "Age"),
        ({"Age": "160"}, "Age"),
        ({"Gender": "?"}, "Gender"),
        ({"I": "-4"}, "I"),
        ({"I": "nine"}, "I"),
        ({"30": "99"}, "30"),
        ({"30": "x"}, "30"),
        ({"21": "12"}, "21"),
        ({"Subject_Number": "P. Smith"}, "Subject Number"),
        ({"Subject_Number": "7.5"}, "Subject Number"),
    ],
)
def test_wrong_cells_are_named_by_file_row_and_column(tmp_path, changes, column):
    source = write_grape(tmp_path, [baseline_row(900, "OD"), baseline_row(901, "OD", **changes)])
    with pytest.raises(InputError, match=f"GRAPE_VF.csv, row 3, column {column}:") as caught:
        read_grape(source)
    assert "\n" not in str(caught.value)
    assert "901" not in str(caught.value)


def test_missing_column_is_named(tmp_path):
    write_table(tmp_path / "GRAPE_VF.csv", [baseline_row(900, "OD")], [c for c in BASELINE_COLUMNS if c != "58"])
    with pytest.raises(InputError, match=r"GRAPE_VF\.csv, row 1: found no column '58'"):
        read_grape(tmp_path)


def test_repeated_eye_is_refused_without_naming_the_patient(tmp_path):
    with pytest.raises(InputError, match=r"row 3: the same eye and visit as GRAPE_VF.csv row 2") as caught:
        read_grape(write_grape(tmp_path, [baseline_row(900, "OD"), baseline_row(900, "od", **field(3))]))
    assert "900" not in str(caught.value)


def test_workbook_is_met_with_how_to_export_it(tmp_path):
    (tmp_path / "VF and clinical information.xlsx").write_bytes(b"PK\x03\x04")
    expected = r"Excel workbook.*'Baseline' as GRAPE_VF\.csv.*'Follow-up' as GRAPE_FollowUps\.csv"
    with pytest.raises(InputError, match=expected):
        read_grape(tmp_path)


@pytest.mark.parametrize("make", [False, True])
def test_folder_without_tables_is_refused(tmp_path, make):
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(InputError, match="nothing: "):
        read_grape(folder)


def test_real_sample_is_read_whole():
    baseline, left_out = read_grape(realdata("grape"))
    assert len(baseline) == 169
    assert len({visit.subject for visit in baseline}) == 94
    assert left_out == []
    assert sum(visit.rnfl is None for visit in baseline) == 11
    assert all(visit.photograph for visit in baseline)


def test_real_follow_ups_add_every_other_photograph_once():
    visits, _ = read_grape(realdata("grape"), "all")
    assert len(visits) == len(list(realdata("grape", "rois").iterdir()))
    assert len({visit.photograph for visit in visits}) == len(visits)
