"""GRAPE as a data source of a config gives the cohort of the script; its column MD is a flag and changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundle.data import read_manifest
from bundle.data.adapters.grape_manifest import make_manifest
from bundle.data.perimetry_g1 import mean_deviation_db
from bundle.errors import InputError
from scripts.prepare_grape import main
from tests.data.adapters.grape_folder import baseline_row, small_grape, write_grape

SHAPE = (8, 32, 16)


def test_config_and_script_write_the_same_manifest(tmp_path):
    source = small_grape(tmp_path / "source", patients=2)
    by_config = make_manifest(source, tmp_path / "a", oct_shape=SHAPE)
    main(["--source", str(source), "--out", str(tmp_path / "b"), "--oct-shape", *map(str, SHAPE)])
    assert Path(by_config).read_bytes() == (tmp_path / "b" / "manifest.csv").read_bytes()


def test_flag_called_md_is_not_the_label(tmp_path):
    rows = [baseline_row(subject, eye, MD=str(subject % 2)) for subject in (900, 901) for eye in ("OD", "OS")]
    written = read_manifest(make_manifest(write_grape(tmp_path / "source", rows), tmp_path / "out", oct_shape=SHAPE))
    expected = [mean_deviation_db(np.full(59, 20.0 + subject % 7), 60.0) for subject in (900, 900, 901, 901)]
    assert [one.md_db for one in written] == pytest.approx(expected, abs=1e-3)


def test_second_run_writes_nothing_and_other_options_are_refused(tmp_path):
    source = small_grape(tmp_path / "source", patients=1)
    manifest = Path(make_manifest(source, tmp_path / "out", oct_shape=SHAPE))
    time = manifest.stat().st_mtime_ns
    make_manifest(source, tmp_path / "out", oct_shape=SHAPE)
    assert manifest.stat().st_mtime_ns == time
    with pytest.raises(InputError, match="another seed"):
        make_manifest(source, tmp_path / "out", oct_shape=SHAPE, seed=1)


def test_volume_size_and_source_are_checked(tmp_path):
    with pytest.raises(InputError, match="oct_shape"):
        make_manifest(small_grape(tmp_path / "source", patients=1), tmp_path / "out", oct_shape=(4, 32, 16))
    with pytest.raises(InputError, match="add --source"):
        make_manifest(None, tmp_path / "out")
