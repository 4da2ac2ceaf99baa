"""MONAI's MLflow handler with what a run needs to be found again: tags, commit, cohort, traces, artifacts."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import mlflow
from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler

from bundle.engines.distributed import rank
from bundle.reporting.provenance import commit_of_code

logger = logging.getLogger(__name__)
NOT_ARTIFACTS = ("checkpoints",)


class MLflowTrackingHandler(MLFlowHandler):
    """One MLflow run a training: parameters at its start, the history's row every epoch, files at its end.

    Attach it after the HistoryHandler and the FinalTestHandler. A resumed training goes on with its own run (the id
    is in the checkpoint). Eyes are manifest rows and the cohort is a digest: no identifier of a patient. The config
    among the artifacts names the manifest's path as the user gave it.

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
        self._resumed_run: str | None = None
        self._steps_there: set[int] = set()
        if not self.enabled:
            return
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            tracking_uri=tracking_uri, experiment_name=experiment_name, run_name=run_name, experiment_param=params,
            iteration_log=False,
        )  # fmt: skip

    def attach(self, engine: Engine) -> None:
        if not self.enabled:
            return
        # not at STARTED: a checkpoint is loaded there, and may say which run goes on
        engine.add_event_handler(Events.EPOCH_STARTED, self._ensure_run)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log_row)
        engine.add_event_handler(Events.COMPLETED, self._finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _ensure_run(self, engine: Engine) -> None:
        if self.cur_run is not None:
            return
        if self._resumed_run is not None:
            try:
                self.cur_run = self.client.get_run(self._resumed_run)
                self.client.update_run(self._resumed_run, status="RUNNING")
                self._set_experiment()
                # epochs after the checkpoint that were logged before the interruption, and are now trained again
                self._steps_there = {metric.step for metric in self.client.get_metric_history(self._resumed_run, "lr")}
                return
            except mlflow.exceptions.MlflowException:
                logger.warning("the checkpoint's MLflow run is not in this database; starting a new one")
        self._set_experiment()
        # MONAI would continue an unfinished run of the same name
        self.cur_run = self.client.create_run(self.experiment.experiment_id, run_name=self.run_name)
        self.start(engine)
        for name, value in self.tags.items():
            self.client.set_tag(self.cur_run.info.run_id, name, value)

    def _log_row(self, engine: Any) -> None:
        row = {name: value for name, value in engine.state.history.rows[-1].items() if math.isfinite(value)}
        step = int(row.pop("epoch"))
        if step not in self._steps_there:
            self._log_metrics(row, step=step)

    def _finish(self, engine: Engine) -> None:
        self._ensure_run(engine)
        run_id = self.cur_run.info.run_id
        for path in sorted(self.output_dir.rglob("*")):
            relative = path.relative_to(self.output_dir)
            if path.is_file() and relative.parts[0] not in NOT_ARTIFACTS:
                folder = str(relative.parent) if relative.parent.parts else None
                self.client.log_artifact(run_id, str(path), folder)
        test = getattr(engine.state, "test_metrics", {})
        self._log_metrics({f"test_{name}": value for name, value in test.items() if math.isfinite(value)})
        self.close()

    def _fail(self, engine: Engine, error: Exception) -> None:
        if self.cur_run is not None:
            self.client.set_terminated(self.cur_run.info.run_id, "FAILED")
        raise error

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.cur_run.info.run_id} if self.enabled and self.cur_run else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resumed_run = state.get("run_id")


def git_tags() -> dict[str, str]:
    """Commit of the code that runs, and whether it was changed since; empty outside of a checkout."""
    state = commit_of_code()
    return {} if state is None else {"git_commit": state[0], "git_changed": str(state[1]).lower()}
