"""Headers and names become descriptions, or a reason that quotes neither."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from bundle.errors import InputError
from bundle.ingest import describe as describing
from bundle.ingest import describe_dicom, describe_named
from bundle.ingest.describe import describe
from bundle.ingest.fields_table import read_fields_table
from bundle.ingest.records import Described, LeftOut, Source
from bundle.ingest.series import by_itself, join_series
from tests.dicom_fields import write_opv
from tests.dicom_files import canonical, write_opt, write_series
from tests.dicom_photos import write_op

SPACING_MM = (0.05, 0.003, 0.02)
PIXELS = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)


def of(path: Path, root: Path | None = None) -> Described | LeftOut:
    return describe(Source(number=7, path=path), root or path.parent)


def reason(path: Path, root: Path | None = None) -> str:
    found = of(path, root)
    assert isinstance(found, LeftOut)
    return found.reason


def photograph(path: Path, **attributes: Any) -> Path:
    return write_op(path, PIXELS, **attributes)


def test_an_oct_header_becomes_a_description(tmp_path: Path) -> None:
    voxels = canonical((6, 16, 16))
    path = write_opt(tmp_path / "a.dcm", voxels, SPACING_MM, "L", lines=np.tile([1.0, 2, 3, 4], (6, 1)))
    found = of(path)
    assert isinstance(found, Described)
    assert (found.number, found.kind, found.eye, found.n_bscans) == (7, "oct", "OS", 6)
    assert found.taken == datetime(2026, 1, 2, 3, 4, 5)
    assert (found.person.birth_date, found.person.sex, found.device) == (date(1950, 1, 1), "female", "Acme Scanner 3")
    assert (found.refers, found.quality, found.burned_in) == (frozenset({"1.2.3"}), None, False)


def test_a_photograph_states_its_burned_in_text_and_quality(tmp_path: Path) -> None:
    rating = Dataset()
    rating.NumericValue = "7.5"
    path = photograph(
        tmp_path / "a", BurnedInAnnotation="YES", WideFieldOphthalmicPhotographyQualityRatingSequence=[rating]
    )
    found = of(path)
    assert isinstance(found, Described)
    assert (found.kind, found.eye, found.burned_in, found.quality) == ("fundus", "OD", True, 7.5)


def test_a_field_brings_its_mean_deviation(tmp_path: Path) -> None:
    found = of(write_opv(tmp_path / "a", laterality="L", md_db=-4.0, date="20240131", time="103000"))
    assert isinstance(found, Described)
    assert (found.kind, found.eye, found.md_db, found.taken) == ("field", "OS", -4.0, datetime(2024, 1, 31, 10, 30))


def test_the_time_of_acquisition_counts_before_that_of_an_export(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a", AcquisitionDateTime="20200131080000", ContentDate="20240101")
    found = of(path)
    assert isinstance(found, Described)
    assert found.taken == datetime(2020, 1, 31, 8)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PatientID": ""}, describe_dicom.NO_PATIENT),
        ({"ImageLaterality": None}, describe_dicom.NO_EYE),
        ({"ImageLaterality": "B"}, describe_dicom.BAD_EYE),
        ({"AcquisitionDateTime": None, "StudyDate": "", "ContentDate": "soon"}, describe_dicom.NO_DATE),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"},
            describe_dicom.OTHER_CLASS.format("Encapsulated PDF"),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_header_that_leaves_a_question_open_is_left_out(
    tmp_path: Path, attributes: dict[str, Any], expected: str
) -> None:
    assert reason(photograph(tmp_path / "a", **attributes)) == expected


def test_a_field_without_mean_deviation_is_left_out(tmp_path: Path) -> None:
    assert reason(write_opv(tmp_path / "a", md_db=None)) == describe_dicom.NO_MD
    assert reason(write_opv(tmp_path / "b", md_db=-60.0)) == describe_dicom.BAD_FIELD


def test_a_model_name_that_holds_the_patient_is_dropped(tmp_path: Path) -> None:
    found = of(photograph(tmp_path / "a", PatientID="4711", ManufacturerModelName="Cam of 4711"))
    assert isinstance(found, Described)
    assert found.device == ""


def test_a_name_or_folder_that_says_the_other_eye_is_a_contradiction(tmp_path: Path) -> None:
    folder = tmp_path / "7 OS" / "photos"
    folder.mkdir(parents=True)
    path = photograph(folder / "a.dcm", laterality="R")
    assert reason(path, tmp_path) == describing.OTHER_EYE
    assert isinstance(of(path, folder), Described)  # what lies above the ingested folder says nothing
    inner = photograph(folder / "a_OD.dcm", laterality="R")
    assert isinstance(of(inner, tmp_path), Described)  # the innermost name counts


def test_a_damaged_header_is_left_out_without_its_text(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:200])
    assert reason(path) == describing.DAMAGED


# ---- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["47_11_os_2024-01-31.png", "47_11_OS_20240131_2 b.png"])
def test_a_name_of_the_form_is_read(tmp_path: Path, name: str) -> None:
    Image.fromarray(PIXELS).save(tmp_path / name)
    found = of(tmp_path / name)
    assert isinstance(found, Described)
    assert (found.kind, found.person.key, found.eye, found.taken) == ("fundus", "47_11", "OS", datetime(2024, 1, 31))


@pytest.mark.parametrize("name", ["4711_OS.png", "4711_2024-01-31.png", "4711_OS_20241331.png", "OS_20240131.png"])
def test_any_other_name_is_not_guessed_at(tmp_path: Path, name: str) -> None:
    Image.fromarray(PIXELS).save(tmp_path / name)
    assert reason(tmp_path / name) == describe_named.NO_NAME


def test_content_decides_and_unknown_content_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a_OD_20240131.jpg.npz", voxels=canonical((4, 16, 16)))
    found = of((tmp_path / "a_OD_20240131.jpg.npz").rename(tmp_path / "a_OD_20240131.jpg"))
    assert isinstance(found, Described)
    assert found.kind == "oct"
    (tmp_path / "letter.doc").write_text("Dear colleague")
    assert reason(tmp_path / "letter.doc") == describing.UNKNOWN


# ---- series of single frames ---------------------------------------------------------------------------------------


def test_frames_of_a_series_become_one_and_another_series_stays_apart(tmp_path: Path) -> None:
    for side, seed in (("R", 1), ("L", 2)):
        write_series(tmp_path / "scans", canonical((5, 16, 16), seed=seed), SPACING_MM, side)
    found = [describe(Source(number=i, path=path), tmp_path) for i, path in
             enumerate(sorted((tmp_path / "scans").iterdir()), start=1)]  # fmt: skip
    joined, torn, parts = join_series([one for one in found if isinstance(one, Described)])
    assert {(one.eye, one.n_bscans, len(one.members)) for one in joined} == {("OD", 5, 5), ("OS", 5, 5)}
    assert torn == []
    assert len(parts) == 8
    assert set(parts.values()) == {one.number for one in joined}
    with by_itself(joined[0].path, joined[0].members) as folder:
        assert sorted(file.resolve() for file in folder.iterdir()) == sorted(joined[0].members)
    assert not folder.exists()


def test_a_folder_of_one_series_is_read_where_it_is(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "scans", canonical((5, 16, 16)), SPACING_MM)
    with by_itself(folder, tuple(folder.iterdir())) as path:
        assert path == folder


def test_a_series_of_two_patients_is_left_out(tmp_path: Path) -> None:
    def change(index: int, dataset: Dataset) -> None:
        dataset.PatientID = f"P{index // 4}"

    folder = write_series(tmp_path / "scans", canonical((5, 16, 16)), SPACING_MM, change=change)
    found = [describe(Source(number=i, path=path), tmp_path) for i, path in enumerate(sorted(folder.iterdir()))]
    joined, torn, _ = join_series([one for one in found if isinstance(one, Described)])
    assert (joined, len(torn)) == ([], 5)


# ---- the table of fields -------------------------------------------------------------------------------------------


def test_a_table_of_fields_is_read_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("patient_id;eye;date;md_db\nA;right;2024-01-31;-3.5\nB;L;20240201;0.2\n")
    first, second = read_fields_table(tmp_path / "f.csv", 11)
    assert (first.number, first.person.key, first.eye, first.md_db) == (11, "A", "OD", -3.5)
    assert (second.number, second.taken, second.kind) == (12, datetime(2024, 2, 1), "field")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("SECRET,OD,31.1.2024,-3", "row 2, column date"),
        ("SECRET,X,20240131,-3", "row 2, column eye"),
        ("SECRET,OD,20240131,", "row 2, column md_db"),
        ("SECRET,OD,20240131,-99", "row 2, column md_db"),
        (",OD,20240131,-3", "row 2, column patient_id"),
    ],
)
def test_a_bad_cell_is_named_without_the_patient(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(f"patient_id,eye,date,md_db\n{row}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_fields_table(tmp_path / "f.csv", 1)
    assert "SECRET" not in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("patient_id,eye,md_db\nA,OD,-3\n")
    with pytest.raises(InputError, match="no column 'date'"):
        read_fields_table(tmp_path / "f.csv", 1)
