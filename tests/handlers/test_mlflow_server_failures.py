"""An MLflow server that fails: the training is the same, and in the end everything is there once."""

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events
from mlflow.exceptions import MlflowException

from bundle.reporting import tracking_server
from tests.handlers.test_mlflow_tracking import runs, steps, tracked, uri
from tests.toy import largest_difference

__all__ = ["uri"]

ROOT = Path(__file__).resolve().parents[2]


class Flaky:
    """A client whose server is down, or whose answer to a method is lost once the server has done the work."""

    def __init__(self, client: Any) -> None:
        self.client, self.down, self.lost, self.asked = client, False, list[str](), 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not callable(method) or name.startswith("_"):
            return method

        def ask(*arguments: Any, **options: Any) -> Any:
            self.asked += 1
            if self.down:
                raise MlflowException("connection refused\nand more")
            result = method(*arguments, **options)
            if name in self.lost:
                self.lost.remove(name)
                raise MlflowException(f"the answer to {name} was lost")
            return result

        return ask


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next epoch may ask again."""
    monkeypatch.setattr(tracking_server, "PAUSE_S", 0.0)
    monkeypatch.setattr(tracking_server, "PAUSE_SHARE", 0.0)


def flaky(uri: str, folder: Path, **settings: Any) -> tuple[Any, Flaky]:
    trainer = tracked(uri, folder, **settings)
    handler = next(one for one in trainer.attached_handlers if type(one).__name__ == "MLflowTrackingHandler")
    handler.client = Flaky(handler.client)
    trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "test_metrics", {"mse": 3.5}))
    return trainer, handler.client


def down_between(trainer: Any, server: Flaky, first: int, last: int) -> None:
    """Down from before epoch `first` to after epoch `last`."""

    def switch(engine: Any) -> None:
        server.down = first <= engine.state.epoch + 1 and engine.state.epoch + 1 <= last

    trainer.add_event_handler(Events.STARTED, switch)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, switch)


def assert_complete(uri: str, epochs: int) -> None:
    (run,) = runs(uri)
    assert run.info.status == "FINISHED"
    for metric in ("val_mse", "train_loss", "lr"):
        assert [step for step, _ in steps(uri, run, metric)] == list(range(1, epochs + 1))
    assert [value for _, value in steps(uri, run, "test_mse")] == [3.5]
    assert run.data.params["lr"] == "0.002"
    assert run.data.params.keys() >= {"max_epochs", "epoch_length", "rho"}
    assert run.data.tags["cohort_digest"] == "abc"


@pytest.mark.parametrize(
    ("first", "last"), [(1, 2), (2, 3), (3, 3)], ids=["comes later", "goes and returns", "a blink"]
)
def test_what_the_server_missed_is_sent_when_it_answers(uri: str, tmp_path: Path, first: int, last: int) -> None:
    trainer, server = flaky(uri, tmp_path / "run", max_epochs=4)
    down_between(trainer, server, first, last)
    trainer.run()
    assert_complete(uri, 4)


@pytest.mark.parametrize("method", ["create_run", "create_experiment", "log_batch", "set_tag", "log_artifact"])
def test_what_the_server_did_before_its_answer_was_lost_is_not_done_twice(
    uri: str, tmp_path: Path, method: str
) -> None:
    trainer, server = flaky(uri, tmp_path / "run", max_epochs=3)
    server.lost = [method, method] if method == "log_batch" else [method]  # first parameters, then an epoch
    trainer.run()
    if method == "log_artifact":  # the last thing that a training does
        again, _ = flaky(uri, tmp_path / "run", max_epochs=3, resume=str(tmp_path / "run"))
        again.run()
    assert not server.lost
    assert_complete(uri, 3)


@pytest.mark.parametrize("first", [1, 3], ids=["never there", "gone for good"])
def test_a_finished_training_sends_what_is_missing_when_it_is_resumed(
    uri: str, tmp_path: Path, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, server = flaky(uri, tmp_path / "run", max_epochs=4)
    down_between(trainer, server, first, 99)
    with caplog.at_level(logging.WARNING, logger="bundle.reporting.tracking_server"):
        trainer.run()
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "MLflow: connection refused; the training goes on, and what is missing is sent when it answers",
        f"MLflow: connection refused; resume={tmp_path / 'run'} sends what is missing, once it answers",
    ]
    again, _ = flaky(uri, tmp_path / "run", max_epochs=4, resume=str(tmp_path / "run"))
    again.run()
    assert_complete(uri, 4)


def test_a_finished_run_that_is_resumed_gets_nothing_twice(uri: str, tmp_path: Path) -> None:
    flaky(uri, tmp_path / "run", max_epochs=2)[0].run()
    flaky(uri, tmp_path / "run", max_epochs=2, resume=str(tmp_path / "run"))[0].run()
    assert_complete(uri, 2)


def test_a_training_without_its_server_is_the_same_training(uri: str, tmp_path: Path) -> None:
    networks = []
    for down in (False, True):
        trainer, server = flaky(uri, tmp_path / f"run{down}", max_epochs=3)
        server.down = down
        trainer.run()
        networks.append(trainer.network)
    assert largest_difference(*networks) == 0.0


def test_a_server_that_is_down_is_not_asked_at_every_epoch(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_server, "PAUSE_S", 3600.0)
    trainer, server = flaky(uri, tmp_path / "run", max_epochs=4)
    server.down = True
    trainer.run()
    assert server.asked == 2  # at the first epoch and at the end


def test_an_address_where_nothing_listens_costs_little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trainer = tracked("http://127.0.0.1:9", tmp_path / "run", max_epochs=1)
    start = time.monotonic()
    trainer.run()
    assert time.monotonic() - start < 30
    assert (tmp_path / "run" / "model.pt").is_file()


INTERRUPTED = """
import sys
from pathlib import Path
from ignite.engine import Events
from tests.handlers.test_mlflow_tracking import tracked

trainer = tracked(sys.argv[1], Path(sys.argv[2]), max_epochs=3)

@trainer.on(Events.ITERATION_COMPLETED(once=3))
def interrupt():
    raise {error}

trainer.run()
"""


@pytest.mark.parametrize(("error", "status"), [("KeyboardInterrupt", "KILLED"), ("RuntimeError", "FAILED")])
def test_the_run_of_a_training_that_ends_early_is_not_left_running(
    uri: str, tmp_path: Path, error: str, status: str
) -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(error=error), uri, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert error in done.stderr
    assert [run.info.status for run in runs(uri)] == [status]
