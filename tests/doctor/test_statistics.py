"""The numbers behind the checks, against closed forms, SciPy and real eyes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from bundle.data.manifest_row import Problem
from bundle.data.phantom import Phantom
from bundle.data.readers import FundusImage, OctVolume
from bundle.doctor.bscan_order import order_ratio
from bundle.doctor.clinic import UWHVF_PERCENTS, UWHVF_QUANTILES_DB, UWHVF_SHARES, distance_to_clinic, stage_shares
from bundle.doctor.coarse import block_mean, standard_pattern
from bundle.doctor.finding import from_problems
from bundle.doctor.fundus_facts import fundus_facts
from bundle.doctor.hidden_names import hide_names
from bundle.doctor.oct_facts import oct_facts
from bundle.doctor.tables import rows_text
from tests.realdata import realdata


@pytest.fixture(scope="module")
def voxels() -> np.ndarray:
    """A volume of 64 B-scans."""
    source = Phantom("realistic", 0)
    return source.render(source.examinations(0)[0])[0]


def test_ratio_of_a_ramp_is_its_closed_form() -> None:
    n = 50  # neighbours differ by 1, and the variance of 1 ... n is n (n + 1) / 12
    assert order_ratio(np.arange(n, dtype=np.float32)[:, None]) == pytest.approx(6 / (n * (n + 1)))


def test_ratio_of_noise_is_one() -> None:
    assert order_ratio(np.random.default_rng(0).normal(size=(400, 60))) == pytest.approx(1, abs=0.02)


def test_order_as_text_is_told_from_the_right_one(voxels: np.ndarray) -> None:
    as_text = sorted(range(len(voxels)), key=str)
    assert as_text[:4] == [0, 1, 10, 11]
    right, wrong = (oct_facts(_volume(one)) for one in (voxels, voxels[as_text]))
    assert right.text_ratio > 1
    assert wrong.text_ratio < 0.8
    assert wrong.text_ratio * wrong.order_ratio == pytest.approx(right.order_ratio)


def _volume(voxels: np.ndarray) -> OctVolume:
    return OctVolume(voxels=voxels, spacing_mm=(6 / 64, 2 / 256, 6 / 128))


def test_depth_is_singled_out_in_real_bscans() -> None:
    folder = realdata("cirrus_bscans", "onh-3subsets")
    for path in folder.glob("*/img/*"):
        bscan = np.asarray(Image.open(path).convert("L"))
        volume = np.stack([bscan, bscan[:, ::-1], bscan, bscan[:, ::-1]])
        shares = oct_facts(OctVolume(voxels=volume, spacing_mm=(0.03, 2 / 1024, 0.03))).axis_shares
        assert shares[1] > 10 * shares[2]


def test_equal_pixels_have_equal_hashes_and_others_do_not(voxels: np.ndarray) -> None:
    changed = voxels.copy()
    changed[-1, -1, -1] ^= 1
    hashes = [oct_facts(_volume(one)).content for one in (voxels, np.asfortranarray(voxels), changed)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_facts_of_a_photograph_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (40, 50, 3), np.uint8)
    pixels[:10] = 255
    facts = fundus_facts(FundusImage(pixels=pixels))
    assert facts.saturated_share == 0.25
    assert facts.brightness == 255
    assert not facts.grey


@pytest.mark.parametrize("size", [4, 5, 12])
def test_block_means_are_those_of_the_pieces(size: int) -> None:
    values = np.random.default_rng(0).integers(0, 255, (12, 3), np.uint8)
    pieces = np.split(values, [k * 12 // size for k in range(1, size)])
    expected = [piece.mean(axis=0) for piece in pieces]
    np.testing.assert_allclose(block_mean(values, 0, size), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 300), (16, 16), (1000, 20)])
def test_pattern_is_square_and_standard_and_mirrors(shape: tuple[int, int]) -> None:
    pattern = standard_pattern(np.random.default_rng(0).normal(size=shape))
    assert pattern.shape == (16, 16)
    assert abs(pattern.mean()) < 1e-5
    assert pattern.std() == pytest.approx(1, abs=1e-5)


def test_distance_is_that_of_scipy() -> None:
    md_db = np.random.default_rng(0).normal(-4, 3, 200)
    expected = stats.kstest(md_db, lambda x: np.interp(x, UWHVF_QUANTILES_DB, UWHVF_PERCENTS) / 100).statistic
    assert distance_to_clinic(md_db) == pytest.approx(expected)


def test_clinic_is_the_published_one() -> None:
    with realdata("uwhvf", "Series_Summary.csv").open(newline="") as file:
        md_db = np.array([float(row["Baseline_MTD"]) for row in csv.DictReader(file)])
    assert distance_to_clinic(md_db) < 0.02
    assert stage_shares(md_db) == pytest.approx(UWHVF_SHARES, abs=0.001)


def test_left_eyes_are_mirror_images_in_real_photographs() -> None:
    patterns: dict[str, list[np.ndarray]] = {"OD": [], "OS": []}
    for path in sorted(realdata("grape").rglob("*_1.jpg")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        patterns["OD" if "_OD_" in path.name else "OS"].append(standard_pattern(pixels[..., 1]))
    right, left = (np.mean(patterns[eye], axis=0) for eye in ("OD", "OS"))
    mirrored, straight = (np.corrcoef(one.ravel(), left.ravel())[0, 1] for one in (right[:, ::-1], right))
    assert mirrored > straight + 0.1


@pytest.mark.parametrize(
    ("rows", "text"),
    [((), "cohort"), ((4,), "4"), ((2, 3, 4, 9), "2-4, 9 (4 rows)"), (tuple(range(2, 40, 2)), ", 16, ... (19 rows)")],
)
def test_rows_are_told_in_runs(rows: tuple[int, ...], text: str) -> None:
    assert rows_text(rows).endswith(text)


def test_problems_that_differ_in_values_only_are_one_finding() -> None:
    text = "found '{0}' with a decimal comma, expected a decimal point: write -{1}"
    problems = [Problem(row, "md_db", text.format(f"-{row},5", f"{row}.5")) for row in (7, 3)]
    (finding,) = from_problems("labels", problems, merge=True)
    assert finding.rows == (3, 7)
    assert "'-7,5'" in finding.message
    assert "row 7; the others alike" in finding.message
    assert finding.fix == "write -7.5"
    assert len(from_problems("labels", problems)) == 2


def test_names_of_files_and_of_those_in_a_folder_are_hidden(tmp_path) -> None:
    folder = tmp_path / "12"
    folder.mkdir()
    (folder / "smith_001.png").touch()
    text = f"{folder}: smith_001.png: found 12 pixels in '12', sidecar 12.json"
    assert hide_names(text, folder, "x/12") == "…: found 12 pixels in '…', sidecar …"
