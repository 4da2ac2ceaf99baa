"""Copies hold pixels and spacing alone; burned-in text keeps a photograph out."""

from __future__ import annotations

import dataclasses
import doctest
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from bundle.data.readers import read_fundus, read_oct
from bundle.ingest import burned_in, copies
from bundle.ingest.burned_in import shows_text
from bundle.ingest.copies import Copied, CopyTask, copy_image
from bundle.ingest.records import LeftOut
from tests.dicom_files import canonical, write_opt
from tests.realdata import realdata

SPACING_MM = (0.05, 0.003, 0.02)


def task(path: Path, kind: str, out: Path, eye: str = "OD", **values: object) -> CopyTask:
    defaults = {"number": 3, "members": (path,), "name": f"PABC_{eye}_1", "signature": "s"}
    return CopyTask(kind=kind, eye=eye, path=path, out=out, **(defaults | values))  # type: ignore[arg-type]


def retina(text: str = "", colour: tuple[int, int, int] = (255, 255, 255), size: int = 14) -> Image.Image:
    """A smooth orange disc in the dark with noise, and a text in its corner."""
    y, x = np.mgrid[:300, :300] - 150
    disc = np.clip(150 - np.hypot(y, x), 0, 30)[..., None] / 30 * np.array([180, 90, 40])
    noisy = disc + np.random.default_rng(0).normal(0, 6, (300, 300, 3)) + 12
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    ImageDraw.Draw(image).text((10, 6), text, fill=colour, font=ImageFont.load_default(size))
    return image


def png_chunks(content: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        names.append(content[at + 4 : at + 8])
        at += 12 + length
    return names


def test_examples() -> None:
    assert doctest.testmod(burned_in).failed == 0


def test_an_oct_copy_has_the_readers_voxels_and_nothing_else(tmp_path: Path) -> None:
    voxels = canonical((6, 24, 16))
    path = write_opt(tmp_path / "a.dcm", voxels, SPACING_MM, "L")
    done = copy_image(task(path, "oct", tmp_path / "out", "OS"))
    assert isinstance(done, Copied)
    copied = read_oct(tmp_path / "out" / done.file)
    assert np.array_equal(copied.voxels, voxels)
    assert np.allclose(copied.spacing_mm, SPACING_MM)
    assert copied.laterality == "OS"
    with np.load(tmp_path / "out" / done.file) as file:
        assert set(file) == {"voxels", "spacing_mm", "laterality"}


def test_a_photographs_copy_has_its_pixels_upright_and_no_metadata(tmp_path: Path) -> None:
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112], exif[0x010E] = 3, "SECRET"
    text.add_text("Comment", "SECRET")
    retina().save(tmp_path / "a.png", exif=exif, pnginfo=text)
    done = copy_image(task(tmp_path / "a.png", "fundus", tmp_path / "out"))
    assert isinstance(done, Copied)
    content = (tmp_path / "out" / done.file).read_bytes()
    assert set(png_chunks(content)) == {b"IHDR", b"IDAT", b"IEND"}
    assert np.array_equal(read_fundus(tmp_path / "out" / done.file).pixels, np.asarray(retina())[::-1, ::-1])


def test_the_images_own_laterality_counts_against_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a", voxels=canonical((6, 24, 16)), spacing_mm=SPACING_MM, laterality="OS")
    done = copy_image(task(tmp_path / "a.npz", "oct", tmp_path / "out", "OD"))
    assert isinstance(done, LeftOut)
    assert done.reason == copies.OTHER_EYE
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_is_left_out_and_its_name_stays_private(tmp_path: Path) -> None:
    (tmp_path / "SECRET.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    done = copy_image(task(tmp_path / "SECRET.png", "fundus", tmp_path / "out"))
    assert isinstance(done, LeftOut)
    assert "SECRET" not in done.reason + repr(done)
    assert "SECRET" in done.detail


def test_what_is_done_is_not_done_again_unless_the_source_changed(tmp_path: Path) -> None:
    retina().save(tmp_path / "a.png")
    first = task(tmp_path / "a.png", "fundus", tmp_path / "out")
    done = copy_image(first)
    assert isinstance(done, Copied)
    file = tmp_path / "out" / done.file
    before = file.stat().st_mtime_ns
    assert copy_image(dataclasses.replace(first, number=9)) == dataclasses.replace(done, number=9)
    assert file.stat().st_mtime_ns == before
    Image.fromarray(255 - np.asarray(retina())).save(tmp_path / "a.png")
    assert copy_image(first) == done  # the signature is what tells
    changed = copy_image(dataclasses.replace(first, signature="t"))
    assert isinstance(changed, Copied)
    assert changed.sha256 != done.sha256


@pytest.mark.parametrize("damage", ["record", "copy", "short"])
def test_half_done_work_is_done_again(tmp_path: Path, damage: str) -> None:
    retina().save(tmp_path / "a.png")
    one = task(tmp_path / "a.png", "fundus", tmp_path / "out")
    done = copy_image(one)
    assert isinstance(done, Copied)
    file, record = tmp_path / "out" / done.file, copies.record_file(tmp_path / "out", one.name)
    content = file.read_bytes()
    if damage == "record":
        record.write_text("{")
    elif damage == "copy":
        file.unlink()
    else:
        file.write_bytes(content[:-9])
    assert copy_image(one) == done
    assert file.read_bytes() == content
    assert json.loads(record.read_text())["sha256"] == done.sha256


# ---- burned-in text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 255, 0), (0, 255, 255)])
@pytest.mark.parametrize("size", [12, 16, 22])
def test_text_is_seen(colour: tuple[int, int, int], size: int) -> None:
    assert shows_text(np.asarray(retina("DOE 1950-01-02", colour, size)))


def test_no_text_three_letters_and_shuffled_text_are_no_text() -> None:
    assert not shows_text(np.asarray(retina()))
    assert not shows_text(np.asarray(retina("OD1")))
    scattered = retina()
    for index, letter in enumerate("DOEJANE"):
        place = (20 + 37 * index, 20 + 41 * (index * 3 % 7))
        ImageDraw.Draw(scattered).text(place, letter, fill="white", font=ImageFont.load_default(14))
    assert not shows_text(np.asarray(scattered))


def test_real_photographs_show_none_until_it_is_drawn_on_them() -> None:
    found = sorted(realdata("grape").rglob("*.jpg"))[::25]
    assert len(found) > 10
    for path in found:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        assert not shows_text(np.asarray(image)), path.name
        ImageDraw.Draw(image).text((30, 30), "JANE DOE", fill="white", font=ImageFont.load_default(16))
        assert shows_text(np.asarray(image)), path.name


def test_burned_in_text_keeps_a_photograph_out_unless_it_is_wanted(tmp_path: Path) -> None:
    retina("DOE 1950-01-02").save(tmp_path / "a.png")
    one = task(tmp_path / "a.png", "fundus", tmp_path / "out")
    found = copy_image(one)
    assert isinstance(found, LeftOut)
    assert found.reason == copies.TEXT
    assert not (tmp_path / "out").exists()
    kept = copy_image(dataclasses.replace(one, keep_burned_in=True))
    assert isinstance(kept, Copied)
    assert kept.burned_in
    again = copy_image(one)  # a copy that was once kept does not return by itself
    assert isinstance(again, LeftOut)


def test_the_headers_word_is_taken_without_looking(tmp_path: Path) -> None:
    retina().save(tmp_path / "a.png")
    one = task(tmp_path / "a.png", "fundus", tmp_path / "out", burned_in=True)
    assert isinstance(copy_image(one), LeftOut)
    kept = copy_image(dataclasses.replace(one, keep_burned_in=True))
    assert isinstance(kept, Copied)
    assert kept.burned_in
