"""MONAI's MLflow handler with what a run needs to be found again: tags, commit, cohort, traces, artifacts."""

from __future__ import annotations

import atexit
import logging
import math
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler

from bundle.engines.distributed import rank
from bundle.reporting.provenance import git_tags
from bundle.reporting.tracking_server import Attempts, shorten_waits

logger = logging.getLogger(__name__)
NOT_ARTIFACTS = ("checkpoints",)
EVERY_ROW_HAS = "lr"
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such run, or one that was deleted


class MLflowTrackingHandler(MLFlowHandler):
    """One MLflow run a training: parameters at its start, the history's row every epoch, files at its end.

    Attach it after the HistoryHandler and the FinalTestHandler. A resumed training goes on with its own run (the id
    is in the checkpoint). Eyes are manifest rows and the cohort is a digest: no identifier of a patient. The config
    among the artifacts names the manifest's path as the user gave it.

    A server that does not answer costs a warning, not the training. What it lacks is sent once it answers again, or by
    a `resume` of the finished training; what it has is asked first, so that nothing is there twice. An interrupted
    training's run is KILLED, one that raised is FAILED.

    Args:
        output_dir: the run's folder; its files become artifacts, except checkpoints.
        tracking_uri: SQLite file or server; the environment's MLFLOW_TRACKING_URI wins.
        experiment_name, run_name: as shown in `mlflow ui`; the run name must be unique.
        params: numbers and words a user varies.
        tags: for example the cohort's digest.
        enabled: False for no tracking.
    """

    cur_run: Any

    def __init__(
        self,
        output_dir: str,
        tracking_uri: str,
        experiment_name: str,
        run_name: str,
        params: dict[str, Any] | None = None,
        tags: dict[str, Any] | None = None,
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled and rank() == 0
        self.output_dir = Path(output_dir)
        self.tags = {**(tags or {}), **git_tags()}
        self._training = uuid.uuid4().hex
        self._resumed_run: str | None = None
        self._asked_for_run, self._described = False, False
        self._steps_there: set[int] | None = None  # None: not known, ask before sending
        self._attempts = Attempts()
        if not self.enabled:
            return
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        shorten_waits()
        super().__init__(
            tracking_uri=tracking_uri, experiment_name=experiment_name, run_name=run_name, experiment_param=params,
            iteration_log=False,
        )  # fmt: skip

    def attach(self, engine: Engine) -> None:
        if not self.enabled:
            return
        # not at STARTED: a checkpoint is loaded there, and may say which run goes on
        engine.add_event_handler(Events.EPOCH_STARTED, self._attempt, self._ensure_run)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._attempt, self._send_rows)
        engine.add_event_handler(Events.COMPLETED, self._attempt, self._finish, last=True)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _attempt(self, engine: Engine, work: Callable[[Any], None], last: bool = False) -> None:
        """Do the work; a failure changes nothing of the training."""
        consequence = "the training goes on, and what is missing is sent when it answers"
        if last:
            consequence = f"resume={self.output_dir} sends what is missing, once it answers"
        if not self._attempts.run(lambda: work(engine), consequence, last):
            self._steps_there = None

    def _ensure_run(self, engine: Engine) -> None:
        if self.cur_run is None:
            self._set_experiment()
            self.cur_run = self._own_run() or self._new_run()
            atexit.register(self._killed)
        if not self._described:
            self._describe(engine)
            self._described = True

    def _describe(self, engine: Engine) -> None:
        """Log the parameters and tags that the run lacks; a resumed one has them, and MLflow lets none change."""
        run_id = self.cur_run.info.run_id
        there = self.client.get_run(run_id).data
        params = {**(self.experiment_param or {})}
        params |= {name: getattr(engine.state, name, None) for name in self.default_tracking_params}
        self._log_params({name: value for name, value in params.items() if name not in there.params})
        for name, value in self.tags.items():
            if name not in there.tags:
                self.client.set_tag(run_id, name, value)

    def _own_run(self) -> Any:
        """The run of the training that is resumed; None without one."""
        if self._resumed_run is None:
            return None
        try:
            run = self.client.get_run(self._resumed_run)
            self.client.update_run(self._resumed_run, status="RUNNING")
        except mlflow.exceptions.MlflowException as error:
            if error.error_code not in UNKNOWN:
                raise
            logger.warning("the checkpoint's MLflow run is not in this database; starting a new one")
            self._resumed_run = None
            return None
        return run

    def _new_run(self) -> Any:
        """A run of its own; MONAI would continue an unfinished one of the same name."""
        experiment = self.experiment.experiment_id
        if self._asked_for_run:  # an earlier answer may have been lost on its way
            for run in self.client.search_runs([experiment], f"tags.training_id = '{self._training}'", max_results=1):
                return run
        self._asked_for_run = True
        return self.client.create_run(experiment, run_name=self.run_name, tags={"training_id": self._training})

    def _send_rows(self, engine: Any) -> None:
        """Log the epochs that the run lacks."""
        self._ensure_run(engine)
        if self._steps_there is None:
            history = self.client.get_metric_history(self.cur_run.info.run_id, EVERY_ROW_HAS)
            self._steps_there = {metric.step for metric in history}
        for row in engine.state.history.rows:
            values = {name: value for name, value in row.items() if math.isfinite(value)}
            step = int(values.pop("epoch"))
            if step not in self._steps_there:
                self._log_metrics(values, step=step)
                self._steps_there.add(step)
        self._attempts.over()

    def _finish(self, engine: Engine) -> None:
        self._send_rows(engine)
        run_id = self.cur_run.info.run_id
        for path in sorted(self.output_dir.rglob("*")):
            relative = path.relative_to(self.output_dir)
            if path.is_file() and relative.parts[0] not in NOT_ARTIFACTS:
                folder = str(relative.parent) if relative.parent.parts else None
                self.client.log_artifact(run_id, str(path), folder)
        test = {f"test_{name}": value for name, value in getattr(engine.state, "test_metrics", {}).items()}
        there = self.client.get_run(run_id).data.metrics
        self._log_metrics({k: v for k, v in test.items() if math.isfinite(v) and there.get(k) != v})
        self.close()
        atexit.unregister(self._killed)

    def _fail(self, engine: Engine, error: BaseException) -> None:
        self._end("FAILED" if isinstance(error, Exception) else "KILLED")  # Ctrl-C and SIGTERM are no Exception
        raise error

    def _killed(self) -> None:
        """At the interpreter's exit, where the engine saw neither its end nor an exception."""
        self._end("KILLED")

    def _end(self, status: str) -> None:
        atexit.unregister(self._killed)
        if self.cur_run is not None:
            with suppress(Exception):  # what ended the training matters more
                self.client.set_terminated(self.cur_run.info.run_id, status)
            self.cur_run = None

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.cur_run.info.run_id} if self.enabled and self.cur_run else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resumed_run = state.get("run_id")
