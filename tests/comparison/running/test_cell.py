"""One cell: its output in its log, its errors in one line, its checkpoint used when there is one."""

from __future__ import annotations

import os

import pytest

from bundle.comparison import Cell, run_cell
from bundle.comparison.running import cell as module
from bundle.errors import InputError

FACTS = {"seconds": 1.0, "epochs": 1, "gradient_evaluations": 2}


@pytest.fixture
def cell(tmp_path):
    return Cell("concat", 0, None, tmp_path / "concat-seed0")


@pytest.fixture
def training(monkeypatch):
    """Replaces the training; the list collects what each was asked to resume."""
    asked: list[str | None] = []
    behaviour = {"error": None, "resumable": True}

    def train_once(cell, run, resume):
        asked.append(resume)
        print("from python")
        os.system("echo from a child")
        if resume and not behaviour["resumable"]:
            raise RuntimeError("in a component") from InputError("damaged")
        if behaviour["error"]:
            raise RuntimeError("in a component") from behaviour["error"]
        (run / "test").mkdir(parents=True, exist_ok=True)
        (run / "test" / "predictions.csv").write_text("answers")
        return FACTS

    monkeypatch.setattr(module, "train_once", train_once)
    return asked, behaviour


@pytest.mark.parametrize(
    ("row", "passes"),
    [({}, 1), ({"rho": 0.0}, 1), ({"rho": 0.01}, 2), ({"rho": 0.01, "gradient_passes": 1.2}, 1.2)],
)
def test_gradient_passes_are_the_trainers_count_or_two_with_an_ascent(row, passes):
    assert module.gradient_passes(row) == passes


def checkpoint(cell):
    path = cell.folder / "run" / "checkpoints" / "checkpoint_epoch=3.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"state")
    return path


def test_finished_cell_has_its_answers_and_its_marker(cell, training):
    outcome = run_cell(cell)
    assert (outcome.error, cell.done, cell.facts()) == (None, True, FACTS)
    assert (cell.folder / "predictions.csv").read_text() == "answers"


def test_everything_printed_goes_to_the_cells_log_and_nothing_after_it(cell, training, capfd):
    with capfd.disabled():  # pytest's own capture hides what Python writes from the file descriptors
        before = [os.fstat(stream).st_ino for stream in (1, 2)]
        run_cell(cell)
        assert [os.fstat(stream).st_ino for stream in (1, 2)] == before
    log = (cell.folder / "log.txt").read_text()
    assert "from python" in log
    assert "from a child" in log


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FloatingPointError("10 steps in a row\nmore"), "FloatingPointError: 10 steps in a row"),
        (InputError("lr: found x"), "lr: found x"),
    ],
)
def test_error_is_one_line_and_the_log_has_it_all(cell, training, error, told, capfd):
    training[1]["error"] = error
    with capfd.disabled():
        outcome = run_cell(cell)
    assert outcome.error == told
    assert not cell.done
    assert "Traceback" in (cell.folder / "log.txt").read_text()


def test_stopped_cell_resumes_and_drops_its_checkpoints_once_done(cell, training):
    path = checkpoint(cell)
    assert run_cell(cell).error is None
    assert training[0] == [str(cell.folder / "run")]
    assert not path.exists()


def test_failed_cell_keeps_its_checkpoints(cell, training):
    path = checkpoint(cell)
    training[1]["error"] = MemoryError("no memory")
    run_cell(cell)
    assert path.exists()


def test_cell_with_an_unusable_checkpoint_starts_again(cell, training):
    checkpoint(cell)
    training[1]["resumable"] = False
    assert run_cell(cell).error is None
    assert training[0] == [str(cell.folder / "run"), None]
    assert cell.done
