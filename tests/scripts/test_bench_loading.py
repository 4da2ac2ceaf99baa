"""The benchmark measures what it says it does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bundle.data.readers import read_oct
from scripts import bench_loading
from scripts.bench_loading import CACHED, MIRRORED, OURS, REFERENCE, main, ways, write_cube

SHAPE = (32, 96, 64)  # whole multiples of the grid, so that block means are ours too


def test_cube_is_a_volume_that_the_readers_take(tmp_path: Path) -> None:
    path = write_cube(tmp_path / "cube.dcm", SHAPE)
    volume = read_oct(path)
    assert volume.spacing_mm == pytest.approx((6 / 32, 2 / 96, 6 / 64))
    assert np.array_equal(volume.voxels, pydicom.dcmread(path).pixel_array)


def test_every_way_ends_at_the_same_image_up_to_scale(tmp_path: Path) -> None:
    """Standardizing clips a few voxels; else the images differ by a scale."""
    samples = {name: way() for name, way in ways(write_cube(tmp_path / "cube.dcm", SHAPE), tmp_path / "cache").items()}
    image = samples[OURS]["image"].numpy()
    assert image.shape == (1, 16, 48, 32)
    assert np.corrcoef(samples[REFERENCE].numpy().ravel(), image.ravel())[0, 1] > 0.99
    assert np.allclose(samples[MIRRORED]["image"].numpy()[..., ::-1], image, atol=1e-5)
    assert np.array_equal(samples[CACHED]["image"].numpy(), image)
    assert len(list((tmp_path / "cache").glob("??/*.eye"))) == 1


def test_memory_is_that_of_one_way(tmp_path: Path) -> None:
    path = write_cube(tmp_path / "cube.dcm", (64, 512, 256))  # 8 MiB of bytes, 32 MiB as floats
    grown = bench_loading.peak_mib(path, tmp_path / "cache", REFERENCE)
    if math.isnan(grown):
        pytest.skip("needs /proc of Linux")
    assert 32 < grown < 100


def test_command_prints_a_row_a_way(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_loading, "peak_mib", lambda *_: 1.0)  # a process each
    assert main(["--shape", *map(str, SHAPE), "--repeats", "1", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[-4:]] == [
        f"| {name}" for name in (REFERENCE, OURS, MIRRORED, CACHED)
    ]
