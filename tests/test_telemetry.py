"""MLflow sends nothing to its makers once the library is loaded, unless the user asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MLFLOW_ITSELF_IS_QUIET = {"PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"}
COUNT = """
import sys
from mlflow.telemetry import client, utils
import {module}
sent = []
client.TelemetryClient.add_record = lambda self, record: sent.append(record.event_name)
import mlflow
mlflow.MlflowClient(tracking_uri="sqlite:///" + sys.argv[1]).create_experiment("one")
print(len(sent))
"""


def events(module: str, database: Path, **environment: str) -> int:
    """How many events MLflow would send for one new experiment, in an interpreter that first loads MLflow."""
    clean = {name: value for name, value in os.environ.items() if name not in MLFLOW_ITSELF_IS_QUIET}
    command = [sys.executable, "-c", COUNT.format(module=module), str(database)]
    done = subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("module", "environment", "expected"), [
    ("math", {}, 1),
    ("bundle", {}, 0),
    ("bundle", {"MLFLOW_DISABLE_TELEMETRY": "false"}, 1),
])  # fmt: skip
def test_nothing_is_sent_unasked(
    module: str, environment: dict[str, str], expected: int, empty_database: Path, tmp_path: Path
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    assert events(module, database, **environment) == expected
