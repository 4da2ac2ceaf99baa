"""Cohorts and epochs as axes: one folder a study, one run of all their cells, a report for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.comparison import Outcome, estimate_text, expand, plan_studies, publish, run_studies
from bundle.comparison.planning.grid import cohort_name
from bundle.errors import InputError
from tests.comparison.conftest import finish, one_thread


def test_single_study_keeps_its_folder(study, manifest):
    (one,) = expand(study(), {"eyes": manifest}, [None])
    assert (one.out, one.label) == (study().out, "eyes")


@pytest.mark.parametrize(
    ("names", "epochs", "folders", "labels"),
    [
        (["a", "b"], [5], ["a", "b"], ["a", "b"]),
        (["a"], [5, 9], ["a-5ep", "a-9ep"], ["a, 5 epochs", "a, 9 epochs"]),
        (["a", "b"], [5, 9], ["a-5ep", "a-9ep", "b-5ep", "b-9ep"],
         ["a, 5 epochs", "a, 9 epochs", "b, 5 epochs", "b, 9 epochs"]),
    ],
)  # fmt: skip
def test_each_cohort_and_limit_is_a_study_in_its_own_folder(study, manifest, names, epochs, folders, labels):
    studies = expand(study(), dict.fromkeys(names, manifest), epochs)
    assert [one.out.relative_to(study().out).as_posix() for one in studies] == folders
    assert [one.label for one in studies] == labels


def test_limit_given_twice_or_a_folder_of_a_single_study_is_refused(study, manifest):
    with pytest.raises(InputError, match="--epochs: found 5 5"):
        expand(study(), {"a": manifest}, [5, 5])
    plan_studies([study()])
    with pytest.raises(InputError, match="holds a single comparison"):
        expand(study(), {"a": manifest}, [5, 9])


@pytest.mark.parametrize(("path", "name"), [("x/clinic.csv", "clinic"), ("x/clinic/manifest.csv", "clinic")])
def test_cohort_is_called_after_its_file_or_its_folder(path, name):
    assert cohort_name(Path(path)) == name


def test_all_studies_run_together_and_a_failing_cell_stops_none(study, manifest, capsys):
    studies = expand(study(), {"a": manifest}, [5, 9])

    def runner(cell):
        diverged = cell.method == "concat" and cell.overrides["max_epochs"] == 5
        return Outcome(cell, 0.1, "10 steps in a row without a finite loss") if diverged else finish(cell)

    ended = run_studies(plan_studies(studies), 2, runner, one_thread)
    assert [one.failed for one in ended] == [1, 0]
    assert [[cell.done for cell in one.cells] for one in ended] == [[True, False], [True, True]]
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed: ")]
    assert len(told) == 1
    assert "concat, seed 0: 10 steps in a row" in told[0]
    text = publish(ended, study().out, "the command")
    for one in studies:
        assert str(one.out / "comparison.md") in text
        assert (one.out / "comparison.md").is_file()


def test_draft_leaves_the_studies_folder_alone(study, tmp_path):
    (one,) = plan_studies([study(seeds=(0, 1))], tmp_path / "draft")
    assert len(one.finals()) == 4
    assert not study().out.exists()


def test_estimate_counts_steps_times_backward_passes_of_what_is_not_finished(study, methods_folder):
    (methods_folder / "one.yaml").write_text("about: {cost: 1F 1B}\n")
    (methods_folder / "two.yaml").write_text("about: {cost: 2F 2B}\n")
    given = {"methods": ("one", "two"), "reference": "one", "epochs": 10, "settings": {"batch_size": 4}}
    planned = plan_studies([study(**given, seeds=(0, 1))])
    eyes = len(planned[0].cohorts[0].cohort.items("train"))
    steps = eyes // 4
    finish(planned[0].finals()[0])
    lines = {line.split()[0]: line.split()[-1] for line in estimate_text(planned).splitlines()}
    assert lines["one"] == f"{steps * 10:,}"
    assert lines["two"] == f"{steps * 10 * 2 * 2:,}"
    assert f"{steps * 50:,} gradient evaluations" in estimate_text(planned)
