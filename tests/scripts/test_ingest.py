"""The command `python -m scripts.ingest`: restart, change, refusal."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.data import read_manifest
from bundle.errors import InputError
from bundle.ingest import copies, pair_and_copy, pairing
from scripts.ingest import main

RNG = np.random.default_rng(0)
FIELDS = "patient_id,eye,date,md_db\nA,OD,2024-01-31,-3.5\nA,OS,2024-01-31,-7\nB,OD,2024-03-01,-1\n"


def photograph(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(90, 110, (40, 40, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients, three eyes, one photograph each; the right eye of A also has an OCT. The fields are a table."""
    folder = tmp_path / "source"
    folder.mkdir()
    for seed, name in enumerate(("A_OD_20240201", "A_OS_20240201", "B_OD_20240301")):
        photograph(folder / f"{name}.png", seed)
    voxels = RNG.integers(0, 255, (6, 24, 16), dtype=np.uint8)
    np.savez(folder / "A_OD_20240131.npz", voxels=voxels, spacing_mm=(0.05, 0.003, 0.02))
    (tmp_path / "fields.csv").write_text(FIELDS)
    return folder


def run(source: Path, *options: str) -> list[dict[str, str]]:
    out = source.parent / "out"
    main([str(source), "--out", str(out), "--fields", str(source.parent / "fields.csv"), "--jobs", "1", *options])
    return table(out / "manifest.csv")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def copied(source: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (source.parent / "out").rglob("P*_O[DS]_*.[np]*")
            if path.suffix in (".npz", ".png")}  # fmt: skip


def reasons(source: Path) -> list[str]:
    return [row["reason"] for row in table(source.parent / "out" / "ingest.csv") if row["outcome"] == "left out"]


def test_files_named_by_convention_and_a_table_make_a_cohort(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(source)
    assert sorted(float(row["md_db"]) for row in rows) == [-7, -3.5, -1]
    assert [bool(row["oct"]) for row in rows if row["md_db"] == "-3.5"] == [True]
    assert {row["days_to_fundus"] for row in rows} == {"0", "1"}
    assert len(read_manifest(source.parent / "out" / "manifest.csv")) == 3
    said = capsys.readouterr().out
    assert "3 examinations" in said
    assert "A_OD" not in said


def test_a_changed_source_is_copied_again_and_no_other(source: Path) -> None:
    run(source)
    before = copied(source)
    photograph(source / "B_OD_20240301.png", 9)
    rows = run(source)
    after = copied(source)
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert changed == [Path(row["fundus"]).name for row in rows if row["md_db"] == "-1"]
    read_manifest(source.parent / "out" / "manifest.csv")  # the checksums are the new ones


def test_a_stopped_run_goes_on_where_it_was(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stop_at_third(task: copies.CopyTask) -> copies.Copied | copies.LeftOut:
        calls.append(task.number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return copies.copy_image(task)

    with monkeypatch.context() as patch:
        patch.setattr(pair_and_copy, "copy_image", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            run(source)
    before = copied(source)
    assert len(before) == 2
    assert not (source.parent / "out" / "manifest.csv").exists()
    assert len(run(source)) == 3
    assert before.items() <= copied(source).items()


def test_a_patient_who_withdrew_leaves_no_copy(source: Path) -> None:
    run(source)
    for path in source.glob("A_*"):
        path.unlink()
    (row,) = run(source)
    assert list(copied(source)) == [Path(row["fundus"]).name]
    assert len(list((source.parent / "out" / "records").iterdir())) == 1


def test_the_next_best_image_takes_the_place_of_one_that_cannot_be_read(source: Path) -> None:
    (source / "B_OD_20240301.png").write_bytes((source / "B_OD_20240301.png").read_bytes()[:60])
    photograph(source / "B_OD_20240401.png", 5)
    row = next(row for row in run(source) if row["md_db"] == "-1")
    assert row["days_to_fundus"] == "31"
    assert copies.UNREADABLE in reasons(source)


def test_one_photograph_for_two_eyes_is_used_for_neither(source: Path) -> None:
    (source / "A_OS_20240201.png").write_bytes((source / "A_OD_20240201.png").read_bytes())
    rows = run(source)
    assert sorted(row["md_db"] for row in rows) == ["-1", "-3.5"]
    assert reasons(source).count(pair_and_copy.SAME_PIXELS) == 2
    assert pairing.NO_IMAGE in reasons(source)


def test_the_window_is_the_users(source: Path) -> None:
    rows = run(source, "--window-days", "0")
    assert sorted(row["md_db"] for row in rows) == ["-1", "-3.5"]  # A's photographs are of the next day
    assert pairing.NO_FIELD in reasons(source)


def test_another_key_gives_other_names_in_another_folder(source: Path) -> None:
    first = {row["patient_id"] for row in run(source)}
    out = source.parent / "second"
    fields = str(source.parent / "fields.csv")
    main(
        [str(source), "--out", str(out), "--fields", fields, "--jobs", "1", "--key", str(source.parent / "k" / "x.key")]
    )
    second = {row["patient_id"] for row in table(out / "manifest.csv")}
    assert len(first) == len(second) == 2
    assert not first & second
    assert (source.parent / "k" / "second_sources.csv").exists()
    with pytest.raises(InputError, match="another key"):
        run(source, "--key", str(source.parent / "k" / "x.key"))


def test_no_pair_at_all_is_an_error_that_names_the_report(source: Path) -> None:
    run(source)
    (source.parent / "fields.csv").write_text("patient_id,eye,date,md_db\nC,OD,2024-01-31,-3\n")
    with pytest.raises(InputError, match=r"ingest_report\.md says why"):
        run(source)
    assert not (source.parent / "out" / "manifest.csv").exists()
    assert pairing.NO_IMAGE in (source.parent / "out" / "ingest_report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("out", ["source/out", ".", "source"])
def test_folders_in_each_other_are_refused(source: Path, out: str) -> None:
    with pytest.raises(InputError, match="lie in each other"):
        main([str(source), "--out", str(source.parent / out), "--key", str(source.parent.parent / "x.key")])


def test_a_folder_of_something_else_and_bad_settings_are_refused(source: Path) -> None:
    (source.parent / "out").mkdir()
    (source.parent / "out" / "thesis.doc").write_text("x")
    with pytest.raises(InputError, match="not ingested"):
        run(source)
    for option, value in (("--window-days", "-1"), ("--jobs", "0")):
        with pytest.raises(InputError, match=option):
            run(source, option, value)
