"""Checkpoints hold every state, survive a failing write, and continue bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.handlers import CheckpointHandler
from bundle.handlers.checkpoint import RngState, find_checkpoint
from tests.handlers.training import training, without_time
from tests.toy import largest_difference


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A training of four epochs that nothing interrupted, and its folder."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("straight")
    trainer = training(folder)
    trainer.run()
    return trainer, folder


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def assert_equal_states(a: Any, b: Any, where: str = "") -> None:
    """Nested states, tensors bit for bit, apart from wall-clock times."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b) or bool((a.isnan() & b.isnan()).all()), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key != "seconds":
                assert_equal_states(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal_states(x, y, f"{where}/{number}")
    else:
        assert a == b or (a != a and b != b), where


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resume_at_an_epochs_end_is_never_having_stopped(straight: Any, tmp_path: Path, num_workers: int) -> None:
    """SAM, contrast with queues, modulation, dropout, batch norm and a schedule are on. Difference exactly 0."""
    training(tmp_path, max_epochs=2, num_workers=num_workers).run()
    torch.manual_seed(99)  # another process starts from another state
    resumed = training(tmp_path, resume=str(tmp_path), num_workers=num_workers)
    resumed.run()
    assert resumed.state.iteration == straight[0].state.iteration
    assert largest_difference(resumed.network, straight[0].network) == 0.0
    assert str(without_time(resumed)) == str(without_time(straight[0]))  # as text, where NaN equals NaN
    last = "checkpoint_epoch=4.pt"
    states = [torch.load(f / "checkpoints" / last, weights_only=True) for f in (tmp_path, straight[1])]
    assert_equal_states(*states)
    best = [(folder / "model.pt").read_bytes() for folder in (tmp_path, straight[1])]
    assert best[0] == best[1]


def test_a_checkpoint_holds_every_state(straight: Any) -> None:
    state = torch.load(straight[1] / "checkpoints" / "checkpoint_epoch=4.pt", weights_only=True)
    assert state.keys() >= {
        "trainer", "network", "optimizer", "sharpness", "rng", "stopped", "lr_scheduler", "ContrastiveHandler",
        "RebalancingHandler", "HistoryHandler", "BestModelHandler", "EarlyStopHandler", "checkpointer",
    }  # fmt: skip
    contrast = state["ContrastiveHandler"]
    assert contrast["queues"]["oct"]["z"].shape == (12, 6)
    assert "density.md_db_train" in contrast["loss"]
    assert set(state["RebalancingHandler"]["error"]["values"]) == {"oct", "fundus"}
    assert set(state["sharpness"]["values"]) == {"oct", "fundus"}
    assert len(state["HistoryHandler"]["rows"]) == 4
    assert len(state["optimizer"]["state"]) == len(list(straight[0].network.parameters()))


def test_the_newest_two_are_kept(straight: Any) -> None:
    assert checkpoints(straight[1]) == ["checkpoint_epoch=3.pt", "checkpoint_epoch=4.pt"]


def test_one_kept_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n_saved is 1"):
        CheckpointHandler(str(tmp_path), n_saved=1)


@pytest.mark.parametrize("how", ["raises", "killed"])
def test_a_write_that_fails_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Half of the bytes are written, then the disk is full or the process ends."""
    save = torch.save

    def half(state: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        if state.get("trainer", {}).get("iteration") != 6:
            return save(state, target, *args, **kwargs)
        target.write(b"half of a checkpoint")
        target.flush()
        raise OSError(28, "No space left on device") if how == "raises" else KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError if how == "raises" else KeyboardInterrupt):
        training(tmp_path).run()
    monkeypatch.undo()
    newest = find_checkpoint(str(tmp_path))
    assert newest.name == "checkpoint_epoch=2.pt"
    resumed = training(tmp_path, resume=str(tmp_path))
    resumed.run()
    assert resumed.state.epoch == 4
    assert checkpoints(tmp_path) == ["checkpoint_epoch=3.pt", "checkpoint_epoch=4.pt"]


def test_a_checkpoint_that_somebody_deleted_is_not_missed(tmp_path: Path) -> None:
    training(tmp_path, max_epochs=2).run()
    (tmp_path / "checkpoints" / "checkpoint_epoch=1.pt").unlink()
    training(tmp_path, resume=str(tmp_path)).run()
    assert checkpoints(tmp_path) == ["checkpoint_epoch=3.pt", "checkpoint_epoch=4.pt"]


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    training(tmp_path, max_epochs=1).run()
    (tmp_path / "checkpoints" / "tmpkilled").write_bytes(b"half")
    training(tmp_path, max_epochs=2, resume=str(tmp_path)).run()
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {
        "checkpoint_epoch=1.pt", "checkpoint_epoch=2.pt"
    }  # fmt: skip


def test_save_interval_resumes_from_the_last_saved_epoch(straight: Any, tmp_path: Path) -> None:
    """The epoch after the checkpoint is trained again, and its row replaced."""
    training(tmp_path, max_epochs=3, save_interval=2).run()
    resumed = training(tmp_path, resume=str(tmp_path), save_interval=2)
    resumed.run()
    assert [row["epoch"] for row in resumed.state.history.rows] == [1, 2, 3, 4]
    assert largest_difference(resumed.network, straight[0].network) == 0.0


def test_every_generator_goes_on_where_it_was() -> None:
    import random

    state = RngState()
    saved = state.state_dict()
    draw = lambda: (random.random(), float(np.random.normal()), float(torch.rand(1)))  # noqa: E731, NPY002
    first = draw()
    draw()
    state.load_state_dict(saved)
    assert draw() == first


# ---- what cannot be resumed ----------------------------------------------------------------------------------------


def refused(match: str, folder: Path, resume: Path, **settings: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        training(folder, resume=str(resume), **settings).run()
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_refused_in_one_line(straight: Any, tmp_path: Path) -> None:
    whole = (straight[1] / "checkpoints" / "checkpoint_epoch=4.pt").read_bytes()
    for number, content in enumerate((b"", b"text", whole[: len(whole) // 2])):
        path = tmp_path / f"damaged{number}.pt"
        path.write_bytes(content)
        refused("damaged", tmp_path, path)


@pytest.mark.parametrize(
    "content", [[1, 2], {"weights": torch.zeros(2)}, torch.zeros(3)], ids=["list", "weights", "tensor"]
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "foreign.pt")
    refused("foreign.pt", tmp_path, tmp_path / "foreign.pt")


def test_a_checkpoint_with_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"network": Payload()}, tmp_path / "code.pt")
    refused("damaged, or holds more", tmp_path, tmp_path / "code.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_another_configuration_is_refused(straight: Any, tmp_path: Path) -> None:
    refused("does not fit", tmp_path, straight[1], dim=4, max_epochs=6)
    refused("batches an epoch", tmp_path, straight[1], batch_size=4, max_epochs=6)
    refused("raise max_epochs", tmp_path, straight[1], max_epochs=3)


def test_nothing_to_resume_from_is_refused(tmp_path: Path) -> None:
    refused("no checkpoint_epoch=N.pt", tmp_path, tmp_path / "nowhere")
