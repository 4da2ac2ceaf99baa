"""A cohort is served by the rows of its manifest."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from bundle.deploy.monailabel.studies import Studies
from bundle.errors import InputError
from tests.deploy.monailabel.studies_folder import touch
from tests.toy import write_cohort


def test_a_manifest_is_served_by_its_rows(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path, n_patients=3, missing={1: "fundus", 2: "oct"})
    studies = Studies(tmp_path)
    assert {name: one.modalities for name, one in studies.all().items()} == {
        "row2": ["oct", "fundus"], "row3": ["oct"], "row4": ["fundus"],
    }  # fmt: skip
    assert studies.get("row3").image("oct") == tmp_path / "oct1.npz"
    manifest.write_text("patient_id,eye,oct,fundus\np,OD,oct0.npz,\n")
    assert len(studies.all()) == 3, "rows must not change their meaning while the server runs"


def test_a_manifest_without_md_will_do_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    write_cohort(tmp_path, n_patients=1)
    (tmp_path / "manifest.csv").write_text("patient_id,eye,oct\np,OD,oct0.npz\n")
    assert Studies(tmp_path).get("row2").eye == "OD"
    (tmp_path / "manifest.csv").write_text("patient_id,eye,oct\np,XX,oct0.npz\n")
    with pytest.raises(InputError, match="row 2, column eye"):
        Studies(tmp_path)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_row_that_leads_out_is_refused_at_the_start(tmp_path: Path, absolute: bool) -> None:
    outside = touch(tmp_path, "secret.npz") / "secret.npz"
    studies = tmp_path / "studies"
    studies.mkdir()
    with (studies / "manifest.csv").open("w", newline="") as file:
        row = ["p", "OD", outside if absolute else "../secret.npz"]
        csv.writer(file).writerows([["patient_id", "eye", "oct"], row])
    with pytest.raises(InputError, match="row 2, column oct: found a file outside the studies folder") as caught:
        Studies(studies)
    assert "secret" not in str(caught.value)


def test_the_phantoms_layout_is_served_by_its_manifest(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "flat", n_patients=1)
    (tmp_path / "cohort" / "oct").mkdir(parents=True)
    shutil.copy(manifest.parent / "oct0.npz", tmp_path / "cohort" / "oct" / "P0001_OD.npz")
    (tmp_path / "cohort" / "manifest.csv").write_text("patient_id,eye,oct,fundus,md_db\nP1,OD,oct/P0001_OD.npz,,-3\n")
    assert list(Studies(tmp_path / "cohort").all()) == ["row2"]
