"""`scripts.compare` from its command line to its report."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from bundle.data.phantom import make_phantom
from bundle.errors import InputError
from bundle.reporting import Predictions
from scripts import compare


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> str:
    return make_phantom(tmp_path_factory.mktemp("eyes") / "phantom", n_patients=24)


def test_list_names_every_method_with_its_headline(capsys):
    assert compare.main(["--list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"oct_only", "fundus_only", "concat", "multi_loss", "re_m3dr"} <= set(lines)
    assert lines["oct_only"].startswith("OCT alone")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--manifest or --phantom: found neither"),
        (["--phantom", "default", "--manifest", "x.csv"], "found both"),
        (["--phantom", "default", "--methods", "magic"], "known methods: "),
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
    assert compare.read_settings(["lr=1.0e-3", "amp=true", "a#b=[1, 2]", "x="]) == {
        "lr": 1e-3, "amp": True, "a#b": [1, 2], "x": None,
    }  # fmt: skip


def test_smoke_is_every_method_and_gives_way_to_options(monkeypatch):
    monkeypatch.setattr(compare, "make_phantom", lambda a: Path(f"{a.phantom}-{a.patients}"))
    options = compare.parser().parse_args(["--preset", "smoke", "--epochs", "5"])
    compare.apply_preset(options)
    study = compare.read_study(options)
    assert (study.epochs, len(study.seeds), str(study.manifest)) == (5, 1, "default-24")
    assert "re_m3dr" in study.methods


def test_two_methods_from_the_command_line_to_the_report(phantom, tmp_path, capsys):
    out = tmp_path / "study"
    command = ["--manifest", phantom, "--methods", "oct_only", "concat", "--seeds", "1", "--epochs", "1",
               "--jobs", "1", "--out", str(out)]  # fmt: skip
    assert compare.main(command) == 0
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["method"] for r in rows} == {"oct_only", "concat", "mean predictor"}
    assert {r["epochs"] for r in rows if r["method"] == "concat"} == {"1"}
    answers = [Predictions.from_csv(out / "cells" / f"{m}-seed0" / "predictions.csv") for m in ("oct_only", "concat")]
    assert list(answers[0].row) == list(answers[1].row)
    assert set(answers[0].modalities) == {"oct"}
    assert set(answers[1].modalities) == {"oct+fundus"}
    first = (out / "cells" / "concat-seed0" / "done.json").stat().st_mtime_ns
    assert "[2/2]" in capsys.readouterr().out
    assert compare.main(command) == 0  # nothing left to do
    assert (out / "cells" / "concat-seed0" / "done.json").stat().st_mtime_ns == first


def test_failed_training_is_one_line_and_exit_code_1(phantom, tmp_path, capfd):
    out = tmp_path / "study"
    command = ["--manifest", phantom, "--methods", "concat", "--seeds", "1", "--epochs", "1", "--out", str(out),
               "--set", "network_def#oct_encoder#patch=[2, 4]"]  # fmt: skip
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
                "--out", str(out)]  # fmt: skip

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
