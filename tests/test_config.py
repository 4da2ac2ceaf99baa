"""Keys of a config are checked, and what was run is written down."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import ConfigParser

from bundle.config import check_keys, run_folder, running_parser, save_config
from bundle.errors import InputError, find_input_error

KNOWN = {"max_epochs": 60, "lr": 0.1, "train": {"trainer": 1}, "checks": []}


@pytest.fixture
def known(tmp_path: Path) -> Path:
    (tmp_path / "known.yaml").write_text(yaml.safe_dump(KNOWN))
    return tmp_path / "known.yaml"


def run(step: dict[str, Any], **keys: Any) -> Any:
    """As MONAI's runner does: the components of `checks` are made by a running parser."""
    parser = ConfigParser({**KNOWN, **keys, "checks": [step]})
    return parser.get_parsed_content("checks")


def test_known_keys_and_keys_that_others_refer_to_pass(known: Path) -> None:
    run({"_target_": "bundle.config.check_keys", "known": str(known)}, lr=0.2, mine=3, train={"trainer": "$@mine + 1"})


@pytest.mark.parametrize(
    ("key", "advice"),
    [("max_epoch", "did you mean 'max_epochs'"), ("zzz", "known keys: checks, lr, max_epochs, train")],
)
def test_an_unknown_key_is_refused_with_the_nearest(known: Path, key: str, advice: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        run({"_target_": "bundle.config.check_keys", "known": str(known)}, **{key: 3})
    error = find_input_error(caught.value)
    assert error is not None
    assert f"unknown key {key!r}; {advice}" in str(error)


def test_outside_of_a_config_there_is_nothing_to_check_or_save(known: Path, tmp_path: Path) -> None:
    assert running_parser() is None
    check_keys(str(known))
    with pytest.raises(InputError, match="no config is running"):
        save_config(tmp_path / "config.yaml")


def test_saved_config_has_the_overrides_and_reads_back(tmp_path: Path) -> None:
    run({"_target_": "bundle.config.save_config", "path": str(tmp_path / "config.yaml")}, lr=0.2, note="$1 + 1 ü")
    again = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert again["lr"] == 0.2
    assert again["note"] == "$1 + 1 ü"
    assert again["train"] == {"trainer": 1}


def start(folder: Path) -> None:
    run({"_target_": "bundle.config.start_run", "output_dir": str(folder)})


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        start(tmp_path / "eval" / name)
        assert (tmp_path / "eval" / "latest").resolve() == tmp_path / "eval" / name
    assert (tmp_path / "eval" / "latest" / "config.yaml").is_file()
    assert {path.name for path in (tmp_path / "eval").iterdir()} == {"first", "second", "latest"}


def test_a_real_folder_called_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").touch()
    start(tmp_path / "run")
    assert (tmp_path / "latest" / "mine").exists()
    assert not (tmp_path / "latest").is_symlink()


def test_an_impossible_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError) as caught:
        start(tmp_path / "file" / "run")
    assert "choose another folder" in str(find_input_error(caught.value))


def test_a_resumed_training_writes_to_its_own_folder(tmp_path: Path) -> None:
    run_dir = tmp_path / "eval" / "run"
    (run_dir / "checkpoints").mkdir(parents=True)
    (tmp_path / "eval" / "latest").symlink_to("run")
    checkpoint = run_dir / "checkpoints" / "checkpoint_epoch=1.pt"
    checkpoint.touch()
    for resume in (run_dir, tmp_path / "eval" / "latest", checkpoint):
        assert run_folder(str(resume), "new") == str(run_dir)
    assert run_folder(None, "new") == "new"
    with pytest.raises(InputError, match="latst"):
        run_folder(str(tmp_path / "eval" / "latst"), "new")
