"""`scripts.compare` from its command line to its report."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from bundle.comparison import known_methods
from bundle.comparison.methods.listing import LIMITS, limiting_cases
from bundle.comparison.planning import asked
from bundle.comparison.planning.options import apply_preset, parser
from bundle.comparison.planning.settings import read_settings
from bundle.comparison.planning.tuning import read_tuning
from bundle.data.phantom import make_phantom
from bundle.errors import InputError
from bundle.reporting import Predictions
from scripts import compare


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> str:
    return make_phantom(tmp_path_factory.mktemp("eyes") / "phantom", n_patients=24)


def test_list_has_cost_paper_and_oracle_test_of_every_method_in_aligned_columns(capsys):
    assert compare.main(["--list"]) == 0
    table, _, limits = capsys.readouterr().out.partition("\n\n")
    lines = table.splitlines()
    rows = [line for line in lines[2:-1] if not line.startswith(" ")]
    assert {row.split()[0] for row in rows} == set(known_methods())
    for column in (lines[0].index("cost"), lines[0].index("paper")):
        assert all(row[column - 1] == " " != row[column] for row in rows)
    oracles = [line.strip() for line in lines if line.startswith("    oracle: ")]
    assert len(oracles) == len(rows)
    assert all(len(line) <= 140 for line in lines)
    assert "    test_hard_targets_without_margin_are_supcon" in limits.splitlines()


def test_every_file_of_limiting_cases_is_there_and_has_tests():
    listed = limiting_cases()
    places = [listed.index(name) for name in LIMITS]
    assert all(listed[place + 1].startswith("    test_") for place in places)


def test_verbose_list_says_what_each_method_is(capsys):
    assert compare.main(["--list", "--verbose"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("oct_only "))
    assert lines[place + 1].strip().startswith("OCT alone")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--manifest or --phantom: found neither"),
        (["--phantom", "default", "default"], "two cohorts called 'default'"),
        (["--phantom", "default", "--methods", "magic"], "no method is left.*magic: .*known methods: "),
        (["--phantom", "default", "--methods", "mean"], "no method is left"),
        (["--phantom", "default", "--methods", "concat", "concat"], "twice"),
        (["--phantom", "default", "--epochs", "3", "3"], "--epochs: found 3 3"),
        (["--phantom", "default", "--trials", "0"], "--trials: found 0"),
        (["--phantom", "default", "--lr-factors", "-1"], "--lr-factors: found"),
        (["--phantom", "default", "--set", "lr"], "expected KEY=VALUE"),
        (["--phantom", "default", "--set", "learnrate=1"], "unknown key 'learnrate'"),
        (["--phantom", "default", "--set", "lr=[1"], "no YAML value"),
        (["--phantom", "default", "--jobs", "0"], "--jobs: found 0"),
        (["--phantom", "default", "--seeds", "0"], "--seeds: found 0"),
        (["--manifest", "nowhere/manifest.csv"], "nowhere"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        compare.main(arguments)
    assert not list(tmp_path.iterdir())


def test_settings_are_read_as_yaml():
    assert read_settings(["lr=1.0e-3", "amp=true", "a#b=[1, 2]", "x="]) == {
        "lr": 1e-3, "amp": True, "a#b": [1, 2], "x": None,
    }  # fmt: skip


def test_smoke_is_every_method_and_gives_way_to_options(monkeypatch):
    monkeypatch.setattr(asked, "phantom_manifest", lambda a, name: Path(f"{name}-{a.patients}"))
    options = parser(None).parse_args(["--preset", "smoke", "--epochs", "5"])
    apply_preset(options)
    (study,) = asked.read_studies(options)
    assert (study.epochs, len(study.seeds), str(study.manifest)) == (5, 1, "default-24")
    assert study.methods == tuple(known_methods())
    assert study.refused == {}


def test_manifests_and_phantoms_are_cohorts_of_one_command(monkeypatch, phantom, tmp_path):
    monkeypatch.setattr(asked, "phantom_manifest", lambda a, name: Path(name))
    command = ["--manifest", phantom, "--phantom", "long_tail", "--epochs", "2", "3", "--out", str(tmp_path)]
    studies = asked.read_studies(parser(None).parse_args(command))
    assert [one.label for one in studies] == [
        "phantom, 2 epochs", "phantom, 3 epochs", "long_tail, 2 epochs", "long_tail, 3 epochs",
    ]  # fmt: skip
    assert [str(one.manifest) for one in studies] == [phantom, phantom, "long_tail", "long_tail"]


def test_dry_run_says_what_would_be_trained_and_writes_nothing(phantom, tmp_path, capsys):
    out = tmp_path / "study"
    command = ["--manifest", phantom, "--methods", "oct_only", "concat", "--seeds", "2", "--epochs", "3", "--trials",
               "2", "--out", str(out), "--dry-run"]  # fmt: skip
    assert compare.main(command) == 0
    text = capsys.readouterr().out
    assert "training eyes, at most 3 epochs" in text
    assert "gradient evaluations" in text
    assert not out.exists()


def test_tuned_methods_from_the_command_line_to_the_report(phantom, tmp_path, capfd):
    out = tmp_path / "study"
    command = ["--manifest", phantom, "--methods", "oct_only", "conact", "concat", "--seeds", "1", "--epochs", "1",
               "--trials", "2", "--jobs", "1", "--out", str(out), "--no-tracking"]  # fmt: skip
    assert compare.main(command) == 1  # one method is refused, and the others go on
    told = capfd.readouterr()
    refused = [line for line in told.err.splitlines() if line.startswith("refused")]
    assert len(refused) == 1
    assert "conact" in refused[0]
    assert "did you mean 'concat'" in refused[0]
    assert "[6/6]" in told.out
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["method"] for r in rows} == {"oct_only", "concat", "mean"}
    assert {r["epochs"] for r in rows if r["method"] == "concat"} == {"1"}
    answers = [Predictions.from_csv(out / "cells" / f"{m}-seed0" / "predictions.csv") for m in ("oct_only", "concat")]
    assert list(answers[0].row) == list(answers[1].row)
    assert set(answers[0].split) == {"validation", "test"}
    assert set(answers[0].modalities) == {"oct"}
    assert set(answers[1].modalities) == {"oct+fundus"}
    trial = out / "cells" / "concat-trial1"
    assert set(Predictions.from_csv(trial / "predictions.csv").split) == {"validation"}
    assert [(row.method, row.trial) for row in read_tuning(out)] == [
        ("oct_only", 1), ("oct_only", 2), ("concat", 1), ("concat", 2),
    ]  # fmt: skip
    assert "conact" in (out / "comparison.md").read_text(encoding="utf-8")
    assert not list((out / "cells").rglob("*.png"))  # nobody reads a report for each training
    first = (out / "cells" / "concat-seed0" / "done.json").stat().st_mtime_ns
    assert compare.main(command) == 1  # nothing left to do
    assert (out / "cells" / "concat-seed0" / "done.json").stat().st_mtime_ns == first


def test_failed_training_is_one_line_and_exit_code_1(phantom, tmp_path, capfd):
    out = tmp_path / "study"
    command = ["--manifest", phantom, "--methods", "concat", "--seeds", "1", "--epochs", "1", "--out", str(out),
               "--no-tracking", "--set", "network_def#oct_encoder#patch=[2, 4]"]  # fmt: skip
    assert compare.main(command) == 1
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("failed")]
    assert len(told) == 1
    assert "patch has 2 values" in told[0]
    assert "log.txt" in told[0]
    assert "concat, seed 0" in (out / "comparison.md").read_text()


@pytest.mark.slow
def test_killed_study_goes_on_to_the_same_answers(phantom, tmp_path):
    """SIGKILL while a cell trains: the same command ends with the numbers of a study that was never stopped."""

    def command(out):
        return ["--manifest", phantom, "--methods", "re_m3dr", "--seeds", "1", "--epochs", "12", "--jobs", "1",
                "--no-tracking", "--out", str(out)]  # fmt: skip

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = multiprocessing.get_context("spawn").Process(target=compare.main, args=(command(killed),))
    process.start()
    folder = killed / "cells" / "re_m3dr-seed0"
    while not list(folder.glob("run/checkpoints/checkpoint_epoch=[2-9].pt")):
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    time.sleep(3)  # the cell's own process notices and ends
    assert not (folder / "done.json").exists()
    assert compare.main(command(killed)) == 0
    assert "resumed after epoch" in (folder / "log.txt").read_text()
    assert compare.main(command(whole)) == 0
    other = whole / "cells" / "re_m3dr-seed0"
    assert (folder / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()
