"""DICOM visual fields: what was written is what is read; what cannot be an MD is refused with the reason."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import bundle.data
from bundle.data import read_visual_field
from bundle.errors import InputError
from tests.dicom_fields import field_24_2, write_opv

RAGGED_LOSS_DB = np.random.default_rng(0).uniform(0, 12, 54)


@pytest.mark.parametrize(("laterality", "eye"), [("R", "OD"), ("L", "OS")])
def test_what_was_written_is_read(tmp_path: Path, laterality: str, eye: str) -> None:
    points = field_24_2(laterality, RAGGED_LOSS_DB)
    path = write_opv(tmp_path / "a.dcm", laterality=laterality, md_db=-6.25, psd_db=3.5, points=points)
    field = read_visual_field(path)
    assert (field.md_db, field.psd_db, field.laterality, field.pattern) == (-6.25, 3.5, eye, "24-2")
    np.testing.assert_allclose(field.points, points, atol=1e-5)  # the file holds 32-bit numbers
    assert (field.test_date, field.device) == (datetime.date(2024, 1, 31), "Zeiss HFA 3")
    assert "SN-0815" not in repr(field)


def test_tags_are_those_of_the_standard(tmp_path: Path) -> None:
    """The builder writes by keyword; these numbers are of PS3.6."""
    dataset = pydicom.dcmread(write_opv(tmp_path / "a.dcm"))
    assert dataset[0x0024, 0x0113].value == "R"
    assert dataset[0x0024, 0x0064][0][0x0024, 0x0066].value == -4.0
    assert dataset[0x0024, 0x0064][0][0x0024, 0x0068].value == 2.5
    point = dataset[0x0024, 0x0089][0]
    assert [point[0x0024, number].value for number in (0x0090, 0x0091)] == [-9, 21]
    assert point[0x0024, 0x0097][0][0x0024, 0x0092].value == -4.0


def test_reliability_takes_estimates_before_catch_trials(tmp_path: Path) -> None:
    estimated = read_visual_field(write_opv(tmp_path / "a.dcm", fixation=(3, 12), false_positives=4.0))
    assert estimated.reliability.fixation_losses == pytest.approx(0.25)
    assert estimated.reliability.false_positives == pytest.approx(0.04)
    assert estimated.reliability.reliable is False
    counted = read_visual_field(write_opv(tmp_path / "b.dcm", false_positives=(1, 8), false_negatives=(2, 10)))
    assert counted.reliability.false_positives == pytest.approx(0.125)
    assert counted.reliability.false_negatives == pytest.approx(0.2)
    assert counted.reliability.reliable is True


def test_unmeasured_reliability_is_none(tmp_path: Path) -> None:
    path = write_opv(tmp_path / "a.dcm", fixation=(0, 0), false_positives=None, false_negatives=(0, 0))
    reliability = read_visual_field(path).reliability
    assert reliability.fixation_losses is reliability.false_positives is reliability.false_negatives is None
    assert reliability.reliable is None


def test_unseen_point_without_a_value_is_zero_decibel(tmp_path: Path) -> None:
    points = field_24_2()
    points[[0, 5], 2:] = np.nan
    field = read_visual_field(write_opv(tmp_path / "a.dcm", points=points))
    np.testing.assert_array_equal(field.points[[0, 5], 2], 0.0)
    assert np.isnan(field.points[[0, 5], 3]).all()


def test_field_without_normals_has_no_md(tmp_path: Path) -> None:
    field = read_visual_field(write_opv(tmp_path / "a.dcm", md_db=None))
    assert math.isnan(field.md_db)
    assert math.isnan(field.psd_db)
    assert math.isnan(read_visual_field(write_opv(tmp_path / "b.dcm", psd_db=None)).psd_db)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"date": "", "AcquisitionDateTime": "20230405101500.25+0100"}, datetime.date(2023, 4, 5)),
        ({"date": "20230230"}, None),
        ({"date": ""}, None),
    ],
)
def test_day_of_the_test(tmp_path: Path, dates: dict[str, str], expected: datetime.date | None) -> None:
    assert read_visual_field(write_opv(tmp_path / "a.dcm", **dates)).test_date == expected


def with_md(**values: Any) -> list[pydicom.Dataset]:
    item = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return [item]


def text_md() -> list[pydicom.Dataset]:
    """An MD stored as text under a text VR, as a careless exporter does."""
    item = pydicom.Dataset()
    item.add_new(0x00240066, "LO", "-3,5 dB")
    return [item]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"md_db": 6.0, "points": field_24_2(loss_db=-6.0)}, r"found an MD of 6 dB, expected \[-35, \+5\] dB"),
        ({"md_db": -36.0}, "found an MD of -36 dB"),
        ({"md_db": 4.0}, r"an MD of \+4.00 dB and a mean total deviation of -4.00 dB, expected loss to be negative"),
        ({"md_db": 12.0, "points": field_24_2(loss_db=12.0)}, "expected loss to be negative"),
        ({"md_db": math.nan}, "no finite number in GlobalDeviationFromNormal"),
        ({"md_db": math.inf}, "no finite number in GlobalDeviationFromNormal"),
        ({"ResultsNormalsSequence": text_md()}, "no finite number in GlobalDeviationFromNormal"),
        ({"ResultsNormalsSequence": with_md(LocalizedDeviationFromNormal=2.0)}, "without GlobalDeviationFromNormal"),
        ({"ResultsNormalsSequence": text_md() * 2}, "other than one item in ResultsNormalsSequence"),
        ({"psd_db": -1.0}, "PSD of -1 dB"),
        ({"laterality": "B"}, "both eyes together"),
        ({"laterality": "X"}, "no MeasurementLaterality"),
        ({"MeasurementLaterality": None}, "no MeasurementLaterality"),
        ({"Laterality": "L"}, "one eye in MeasurementLaterality and the other"),
        ({"points": field_24_2("L")}, "test points of OS in a field of OD"),
        ({"VisualFieldTestPointSequence": None}, "found 0 test points"),
        ({"VisualFieldTestPointSequence": []}, "found 0 test points"),
        ({"points": np.zeros((1001, 4))}, "found 1001 test points"),
        ({"points": np.zeros((2, 4))}, "test point twice"),
        ({"points": np.array([[math.nan, 3.0, 20.0, -2.0]])}, "no finite number in VisualFieldTestPointXCoordinate"),
        ({"points": np.array([[3.0, 3.0, 99.0, -2.0]])}, r"sensitivity outside \[-10, 60\] dB"),
        ({"fixation": (9, 3)}, "9 failures in 3 reliability checks"),
        ({"false_negatives": 130.0}, "130 per cent of false negatives"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "MD cannot be read from a printed report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.4"}, r"Tomography \(OCT\), expected a visual field"),
    ],
)
def test_unfit_field_is_refused(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    path = write_opv(tmp_path / "a.dcm", patient_id="SECRET-7", **options)
    with pytest.raises(InputError, match=word) as caught:
        read_visual_field(path)
    assert "SECRET-7" not in str(caught.value)
    assert "DOE" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_field_whose_total_deviation_counts_loss_as_positive_is_refused(tmp_path: Path) -> None:
    points = field_24_2(loss_db=RAGGED_LOSS_DB)
    points[:, 3] *= -1
    with pytest.raises(InputError, match="total deviation counts loss as positive"):
        read_visual_field(write_opv(tmp_path / "a.dcm", md_db=4.9, points=points))


@pytest.mark.parametrize(("md_db", "loss_db"), [(0.6, 0.4), (-0.9, -1.5), (1.5, 0.9), (0.0, 3.0)])
def test_small_values_may_differ_in_sign(tmp_path: Path, md_db: float, loss_db: float) -> None:
    """MD weighs the points, the mean does not."""
    path = write_opv(tmp_path / "a.dcm", md_db=md_db, points=field_24_2(loss_db=loss_db))
    assert read_visual_field(path).md_db == pytest.approx(md_db, abs=1e-6)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"%PDF-1.7\n" + b" " * 600, "MD cannot be read from a printed report"),
        (b"\x89PNG\r\n\x1a\n" + b" " * 600, "found no DICOM, expected DICOM visual field"),
        (b"MD,-3.2\n", "found no DICOM, expected DICOM visual field"),
        (b"", "found 0 bytes"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 400, "a.dcm"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(InputError, match=word):
        read_visual_field(tmp_path / "a.dcm")


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_visual_field(tmp_path / "absent.dcm")


def test_damage_never_raises_anything_but_an_input_error(tmp_path: Path) -> None:
    """Cut anywhere, or any byte, and so any length, changed."""
    path = write_opv(tmp_path / "a.dcm", md_db=-6.25)
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    changed = [whole[:at] for at in rng.integers(1, len(whole) - 1, 25)]
    for at in rng.integers(132, len(whole), 50):
        content = bytearray(whole)
        content[at] = 0xFF
        changed.append(bytes(content))
    refused = 0
    for content in changed:
        path.write_bytes(content)
        try:
            read_visual_field(path)
        except InputError:
            refused += 1
    assert refused >= 25


def test_it_is_part_of_the_public_interface() -> None:
    assert bundle.data.read_visual_field is read_visual_field
    assert "read_visual_field" in bundle.data.__all__
