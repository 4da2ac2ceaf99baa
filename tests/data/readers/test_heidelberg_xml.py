"""Heidelberg .xml exports: what eyepy reads of the same folder, in the canonical order; no patient comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from eyepy.io.he.xml_reader import HeXmlReader
from PIL import Image

from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.heidelberg_files import (
    ASCAN_MM,
    BSCAN_MM,
    DEPTH_MM,
    PATIENT,
    circle_lines,
    radial_lines,
    raster_lines,
    write_xml,
)
from tests.realdata import realdata

BSCANS = np.random.default_rng(0).integers(0, 255, (6, 40, 24), dtype=np.uint8)
BOMB = '<!DOCTYPE a [<!ENTITY a "ha">]>'


@pytest.mark.parametrize("name", ["test_dummy.xml", ""])
def test_real_sample_equals_eyepy(name: str) -> None:
    folder = realdata("eyepy", "data", "filetypes", "heyex_xml", "test_volume")
    reader = HeXmlReader(folder / "test_dummy.xml")
    files = [np.asarray(Image.open(folder / meta["scan_name"])) for meta in reader.bscan_meta]
    volume = read_oct(folder / name)
    np.testing.assert_array_equal(volume.voxels, np.stack(files)[::-1])
    assert reader.bscan_meta[0]["start_pos"][1] > reader.bscan_meta[-1]["start_pos"][1]  # from inferior to superior
    expected = (reader.meta["scale_z"], reader.meta["scale_y"], reader.meta["scale_x"])
    np.testing.assert_allclose(volume.spacing_mm, expected, rtol=1e-4)
    assert (volume.laterality, volume.device) == (reader.meta["laterality"], "Heidelberg Engineering Spectralis")


@pytest.mark.parametrize(("eye", "read"), [("R", "OD"), ("L", "OS"), ("", None)])
@pytest.mark.parametrize("inferior_first", [True, False])
def test_written_export(tmp_path: Path, eye: str, read: str | None, inferior_first: bool) -> None:
    lines = raster_lines(6, inferior_first=inferior_first)
    volume = read_oct(write_xml(tmp_path / "scan", BSCANS, lines, eye=eye))
    np.testing.assert_array_equal(volume.voxels, BSCANS[::-1] if inferior_first else BSCANS)
    np.testing.assert_allclose(volume.spacing_mm, (BSCAN_MM, DEPTH_MM, ASCAN_MM))
    assert volume.laterality == read
    assert PATIENT not in repr(volume)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_any_encoding_of_names_is_read(tmp_path: Path, encoding: str) -> None:
    path = write_xml(tmp_path / "scan", BSCANS)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    np.testing.assert_array_equal(read_oct(tmp_path / "scan").voxels, BSCANS[::-1])


def test_images_are_looked_for_beside_the_document_alone(tmp_path: Path) -> None:
    write_xml(tmp_path / "scan", BSCANS)
    path = write_xml(tmp_path / "other", BSCANS, url="../scan/{name}")
    np.testing.assert_array_equal(read_oct(path).voxels, BSCANS[::-1])
    (tmp_path / "other" / "0002.tif").unlink()
    with pytest.raises(InputError, match=r"B-scan 3: its image is not beside the .xml"):
        read_oct(path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "Circle"}, "found a circle scan, expected a volume scan"),
        ({"kind": "Radial scan"}, r"found a radial \(star\) scan"),
        ({"lines_mm": radial_lines(6)}, "not parallel, as in a radial"),
        ({"lines_mm": circle_lines(6)}, "unevenly spaced, as in circle scans"),
        ({"lines_mm": raster_lines(6) * np.nan}, "B-scan 1: found NaN or infinite numbers"),
        ({"n_series": 2}, "found 2 OCT scans in the export, expected one"),
        ({"n_series": 0}, "found 0 OCT scans in the export, expected one"),
        ({"promised": (40, 25)}, r"B-scan 1: found an image of \(40, 24\), the .xml promises \(40, 25\)"),
        ({"promised": (10**6, 10**6)}, "expected at most"),
        ({"promised": (0, 0)}, "expected at most"),
        ({"prolog": BOMB}, "found a document type declaration"),
        ({"url": "{name}x"}, "its image is not beside"),
        ({"url": ""}, "its image is not beside"),
        ({"url": ".."}, "its image is not beside"),
    ],
)
def test_bad_export_is_refused_without_its_patient(tmp_path: Path, options: dict, word: str) -> None:
    path = write_xml(tmp_path / "scan", BSCANS, **options)
    with pytest.raises(InputError, match=word) as caught:
        read_oct(path)
    assert PATIENT not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_cut_document_is_refused(tmp_path: Path, share: float) -> None:
    path = write_xml(tmp_path / "scan", BSCANS)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="ends early or is damaged") as caught:
        read_oct(path)
    assert PATIENT not in str(caught.value)


def test_missing_number_eye_contradiction_and_damaged_image(tmp_path: Path) -> None:
    path = write_xml(tmp_path / "scan", BSCANS)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<ScaleX>0.0116</ScaleX>", f"<ScaleX>{PATIENT}</ScaleX>", 1), encoding="utf-8")
    with pytest.raises(InputError, match="B-scan 1: found no number in OphthalmicAcquisitionContext/ScaleX") as caught:
        read_oct(path)
    assert PATIENT not in str(caught.value)
    path.write_text(text.replace("<Laterality>R</Laterality>", "<Laterality>L</Laterality>", 1), encoding="utf-8")
    with pytest.raises(InputError, match="found OS in the series and OD in B-scan 1, expected one eye"):
        read_oct(path)
    path.write_text(text, encoding="utf-8")
    (path.parent / "0004.tif").write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"0004.tif: cannot be decoded"):
        read_oct(path)


def test_folder_of_two_exports_is_refused(tmp_path: Path) -> None:
    path = write_xml(tmp_path / "scan", BSCANS)
    (path.parent / "second.XML").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"found 2 Heidelberg .xml exports in the folder, expected one"):
        read_oct(path.parent)
