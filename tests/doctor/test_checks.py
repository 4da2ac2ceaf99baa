"""A healthy cohort has no error; each planted fault is found, in its rows, and nothing else is."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bundle.doctor import Finding, examine, gather
from tests.doctor.conftest import Patient

Fault = Callable[[Patient], None]
Expected = set[tuple[str, str, tuple[int, ...]]]
COHORT: tuple[int, ...] = ()
SOME = (-99,)  # not compared
LAST, TWIN, TEST_TWIN = -1, -2, -3  # stand for the row: see the test
MIXED = ("note", "mixed scans", (5,))


def found_in(manifest: Path) -> list[Finding]:
    return examine(gather(manifest, workers=1))


@pytest.fixture(scope="session")
def healthy(healthy_folder: Path) -> list[Finding]:
    return found_in(healthy_folder / "manifest.csv")


def test_healthy_phantom_has_no_error(healthy: list[Finding]) -> None:
    assert {(one.level, one.check) for one in healthy} == {
        ("warning", "depth spacing"),  # its 48 voxels over 2 mm are far apart
        ("note", "checksums"),
        ("note", "labels"),
        ("note", "splits"),
    }


def cells(index: int, **values: str) -> Fault:
    return lambda cohort: cohort.rows[index].update(values)


def scan(index: int, change: Callable[[np.ndarray], np.ndarray], **other: object) -> Fault:
    return lambda cohort: cohort.scan(index, change, **other)


def photo(index: int, change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    return lambda cohort: cohort.photo(index, change)


def write(index: int, modality: str, change: Callable[[bytes], bytes]) -> Fault:
    def fault(cohort: Patient) -> None:
        path = cohort.path(index, modality)
        path.write_bytes(change(path.read_bytes()))

    return fault


def labels(value: Callable[[int, float], float]) -> Fault:
    def fault(cohort: Patient) -> None:
        for index, row in enumerate(cohort.rows):
            row["md_db"] = f"{value(index, float(row['md_db'])):.2f}"

    return fault


def same_md_in_both_eyes(cohort: Patient) -> None:
    first: dict[str, str] = {}
    for row in cohort.rows:
        row["md_db"] = first.setdefault(row["patient_id"], row["md_db"])


def twin(cohort: Patient, split: str) -> int:
    """The last eye of a split that is an eye like the first row's, of another patient."""
    first = cohort.rows[0]
    alike = [
        index
        for index, row in enumerate(cohort.rows)
        if (row["split"], row["eye"]) == (split, first["eye"]) and row["patient_id"] != first["patient_id"]
    ]
    return alike[-1]


def copy_to(modality: str, split: str) -> Fault:
    """The first row's image under the name of another eye's."""
    return lambda cohort: shutil.copy(cohort.path(0, modality), cohort.path(twin(cohort, split), modality))


def same_file(cohort: Patient) -> None:
    cohort.rows[twin(cohort, "train")]["oct"] = cohort.rows[0]["oct"]


def other_format(cohort: Patient) -> None:
    """Train's photograph again as the test eye's BMP: no byte of the two files is alike, every pixel is."""
    path = cohort.path(-1, "fundus").with_suffix(".bmp")
    Image.open(cohort.path(0, "fundus")).save(path)
    cohort.rows[-1]["fundus"] = f"fundus/{path.name}"


def wrong_checksum(cohort: Patient) -> None:
    for index, row in enumerate(cohort.rows):
        row["sha256_oct"] = hashlib.sha256(cohort.path(index, "oct").read_bytes()).hexdigest()
    cohort.rows[3]["sha256_oct"] = "0" * 64


def split_of(name: str, new: str) -> Fault:
    def fault(cohort: Patient) -> None:
        for row in cohort.rows:
            row["split"] = new if row["split"] == name else row["split"]

    return fault


def second_scan(cohort: Patient) -> None:
    row = dict(cohort.rows[0])
    row["oct"], row["fundus"] = "oct/again.npz", ""
    shutil.copy(cohort.path(0, "oct"), cohort.folder / row["oct"])
    cohort.rows.append(row)
    cohort.scan(-1, lambda voxels: voxels + np.uint8(1))


def second_visit(cohort: Patient) -> None:
    cohort.rows.append(cohort.rows[0] | {"visit_date": "2030-01-01", "fundus": ""})


def renamed(cohort: Patient) -> None:
    row = cohort.rows[3]
    other = row["fundus"].replace("_OD", "_left").replace("_OS", "_OD").replace("_left", "_OS")
    cohort.path(3, "fundus").rename(cohort.folder / "fundus" / f"x{Path(other).name}")
    row["fundus"] = f"fundus/x{Path(other).name}"


def other_eye_in_file(cohort: Patient) -> None:
    cohort.scan(3, lambda voxels: voxels, laterality="OS" if cohort.rows[3]["eye"] == "OD" else "OD")


def mirror_left(cohort: Patient) -> None:
    for index, row in enumerate(cohort.rows):
        if row["eye"] == "OS":
            cohort.scan(index, lambda voxels: voxels[:, :, ::-1])
            cohort.photo(index, lambda pixels: pixels[:, ::-1])


def shuffled(voxels: np.ndarray) -> np.ndarray:
    return voxels[np.random.default_rng(0).permutation(len(voxels))]


def with_bscan(index: int, values: object) -> Callable[[np.ndarray], np.ndarray]:
    def change(voxels: np.ndarray) -> np.ndarray:
        changed = voxels.copy()
        changed[index] = voxels[values] if isinstance(values, int) and values else 0
        return changed

    return change


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(5)))


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., 1:2], 3, axis=2)


def header(cohort: Patient) -> None:
    for row in cohort.rows:
        row["MD"] = row.pop("md_db")


STEP = np.array([0.375, 0.0625, 0.1875])

FAULTS: dict[str, tuple[Fault, Expected]] = {
    "header": (header, {("error", "table", (1,))}),
    "no patient": (cells(3, patient_id=""), {("error", "table", (5,))}),
    "missing file": (cells(3, oct="oct/none.npz"), {("error", "files", (5,))}),
    "empty file": (write(3, "fundus", lambda _: b""), {("error", "files", (5,))}),
    "garbage": (write(3, "oct", lambda _: b"x" * 999), {("error", "unreadable", (5,))}),
    "cut short": (write(3, "fundus", lambda raw: raw[:900]), {("error", "unreadable", (5,))}),
    "blank volume": (scan(3, lambda voxels: voxels * 0 + 7), {("error", "unreadable", (5,))}),
    "no spacing": (scan(3, lambda voxels: voxels, spacing_mm=np.ones(3)), {("error", "unreadable", (5,))}),
    "checksum": (wrong_checksum, {("error", "checksums", (5,))}),
    "decimal comma": (cells(3, md_db="-3,5"), {("error", "labels", (5,))}),
    "no label": (cells(3, md_db=""), {("error", "labels", (5,))}),
    "range": (cells(3, md_db="-40"), {("error", "labels", (5,))}),
    "flags": (labels(lambda index, _: index % 2), {("error", "labels", (1,))}),
    "sign": (labels(lambda index, md: min(abs(md), 4) + index / 100), {("error", "labels", (1,))}),
    "copied labels": (same_md_in_both_eyes, {("warning", "labels", SOME)}),
    "same file": (same_file, {("error", "duplicates", (TWIN,))}),
    "same volume": (copy_to("oct", "train"), {("error", "duplicates", (2, TWIN))}),
    "same photograph": (copy_to("fundus", "train"), {("error", "duplicates", (2, TWIN))}),
    "leaking volume": (copy_to("oct", "test"), {("error", "leakage", (2, TEST_TWIN))}),
    "leaking photograph": (other_format, {("error", "leakage", (2, LAST))}),
    "leaking patient": (cells(0, split="test"), {("error", "leakage", (3,))}),
    "same visit": (second_scan, {("warning", "repeats", (2, LAST))}),
    "same image at two visits": (second_visit, {("warning", "duplicates", (2, LAST))}),
    "file name": (renamed, {("error", "laterality", (5,))}),
    "file's laterality": (other_eye_in_file, {("error", "laterality", (5,))}),
    "mirrored left eyes": (mirror_left, {("warning", "laterality", COHORT)}),
    "no validation": (split_of("validation", "train"), {("error", "splits", COHORT)}),
    "split half empty": (split_of("validation", ""), {("error", "splits", SOME)}),
    "split misspelt": (cells(3, split="val"), {("error", "splits", (5,))}),
    "axes": (
        scan(3, lambda voxels: voxels[:, 8:40].transpose(0, 2, 1), spacing_mm=STEP),
        {("error", "axes", (5,)), MIXED},
    ),
    "no retina": (
        scan(3, lambda voxels: np.random.default_rng(0).integers(0, 255, voxels.shape, np.uint8)),
        {("error", "axes", (5,)), ("warning", "B-scan order", (5,))},
    ),
    "spacing": (
        scan(3, lambda voxels: voxels, spacing_mm=np.array([6 / 16, 2 / 48, 12 / 32])),
        {("warning", "scan size", (5,)), MIXED},
    ),
    "blank B-scan": (scan(3, with_bscan(4, 0)), {("warning", "blank B-scans", (5,))}),
    "repeated B-scan": (scan(3, with_bscan(4, 5)), {("warning", "repeated B-scans", (5,))}),
    "shuffled B-scans": (scan(3, shuffled), {("warning", "B-scan order", (5,))}),
    "saturated volume": (
        scan(3, lambda voxels: np.where(voxels > 80, 255, voxels).astype(np.uint8)),
        {("warning", "saturated", (5,))},
    ),
    "weak signal": (scan(3, lambda voxels: voxels // 5 + np.uint8(20)), {("warning", "weak signal", (5,))}),
    "dark photograph": (photo(3, lambda pixels: pixels // 16), {("warning", "dark photograph", (5,))}),
    "white photograph": (
        photo(3, lambda p: np.where(p[..., :1] > 200, 255, p).astype(np.uint8)),
        {("warning", "saturated photograph", (5,))},
    ),
    "blurred photograph": (photo(3, blurred), {("note", "blurred photograph", (5,))}),
    "grey photograph": (photo(3, grey), {("note", "grey photograph", (5,))}),
    "large photograph": (photo(3, lambda p: np.tile(p, (3, 3, 1))), {("note", "photograph size", (5,))}),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found_and_nothing_else(name: str, cohort: Patient, healthy: list[Finding]) -> None:
    plant, expected = FAULTS[name]
    plant(cohort)
    known = {(one.level, one.check, one.fix) for one in healthy}
    new = [one for one in found_in(cohort.save()) if (one.level, one.check, one.fix) not in known]
    numbers = {TWIN: twin(cohort, "train") + 2, TEST_TWIN: twin(cohort, "test") + 2, LAST: len(cohort.rows) + 1}
    rows_of = {(level, check): tuple(numbers.get(row, row) for row in rows) for level, check, rows in expected}
    assert {(one.level, one.check) for one in new} == rows_of.keys(), new
    for one in new:
        assert rows_of[one.level, one.check] in (SOME, one.rows), new
        assert one.fix
