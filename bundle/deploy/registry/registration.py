"""From a finished training to a version in MLflow's model registry: whole, judged and tagged, or not there at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from bundle.deploy.registry.champion import holder_of, refusal, registered_aliases
from bundle.deploy.registry.model_files import write_model_files
from bundle.deploy.registry.store import experiment
from bundle.deploy.registry.tags import describe, version_tags
from bundle.deploy.registry.trained import TrainedModel, find_trained

NAME = "oct_fundus_md_regression"
EXPERIMENT = "re-m3dr"  # for a training that was not tracked


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """version: that holds the alias now; None when the model was refused.  message: what a user reads."""

    version: str | None
    message: str


def register(given: str, client: MlflowClient, alias: str, name: str = NAME, force: bool = False) -> Outcome:
    """Log, register and tag a trained model, and give it the alias as the last step.

    A model that is refused leaves nothing in the store, nor does a registration that fails.

    Args:
        given: a training's folder, or the id of its MLflow run.
        client: see `mlflow_store`.
        alias: for example champion; taken from the version that holds it.
        name: of the registered model.
        force: promote a model that is worse than the holder, or not comparable with it.

    Raises:
        InputError: no finished training there; see `find_trained`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        (scratch / "run").mkdir()
        trained = find_trained(given, client, scratch / "run")
        tags = version_tags(trained)
        holder = holder_of(client, name, alias)
        if holder is not None and not force:
            title = f"version {holder.version} ({alias})"
            if holder.tags.get("weights_sha256") == tags["weights_sha256"]:
                return Outcome(version=holder.version, message=f"{title} has these very weights: nothing to do")
            reason = refusal(tags, holder.tags, title)
            if reason:
                return Outcome(version=None, message=f"refused, nothing registered: {reason}")
        write_model_files(trained.folder, scratch / "files")
        version = _publish(client, scratch / "files", trained, tags, name, alias)
    before = f" in place of version {holder.version}" if holder else ""
    return Outcome(version=version, message=f"registered {name} version {version}; it is {alias} now{before}")


def _publish(
    client: MlflowClient, files: Path, trained: TrainedModel, tags: Mapping[str, str], name: str, alias: str
) -> str:
    """The new version. MLflow's client, not its `log_model`, which would note the user's name and the script's path."""
    run_id = trained.run.info.run_id if trained.run else None
    with ExitStack() as undo:
        logged = client.create_logged_model(_experiment(client, trained), name, run_id, tags=dict(tags))
        undo.callback(client.delete_logged_model, logged.model_id)
        client.log_model_artifacts(logged.model_id, str(files))
        client.finalize_logged_model(logged.model_id, "READY")
        if registered_aliases(client, name) is None:
            client.create_registered_model(name, description=describe(trained).splitlines()[0])
            undo.callback(client.delete_registered_model, name)
        version = client.create_model_version(
            name, f"models:/{logged.model_id}", run_id, dict(tags), description=describe(trained),
            model_id=logged.model_id,
        ).version  # fmt: skip
        undo.callback(client.delete_model_version, name, version)
        client.set_registered_model_alias(name, alias, version)
        undo.pop_all()
    return str(version)


def _experiment(client: MlflowClient, trained: TrainedModel) -> str:
    return trained.run.info.experiment_id if trained.run else experiment(client, EXPERIMENT)
