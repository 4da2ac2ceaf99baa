"""What all adapters share: a folder prepared once, completed after an interruption, refused for anything else."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from bundle.data import read_manifest
from bundle.data.adapters import fairvision, gamma, harvard_gf, papila, stage, stage2
from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.data.adapters import layouts


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and link of a folder: time of change and content, or where it leads."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = (path.lstat().st_mtime_ns, str(path.readlink()).encode())
        elif path.is_file():
            found[str(path.relative_to(folder))] = (path.stat().st_mtime_ns, path.read_bytes())
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in snapshot(folder).items()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return layouts.write_stage(tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_second_run_writes_nothing_and_the_source_is_never_written_to(source, out):
    published = snapshot(source)
    manifest = stage2.make_manifest(source, out)
    first = snapshot(out)
    assert stage2.make_manifest(source, out) == manifest
    assert snapshot(out) == first
    assert snapshot(source) == published


def test_images_are_linked_and_not_copied(source, out):
    stage2.make_manifest(source, out)
    assert not [path for path in out.rglob("*.jpg") if not path.is_symlink() and not path.parent.is_symlink()]


@pytest.mark.parametrize("lost", ["manifest.csv", "oct/training_0002/oct.json", "fundus/training_0007.jpg"])
def test_interrupted_preparation_is_completed(source, out, lost):
    stage2.make_manifest(source, out)
    whole = contents(out)
    (out / lost).unlink()
    (out / "manifest.csv").unlink(missing_ok=True)
    stage2.make_manifest(source, out)
    assert contents(out) == whole


def test_conversions_of_an_interrupted_preparation_are_kept(tmp_path, out):
    root = layouts.write_fairvision(tmp_path / "source", jpeg=False)
    fairvision.make_manifest(root, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "manifest.csv").unlink()
    fairvision.make_manifest(root, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == times
    assert len(times) == 6


def test_source_that_changed_is_refused(source, out):
    stage2.make_manifest(source, out)
    layouts.write_stage(source, md_db=(-1.5, -7.25, -19.0))
    with pytest.raises(InputError, match="prepared with another source"):
        stage2.make_manifest(source, out)


def test_source_with_another_image_is_refused(tmp_path, out):
    root = layouts.write_harvard_gf(tmp_path / "source")
    harvard_gf.make_manifest(root, out)
    layouts.write_npz(root / "Training" / "data_0004.npz", oct_bscans=layouts.cube(), md=-1.0)
    with pytest.raises(InputError, match="prepared with another source"):
        harvard_gf.make_manifest(root, out)


def test_other_options_and_other_sets_are_refused(source, out, tmp_path):
    stage2.make_manifest(source, out)
    with pytest.raises(InputError, match="another oct_sidecar"):
        stage2.make_manifest(source, out, oct_sidecar={"reverse": ["bscan"]})
    with pytest.raises(InputError, match="another dataset"):
        papila.make_manifest(layouts.write_papila(tmp_path / "papila"), out)


def test_folder_with_other_files_is_refused_and_left_alone(source, out):
    out.mkdir()
    (out / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        stage2.make_manifest(source, out)
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]


def test_published_files_that_were_moved_are_linked_anew(source, out, tmp_path):
    stage2.make_manifest(source, out)
    moved = shutil.move(source, tmp_path / "moved")
    manifest = stage2.make_manifest(moved, out)
    for one in read_manifest(manifest):
        assert read_oct(one.oct).voxels.shape == (layouts.N_BSCANS, layouts.DEPTH, layouts.WIDTH)


def test_what_is_left_out_is_counted_at_every_run(tmp_path, out, caplog):
    root = layouts.write_harvard_gf(tmp_path / "source")
    for number in (4, 5):
        layouts.write_npz(root / "Training" / f"data_000{number}.npz", oct_bscans=[], md=-1.0)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            harvard_gf.make_manifest(root, out)
        assert "left out 2 of 5 (first: data_0004.npz): oct_bscans is empty" in caplog.text


def test_set_without_a_usable_eye_is_refused_with_the_reasons(tmp_path, out):
    layouts.write_npz(tmp_path / "source" / "data_0001.npz", md=-1.0)
    with pytest.raises(InputError, match=r"no eye is left to use: .*no key oct_bscans"):
        harvard_gf.make_manifest(tmp_path / "source", out)
    assert not (out / "manifest.csv").exists()


@pytest.mark.parametrize("adapter", [stage, stage2, gamma, harvard_gf, fairvision, papila])
def test_source_must_be_given_exist_and_hold_the_set(adapter, tmp_path, out):
    with pytest.raises(InputError, match="add --source"):
        adapter.make_manifest(None, out)
    with pytest.raises(InputError, match="no such folder"):
        adapter.make_manifest(tmp_path / "absent", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="check --source"):
        adapter.make_manifest(tmp_path / "empty", out)
    assert not out.exists()


def test_first_volume_is_read_before_the_manifest_appears(source, out):
    with pytest.raises(InputError, match="depth"):
        stage2.make_manifest(source, out, oct_sidecar={"spacing_mm": [0.01, 0.5, 0.01]})
    assert not (out / "manifest.csv").exists()
