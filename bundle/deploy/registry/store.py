"""The MLflow store that a command works on, and its errors in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from bundle.errors import InputError

DEFAULT_URI = "sqlite:///eval/mlflow.db"
SQLITE = "sqlite:///"
VARIABLE = "MLFLOW_TRACKING_URI"
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
URI = re.compile(r"([a-z]+)(\+[a-z0-9]+)?:(//)?", re.IGNORECASE)
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@contextmanager
def mlflow_store(uri: str | None = None, create: bool = False) -> Iterator[MlflowClient]:
    """A client of the tracking store and registry; MLflow's own global address is this one meanwhile.

    Args:
        uri: SQLite file, database or server; None takes MLFLOW_TRACKING_URI, else the file that training writes.
        create: make an SQLite file that is not there.

    Raises:
        InputError: not an address, no such file, no driver or no answer; and whatever MLflow refuses within the block.
    """
    uri = uri or os.environ.get(VARIABLE) or DEFAULT_URI
    _check_address(uri)
    if uri.startswith(SQLITE):
        _check_file(Path(uri.removeprefix(SQLITE)), create)
    os.environ.setdefault(RETRIES, "2")  # a person waits: 7, MLflow's default, take four minutes
    before, exported = mlflow.get_tracking_uri(), os.environ.get(VARIABLE)
    mlflow.set_tracking_uri(uri)
    try:
        yield MlflowClient(tracking_uri=uri)
    except ImportError as error:
        raise InputError(f"tracking: no driver for this store ({error}); install it, see docs/registry.md") from error
    except (MlflowException, SQLAlchemyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        absent = isinstance(error, SQLAlchemyError) or "API request" in reason
        fix = "; check --tracking-uri and that its server runs" if absent else ""
        raise InputError(f"tracking: MLflow says: {reason[:300]}{fix}") from error
    finally:
        _restore(before, exported)


def _restore(before: str, exported: str | None) -> None:
    """MLflow's own address and the exported one as they were: what MLflow is told, it exports and prefers from then on.

    An address that is only exported, or only the default, was never told.
    """
    told = before if exported is not None and before != exported else None
    mlflow.set_tracking_uri(told)
    os.environ.pop(VARIABLE, None)
    os.environ.update({} if exported is None else {VARIABLE: exported})


def experiment(client: MlflowClient, name: str) -> str:
    """Id of an experiment, made if it is not there; with SQLite its files lie beside the database, as training's do."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    uri = mlflow.get_tracking_uri()
    beside = Path(uri.removeprefix(SQLITE)).resolve().parent / "mlruns" if uri.startswith(SQLITE) else None
    return str(client.create_experiment(name, artifact_location=beside and beside.as_uri()))


def _check_address(uri: str) -> None:
    """MLflow takes what it does not know for a folder, and makes that folder, password and all."""
    found = URI.match(uri)
    if found is None or found[1].lower() not in SCHEMES:
        raise InputError(
            f"tracking: found no address that starts with one of {', '.join(SCHEMES)}; give, for example, {DEFAULT_URI}"
        )


def _check_file(path: Path, create: bool) -> None:
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.is_file():
        raise InputError(f"tracking: no database {path}; start where it is, or give --tracking-uri")
