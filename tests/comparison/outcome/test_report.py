"""The page of a study beside its table, and the page of several studies."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from bundle.comparison import collect, plan_cells, read_eyes, write_cohorts, write_comparison
from bundle.comparison.outcome.overview import by_rank
from bundle.comparison.outcome.report import write_overview
from bundle.comparison.planning.tuning import TuningRow, write_tuning
from bundle.comparison.running.environment import public_command, public_value
from bundle.metrics import Interval
from bundle.reporting import Comparison, Summary
from tests.comparison.conftest import finish


def ended(one, biases=None, skip=()):
    """A study whose cells are finished, with each method's error."""
    cohorts = write_cohorts(one, read_eyes(one))
    cells = plan_cells(one, cohorts)
    for cell in cells:
        if cell.method not in skip:
            finish(cell, (biases or {}).get(cell.method, 1.0))
    return one, cohorts, collect(cells, cohorts, one.name)


def page_of(done) -> str:
    write_comparison(*done, "the command")
    return (done[0].out / "comparison.md").read_text(encoding="utf-8")


def test_trials_and_what_they_chose_are_told(study):
    done = ended(study(methods=("ogm", "concat")))
    rows = [TuningRow("ogm", 1, 0.1, "modulator#alpha", "0.3", 12.0, False),
            TuningRow("ogm", 2, 0.2, "modulator#alpha", "0.8", 11.0, True),
            TuningRow("concat", 1, 0.1, "", "", 14.0, True),
            TuningRow("concat", 2, 0.4, "", "", float("nan"), False)]  # fmt: skip
    write_tuning(rows, done[0].out)
    page = page_of(done)
    assert "| ogm | modulator#alpha = 0.8 | 2 | 0.2 | 11.00 | 12.00 |" in page
    assert "| concat | – | 2 | 0.1 | 14.00 | 14.00 |" in page
    assert "| ogm | 1 | 2 | 3 | 12 | 2 |" in page  # costs


def test_without_trials_there_is_no_table_of_them(study):
    page = page_of(ended(study()))
    assert "Chosen by trials" not in page
    assert "| concat | 1 | 2 | 3 | 12 | 0 |" in page


def test_refused_and_failed_come_with_their_reason_and_without_paths(study):
    refused = {"cagrad": "/home/jane/net.yaml and configs/methods/cagrad.yaml give 'combiner' different values"}
    one, cohorts, results = ended(study(refused=refused, seeds=(0, 1)), skip=("oct_only",))
    failed, stopped = results.missing
    for cell, text in (
        (failed, "Traceback\nFileNotFoundError: no file /home/jane/SMITH.npz"),
        (stopped, "epoch 3 of 9"),
    ):
        cell.folder.mkdir(parents=True)
        (cell.folder / "log.txt").write_text(text, encoding="utf-8")
    page = page_of((one, cohorts, results))
    assert "- cagrad: …/net.yaml and configs/methods/cagrad.yaml give 'combiner' different values" in page
    assert "- oct_only, seed 0: FileNotFoundError: no file … (cells/oct_only-seed0/log.txt)" in page
    assert "- oct_only, seed 1: interrupted (cells/oct_only-seed1/log.txt)" in page


def test_page_says_how_to_read_it(study):
    assert "## How to read it" in page_of(ended(study()))


@pytest.fixture
def grid(study, tmp_path):
    """Two cohorts and two limits of epochs; the error falls with the epochs."""
    done = []
    for cohort in ("phantom", "grape"):
        for epochs in (5, 10):
            one = study(
                out=tmp_path / "all" / f"{cohort}-{epochs}ep", cohort_name=cohort, epochs=epochs, epochs_axis=True
            )
            skip = ("oct_only",) if (cohort, epochs) == ("grape", 10) else ()
            done.append(ended(one, {"oct_only": 10 / epochs, "concat": 20 / epochs}, skip))
    return done


def test_overview_has_every_study_in_one_table(grid, tmp_path):
    text = write_overview(grid, tmp_path / "all", "python -m scripts.compare --manifest /home/jane/x.csv")
    page = (tmp_path / "all" / "overview.md").read_text(encoding="utf-8")
    labels = "phantom, 5 epochs | phantom, 10 epochs | grape, 5 epochs | grape, 10 epochs"
    assert page.count(f"| Method | {labels} |") == 2
    assert "| oct_only | 4.00 | 1.00 | 4.00 | – |" in page
    assert "| oct_only | 0.25 [0.25, 0.25] | 0.25 [0.25, 0.25] | 0.25 [0.25, 0.25] | – |" in page
    assert "| concat | reference | reference | reference | reference |" in page
    assert "- [grape, 10 epochs](grape-10ep/comparison.md): 1 trainings finished, 1 not" in page
    assert "--manifest …/x.csv" in page
    assert text.splitlines()[0].split("  ")[0] == "Method"
    for name in ("overview.png", "curves.png"):
        assert (tmp_path / "all" / name).stat().st_size > 5000


def test_one_tidy_table_holds_all_studies(grid, tmp_path):
    write_overview(grid, tmp_path / "all", "command")
    with (tmp_path / "all" / "results.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["metric"], row["split"]) == ("mse", "test")]
    key = ("cohort", "method", "epochs_limit", "seed", "fold", "split", "recalibration", "metric")
    value = {tuple(row[name] for name in key): float(row["value"]) for row in rows}
    assert len(value) == len(rows) == 4 * 3 - 1
    assert value["grape", "concat", "10", "0", "", "test", "", "mse"] == pytest.approx(4.0, abs=1e-5)


def test_overview_of_cohorts_alone(grid, tmp_path):
    done = [grid[0], grid[2]]
    done = [(replace(one, epochs_axis=False), *rest) for one, *rest in done]
    write_overview(done, tmp_path / "two", "command")
    assert "| Method | phantom | grape |" in (tmp_path / "two" / "overview.md").read_text(encoding="utf-8")
    assert (tmp_path / "two" / "curves.png").is_file()


def test_rank_is_the_mean_over_the_studies_that_have_the_method():
    def rows(**mse):
        return {
            name: Comparison(name, "c", "mse", "ratio", "a", {"mse": Summary(value, 0.0, 2)}, Interval(1, 1, 1), None)
            for name, value in {**mse, "mean": 0.5}.items()
        }

    found = {"x": rows(a=3.0, b=2.0, c=1.0), "y": rows(a=3.0, b=1.0, c=2.0), "z": rows(a=3.0, b=1.0)}
    assert by_rank(found) == ["b", "c", "a", "mean"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/jane/a.csv", "…/a.csv"),
        ("my/a.csv", "my/a.csv"),
        ("~/a.csv", "…/a.csv"),
        ("init=/home/jane/w.pt", "init=…/w.pt"),
        ("sqlite:////home/jane/mlflow.db", "sqlite://…/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ({"a": ["/x/y", 3]}, {"a": ["…/y", 3]}),
        (0.5, 0.5),
    ],
)
def test_folders_of_the_user_are_not_published(value, expected):
    assert public_value(value) == expected


def test_published_command_stays_a_command():
    command = "python -m scripts.compare --manifest '/home/Jane Doe/my eyes.csv' --set lr=1.0e-3"
    assert public_command(command) == "python -m scripts.compare --manifest '…/my eyes.csv' --set lr=1.0e-3"
