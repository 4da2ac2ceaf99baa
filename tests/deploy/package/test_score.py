"""The score comes from the report beside the model, or there is none."""

import json
import os
from pathlib import Path

import pytest

from bundle.deploy.model_folder import read_description
from bundle.deploy.package.card import NO_SCORE, with_performance
from bundle.deploy.package.command import COMMAND, training_command
from bundle.deploy.package.default_model import ensure_model
from bundle.deploy.package.score import Score, read_score
from bundle.errors import InputError
from tests.deploy.packaged import ROOT, write_run

TRAIN = ROOT / "configs" / "train.yaml"


def score(run: Path) -> Score | None:
    return read_score(run, read_description(run), TRAIN)


def test_date_is_that_of_the_report_and_interval_that_of_the_bootstrap(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    os.utime(run / "test" / "metrics.json", (1_800_000_000, 1_800_000_000))
    found = score(run)
    assert found is not None
    assert found.date == "2027-01-15"
    assert found.to_metadata()["test_mse_oct_db2"] == 6.5
    assert (found.n_eyes, found.n_patients) == (20, 11)


def test_a_report_of_another_model_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    path = run / "test" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"train_mean_db": -7.0}))
    with pytest.raises(InputError, match="another model"):
        score(run)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"answers": {"oct": {}}}'])
def test_a_broken_report_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "test" / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json") as caught:
        score(run)
    assert "\n" not in str(caught.value)


def test_without_report_there_is_no_score_and_the_card_says_so(tmp_path: Path) -> None:
    assert score(write_run(tmp_path / "run", report=False)) is None
    card = "# A\n\n## Performance\nold\n\n| x |\n\n## Next\nkept\n"
    assert with_performance(card, None) == f"# A\n\n## Performance\n{NO_SCORE}\n\n## Next\nkept\n"
    with pytest.raises(InputError, match="Performance"):
        with_performance("# A\n", None)


def test_the_command_says_what_was_set_and_no_path() -> None:
    default = {"lr": 0.1, "amp": False, "ascent": {"rho": 1}, "transforms": [1], "manifest": {"_target_": "phantom"}}
    assert training_command(default, default) == COMMAND
    changed = {
        **default, "amp": True, "ascent": {"rho": 2.5}, "transforms": [2], "manifest": "/somebody/jane.csv",
        "output_dir": "/somebody/eval",
    }  # fmt: skip
    assert training_command(changed, default) == (
        COMMAND + " --amp true --ascent#rho 2.5 --manifest MANIFEST (and other values of transforms)"
    )


def test_no_model_and_no_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--no-train"):
        ensure_model(tmp_path / "models", tmp_path, train=False)


def test_a_missing_model_is_trained_and_promoted_with_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training(command: list[str], **_: object) -> object:
        write_run(Path(command[command.index("--output_dir") + 1]))
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr("subprocess.run", training)
    ensure_model(tmp_path / "models", tmp_path, train=True)
    found = score(tmp_path / "models")
    assert found is not None
    assert found.command == COMMAND + " --max_epochs 7"
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("trained again"))
    ensure_model(tmp_path / "models", tmp_path, train=True)


def test_a_failed_training_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: type("Done", (), {"returncode": 1}))
    with pytest.raises(InputError, match="training failed"):
        ensure_model(tmp_path / "models", tmp_path, train=True)
    assert not (tmp_path / "models").exists()
