"""The fault campaign finds faults where they are, and none in a training that is killed."""

import random
from pathlib import Path

import pytest
import torch

from bundle.reporting.history import History
from scripts.kill_training import being_written, campaign, compare, examine


def a_run(folder: Path, epochs: int, checkpoints: tuple[int, ...], weight: float = 1.0) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    History([{"epoch": float(epoch), "lr": 0.1} for epoch in range(1, epochs + 1)]).to_csv(folder / "history.csv")
    for epoch in checkpoints:
        torch.save({"network": {"w": torch.tensor([weight])}}, folder / "checkpoints" / f"checkpoint_epoch={epoch}.pt")
    return folder


def test_whole_and_fresh_checkpoints_are_no_fault(tmp_path: Path) -> None:
    assert examine(a_run(tmp_path / "a", 5, (3, 4))) == []


def test_a_damaged_a_missing_and_an_old_checkpoint_are_faults(tmp_path: Path) -> None:
    run = a_run(tmp_path / "a", 5, (4, 5))
    path = run / "checkpoints" / "checkpoint_epoch=5.pt"
    path.write_bytes(path.read_bytes()[:-100])
    (fault,) = examine(run)
    assert fault.startswith("checkpoint of epoch 5 is unreadable")
    assert examine(a_run(tmp_path / "b", 5, ())) == ["no checkpoint after epoch 5"]
    assert examine(a_run(tmp_path / "c", 5, (2, 3))) == ["the newest checkpoint is of epoch 3, the history of epoch 5"]


def test_other_weights_and_an_unfinished_training_are_faults(tmp_path: Path) -> None:
    alone, same = a_run(tmp_path / "a", 2, (2,)), a_run(tmp_path / "b", 2, (2,))
    assert compare(alone, same, 2) == []
    assert compare(alone, a_run(tmp_path / "c", 2, (2,), weight=1.0000001), 2) == ["weights differ: w"]
    (tmp_path / "killed.log").write_text("first\nout of memory\n")
    assert compare(alone, a_run(tmp_path / "killed", 2, (1,)), 2) == [
        "the killed training did not reach epoch 2: out of memory"
    ]


def test_a_file_that_is_no_checkpoint_yet_is_one_being_written(tmp_path: Path) -> None:
    run = a_run(tmp_path / "a", 2, (2,))
    assert not being_written(run)
    (run / "checkpoints" / "tmp1234").write_bytes(b"")
    assert being_written(run)
    assert not being_written(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_training_survives_two_kills(tmp_path: Path) -> None:
    found = campaign(tmp_path, 2, random.Random(0))
    assert (found.kills, found.while_writing, found.faults) == (2, 1, [])
