"""A folder of B-scans is put in the order of its whole numbers and completed by a sidecar."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.realdata import realdata

SPACING_MM = (0.25, 0.04, 0.2)
VOXELS = np.random.default_rng(0).integers(0, 255, (12, 24, 20), dtype=np.uint8)
Name = Callable[[int], str]


def fill(
    folder: Path, name: Name = lambda k: f"{k}_image.png", voxels: np.ndarray = VOXELS, sidecar: object = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, bscan in enumerate(voxels):
        Image.fromarray(bscan).save(folder / name(k))
    (folder / "oct.json").write_text(json.dumps({"spacing_mm": SPACING_MM} if sidecar is None else sidecar))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        lambda k: f"{k}_image.png",
        lambda k: f"scan-{k + 7}.bmp",
        lambda k: f"{k:03d}.tif",
        lambda k: f"0042_v2_{k:04d}_B.png",
        lambda k: f"B-scan ({k}).PNG",
    ],
)
def test_bscans_are_in_natural_order(tmp_path: Path, name: Name) -> None:
    volume = read_oct(fill(tmp_path / "eye", name))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.voxels.dtype == np.uint8
    assert volume.spacing_mm == SPACING_MM


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    folder = fill(tmp_path / "eye")
    for name in (".hidden.png", "._1_image.png", "Thumbs.db", "notes.txt", "table.csv"):
        (folder / name).write_bytes(b"no image")
    (folder / "masks.png").mkdir()
    np.testing.assert_array_equal(read_oct(folder).voxels, VOXELS)


def test_sixteen_bits_and_grey_stored_as_colour(tmp_path: Path) -> None:
    wide = VOXELS.astype(np.uint16) * 257
    volume = read_oct(fill(tmp_path / "wide", voxels=wide))
    assert volume.voxels.dtype == np.uint16
    np.testing.assert_array_equal(volume.voxels, wide)
    np.testing.assert_array_equal(read_oct(fill(tmp_path / "rgb", voxels=np.stack([VOXELS] * 3, -1))).voxels, VOXELS)


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 250, 24).astype(np.uint8)[None, :, None], (12, 24, 20))
    volume = read_oct(fill(tmp_path / "eye", lambda k: f"{k}_image.jpg", voxels=np.ascontiguousarray(smooth)))
    assert np.abs(volume.voxels.astype(int) - smooth).max() < 12


def test_sidecar_in_the_folder_wins_over_the_one_beside_it(tmp_path: Path) -> None:
    folder = fill(
        tmp_path / "eye", sidecar={"spacing_mm": SPACING_MM, "laterality": "OS", "reverse": ["bscan", "ascan"]}
    )
    (tmp_path / "oct.json").write_text(json.dumps({"spacing_mm": [1, 0.01, 1]}))
    volume = read_oct(folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS[::-1, :, ::-1])
    assert (volume.spacing_mm, volume.laterality) == (SPACING_MM, "OS")
    (folder / "oct.json").unlink()
    assert read_oct(folder).spacing_mm == (1, 0.01, 1)


def test_unknown_spacing_is_refused_with_the_json_to_paste(tmp_path: Path) -> None:
    folder = fill(tmp_path / "eye", sidecar={"laterality": "OD"})
    with pytest.raises(InputError, match="found no spacing") as caught:
        read_oct(folder)
    text = str(caught.value)
    pasted = json.loads(text[text.index("{") : text.index("}") + 1])
    (folder / "oct.json").write_text(json.dumps(pasted))
    with pytest.raises(InputError, match="depth axis"):  # 24 rows of 2.6 um: the reader got as far as the geometry
        read_oct(folder, spacing_mm=(0.25, 0.002, 0.2))
    assert read_oct(folder, spacing_mm=SPACING_MM).spacing_mm == SPACING_MM


def test_photograph_in_the_same_folder_needs_a_pattern(tmp_path: Path) -> None:
    folder = fill(tmp_path / "0001")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "0001.png")
    with pytest.raises(InputError, match=r"names of several kinds, such as '\d+_image.png' and '0001.png'.*pattern"):
        read_oct(folder)
    (folder / "oct.json").write_text(json.dumps({"spacing_mm": SPACING_MM, "files": "*_image.png"}))
    np.testing.assert_array_equal(read_oct(folder).voxels, VOXELS)


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda folder: (folder / "7_image.png").unlink(), "from 0 to 11, number 7 is missing"),
        (rename("11_image.png", "03_image.png"), "B-scan 3 twice, '03_image.png' and '3_image.png'"),
        (rename("3_image.png", "3_image.jpg"), "names of several kinds"),
        (rename("3_image.png", "mask_image.png"), "names of several kinds"),
        (lambda folder: (folder / "3_image.png").write_bytes(b""), "3_image.png: found no PNG"),
        (lambda folder: (folder / "3_image.png").write_bytes(b"garbage"), "3_image.png: found no PNG"),
        (
            lambda f: (f / "3_image.png").write_bytes((f / "3_image.png").read_bytes()[:90]),
            "3_image.png: cannot be decoded",
        ),
        (lambda folder: Image.new("L", (21, 24)).save(folder / "3_image.png"), r"3_image.png: found uint8 \(24, 21\)"),
        (lambda folder: Image.new("I;16", (20, 24)).save(folder / "3_image.png"), "3_image.png: found uint16"),
        (lambda f: Image.new("RGB", (20, 24), (9, 0, 0)).save(f / "3_image.png"), "3_image.png: found colour mode RGB"),
        (lambda folder: Image.new("1", (20, 24)).save(folder / "3_image.png"), "3_image.png: found colour mode 1"),
        (lambda folder: (folder / "oct.json").write_text("{"), "sidecar oct.json: is no readable JSON"),
        (lambda folder: (folder / "oct.json").write_text("[1]"), "sidecar oct.json: found a list"),
        (lambda folder: (folder / "oct.json").write_text('{"spacing": 1}'), "'spacing', .*write spacing_mm"),
        (lambda folder: (folder / "oct.json").write_text('{"spacing_mm": [1, 2]}'), "three positive numbers"),
        (lambda folder: (folder / "oct.json").write_text('{"spacing_mm": [1, NaN, 1]}'), "three positive numbers"),
        (lambda folder: (folder / "oct.json").write_text('{"spacing_mm": [1, true, 1]}'), "three positive numbers"),
        (lambda folder: (folder / "oct.json").write_text('{"laterality": "B"}'), "expected OD or OS"),
        (lambda folder: (folder / "oct.json").write_text('{"reverse": ["up"]}'), "key reverse"),
        (lambda folder: (folder / "oct.json").write_text('{"axes": ["depth", "bscan", "ascan"]}'), "does not apply"),
        (lambda folder: (folder / "oct.json").write_text('{"axes": ["depth", "ascan"]}'), "each once"),
        (lambda folder: (folder / "oct.json").write_text('{"files": "../*"}'), "key files"),
        (lambda folder: (folder / "oct.json").write_text('{"files": "x*"}'), r"found 0 images that match 'x\*'"),
    ],
)
def test_spoilt_folder_is_refused(tmp_path: Path, spoil: Callable[[Path], object], word: str) -> None:
    folder = fill(tmp_path / "eye")
    spoil(folder)
    with pytest.raises(InputError, match=word):
        read_oct(folder)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (lambda k: "abcdefghijkl"[k] + ".png", "names of several kinds"),
        (lambda k: f"{k}_{k}.png", "found 2 numbers that vary"),
    ],
)
def test_names_that_do_not_count_are_refused(tmp_path: Path, name: Name, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_oct(fill(tmp_path / "eye", name))


def test_real_bscans_with_a_photograph_among_them_are_refused(tmp_path: Path) -> None:
    for file in realdata("eyepy", "data", "filetypes", "heyex_xml", "test_volume").glob("*.tif"):  # without the .xml
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"names of several kinds, such as .*B\d+.tif.* and .NIR1.tif"):
        read_oct(tmp_path)


def test_real_bscan_is_read_without_loss(tmp_path: Path) -> None:
    with Image.open(realdata("panimg", "fda_bscan_512x650.png")) as image:
        bscan = np.asarray(image.convert("L"))
    volume = read_oct(
        fill(tmp_path / "eye", voxels=np.stack([bscan] * 4), sidecar={"spacing_mm": [0.05, 0.0035, 0.0117]})
    )
    np.testing.assert_array_equal(volume.voxels[2], bscan)
    assert volume.voxels.shape == (4, 650, 512)


def test_real_bscans_of_different_eyes_make_no_volume(tmp_path: Path) -> None:
    """Single Cirrus B-scans, each of another eye: alone, together and in one format, each time for the right reason."""
    single = realdata("cirrus_bscans", "onh-3subsets")
    files = sorted(single.glob("*/img/im*"))
    assert len(files) == 4
    with pytest.raises(InputError, match="found 1 images, expected a folder of at least 4 B-scans"):
        read_oct(files[0].parent, spacing_mm=(0.03, 0.002, 0.03))
    together, alike = tmp_path / "together", tmp_path / "alike"
    together.mkdir()
    alike.mkdir()
    for file in files:
        (together / file.name).write_bytes(file.read_bytes())
        Image.open(file).save(alike / f"{file.stem}.png")
    with pytest.raises(InputError, match="found names of several kinds"):
        read_oct(together, spacing_mm=(0.03, 0.002, 0.03))
    with pytest.raises(InputError, match="found 4 B-scans from 1 to 1111, number 2 is missing"):
        read_oct(alike, spacing_mm=(0.03, 0.002, 0.03))
    for number, file in enumerate(sorted(alike.glob("*.png"))):
        file.rename(alike / f"{number}.png")  # numbered as if they were one scan
    with pytest.raises(InputError, match=r"found uint8 \(1024, 192\), expected uint8 \(1024, 200\)"):
        read_oct(alike, spacing_mm=(0.03, 0.002, 0.03))
