"""A study in MLflow: a parent run, and under it a run for each finished training. The main process logs them all."""

from __future__ import annotations

import json
import shlex
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bundle.comparison.planning.plan import Cell
from bundle.comparison.planning.record import STUDY_FILE
from bundle.comparison.planning.study import Study
from bundle.comparison.running.environment import public_command
from bundle.comparison.running.tracked import (
    as_params,
    cell_metrics,
    cell_params,
    history_metrics,
    study_params,
    tracking_uri,
)
from bundle.reporting.atomic import write_json_atomic
from bundle.reporting.provenance import git_tags
from bundle.reporting.tracking_server import reason, shorten_waits

SQLITE = "sqlite:///"
ID_FILE = (
    "mlflow.json"  # a random name: a folder keeps its runs when it is moved, and a new one in its place gets its own
)
REPORT = (".md", ".png", ".csv")
METRICS_A_REQUEST = 1000  # MLflow's limit


class StudyTracking:
    """The MLflow runs of a study: `open`, then `log_cell` for each finished training, then `close`.

    What is logged already is found by its tag and not logged again. No path of the user's and nothing of a patient is
    logged: eyes are a digest. A failure costs one line of warning and all further tracking, never the study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._client: Any = None
        self._experiment = ""
        self._parent: str | None = None

    def open(self) -> None:
        """Find or begin the parent run, in the experiment `compare-` and the study's name."""
        self._try(self._open)

    def log_cell(self, cell: Cell) -> None:
        """Log a finished training under the parent run, unless it is there."""
        if self._parent is not None:
            self._try(lambda: self._log_cell(cell))

    def close(self, paths: Sequence[Path]) -> None:
        """Keep the report's files (pages, pictures, tables) as the parent's artifacts and end it."""
        if self._parent is not None:
            self._try(lambda: self._close(paths))

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._parent = None
            tqdm.write(f"warning: MLflow: {reason(error)}; going on without tracking", file=sys.stderr)

    def _open(self) -> None:
        shorten_waits()
        from mlflow import MlflowClient

        uri = tracking_uri(self.study)
        files = None  # a server knows where
        if uri.startswith(SQLITE):
            folder = Path(uri.removeprefix(SQLITE)).resolve().parent
            folder.mkdir(parents=True, exist_ok=True)
            files = (folder / "mlartifacts").as_uri()
        self._client = MlflowClient(uri)
        name = f"compare-{self.study.name}"
        experiment = self._client.get_experiment_by_name(name)
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(name, files)
        run = self._find("compare.study", self._id())
        if run is None:
            run = self._client.create_run(self._experiment, run_name=self.study.label,
                                          tags={"compare.study": self._id()})  # fmt: skip
        else:
            self._client.update_run(run.info.run_id, status="RUNNING")
        for tag, value in self._tags().items():
            self._client.set_tag(run.info.run_id, tag, value)
        new = {name: value for name, value in study_params(self.study).items() if name not in run.data.params}
        self._client.log_batch(run.info.run_id, params=as_params(new))
        self._parent = run.info.run_id

    def _tags(self) -> dict[str, str]:
        """What may differ when a study goes on, and what produced it."""
        record = json.loads((self.study.out / STUDY_FILE).read_text(encoding="utf-8"))
        return {
            "methods": " ".join(self.study.methods), "seeds": " ".join(map(str, self.study.seeds)),
            "reference": self.study.reference, "cohort_digest": record["cohort"],
            "command": public_command(shlex.join(sys.orig_argv))[:5000], **git_tags(),
        }  # fmt: skip

    def _log_cell(self, cell: Cell) -> None:
        tag = f"{self._id()}/{cell.folder.name}"
        run = self._find("compare.cell", tag)
        if run is not None:
            if run.info.status == "FINISHED":
                return
            self._client.delete_run(run.info.run_id)  # it was being logged when this was stopped
        tags = {"mlflow.parentRunId": self._parent, "compare.cell": tag, "git_commit": str(cell.facts()["commit"])}
        run_id = self._client.create_run(self._experiment, run_name=cell.name, tags=tags).info.run_id
        self._client.log_batch(run_id, params=as_params(cell_params(self.study, cell)))
        metrics = [*history_metrics(cell), *cell_metrics(cell)]
        for start in range(0, len(metrics), METRICS_A_REQUEST):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_REQUEST])
        self._client.set_terminated(run_id, "FINISHED")

    def _close(self, paths: Sequence[Path]) -> None:
        for path in paths:
            if path.suffix in REPORT:
                self._client.log_artifact(self._parent, str(path))
        self._client.set_terminated(self._parent, "FINISHED")
        self._parent = None

    def _find(self, tag: str, value: str) -> Any:
        found = self._client.search_runs([self._experiment], f"tags.`{tag}` = '{value}'", max_results=1)
        return found[0] if found else None

    def _id(self) -> str:
        path = self.study.out / ID_FILE
        if not path.is_file():
            write_json_atomic(path, {"study": uuid.uuid4().hex})
        return str(json.loads(path.read_text(encoding="utf-8"))["study"])
