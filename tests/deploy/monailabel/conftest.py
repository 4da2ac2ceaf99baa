"""One server for the tests over HTTP."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.deploy.model_folder import save_model
from tests.deploy.monailabel.server_process import BOTH, Server
from tests.deploy.monailabel.studies_folder import CANARY, write_studies
from tests.deploy.toy_intervals import DESCRIBED
from tests.toy import FUNDUS_SIZE, OCT_GRID, toy_regressor


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    grid: dict[str, Any] = {"oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE}
    save_model(folder, toy_regressor().eval(), {"version": "0.0.1", **grid, **DESCRIBED})
    return folder


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about header texts that are longer than allowed, on purpose
        return write_studies(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def server(studies: Path, model: Path) -> Iterator[Server]:
    """Asked by many tests; at the end its log is searched for the planted identifiers."""
    running = Server(studies, model)
    try:
        running.wait()
        yield running
    finally:
        log = running.stop()
    assert "POST infer: 200" in log
    assert "POST infer: 422" in log
    assert not [line for line in log.splitlines() if CANARY in line or str(studies.parent) in line]


@pytest.fixture
def goes_on(server: Server) -> Iterator[None]:
    """The next prediction is the one before, whatever the test asked meanwhile."""
    before = server.infer(BOTH)
    yield
    assert before[0] == 200
    assert server.infer(BOTH) == before
