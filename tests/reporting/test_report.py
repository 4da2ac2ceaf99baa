import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.reporting import History, Predictions
from bundle.reporting.report import write_report


def test_all_files_are_written_and_returned(predictions, history, tmp_path) -> None:
    found = write_report(predictions, tmp_path / "out", history, train_mean_db=-5.0, n_resamples=50)
    assert set(found) == {
        "predictions", "metrics", "report", "identity", "bland_altman", "error_by_stage", "label_distribution",
        "loss_curves", "modulation",
    }  # fmt: skip
    assert sorted(path.name for path in found.values()) == sorted(path.name for path in (tmp_path / "out").iterdir())


def test_every_picture_of_the_page_exists(predictions, history, tmp_path) -> None:
    found = write_report(predictions, tmp_path, history, n_resamples=50)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", found["report"].read_text())
    assert len(pictures) == 6
    assert all((tmp_path / name).is_file() for name in pictures)


def test_the_page_and_the_metrics_agree(predictions, tmp_path) -> None:
    found = write_report(predictions, tmp_path, title="My cohort", n_resamples=50)
    figures = json.loads(found["metrics"].read_text())["answers"]["as available"]["all"]
    page = found["report"].read_text()
    assert page.startswith("# My cohort\n")
    assert f"| all | 59 | {figures['mse']:.2f} [" in page
    assert "without a measured MD: 1." in page


def test_history_may_be_plain_rows(predictions, tmp_path) -> None:
    found = write_report(predictions, tmp_path, [{"epoch": 1, "train_loss": 0.5, "val_mse": None}], n_resamples=50)
    assert "loss_curves" in found
    assert "modulation" not in found


def test_predictions_without_any_label_make_a_report_that_says_so(predictions, tmp_path) -> None:
    found = write_report(predictions.select(~predictions.labelled), tmp_path)
    assert set(found) == {"predictions", "metrics", "report"}
    assert "No eye has a measured MD" in found["report"].read_text()


def test_the_csv_of_a_report_gives_the_same_metrics_again(predictions, tmp_path) -> None:
    first = write_report(predictions, tmp_path / "a", train_mean_db=-5.0, n_resamples=50)
    again = write_report(Predictions.from_csv(first["predictions"]), tmp_path / "b", train_mean_db=-5.0, n_resamples=50)
    one, two = (json.loads(paths["metrics"].read_text())["answers"]["oct"]["all"] for paths in (first, again))
    assert one["mse"] == pytest.approx(two["mse"], rel=1e-5)
    assert one["ci95"]["mse"] == pytest.approx(two["ci95"]["mse"], rel=1e-5)


def test_a_report_can_be_written_twice_into_one_folder(predictions, tmp_path) -> None:
    first = write_report(predictions, tmp_path, History(), n_resamples=50)
    before = {name: path.read_bytes() for name, path in first.items()}
    again = write_report(predictions, tmp_path, History(), n_resamples=50)
    assert {name: path.read_bytes() for name, path in again.items()} == before


def test_importing_the_package_needs_neither_torch_nor_matplotlib() -> None:
    code = "import sys, bundle.reporting as r; sys.exit(bool({'torch', 'ignite', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
