"""A server process for tests, asked as a client would."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.deploy.monailabel.studies_folder import CANARY

ROOT = Path(__file__).resolve().parents[3]
MODEL = "oct_fundus_md"
BOTH = f"{CANARY}.both_OD"
NEEDED = pytest.mark.skipif(
    importlib.util.find_spec("monailabel") is None,
    reason="MONAI Label is not installed; docs/monailabel.md tells how to run these tests",
)


class Server:
    """A server process on a free port of 127.0.0.1; `log` is all that it printed, once it was stopped."""

    def __init__(self, studies: Path, model: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = ["-m", "scripts.serve_monailabel", "--studies", str(studies), "--model", str(model)]
        self.process = subprocess.Popen(
            [sys.executable, *command, "--port", str(self.port)], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.log = ""

    def wait(self) -> None:
        for _ in range(1200):
            assert self.process.poll() is None, self.process.communicate()[0]
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not start within two minutes")

    def ask(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, str]:
        """(status, body); `target` is sent as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, body, headers or {}, **options)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def infer(self, image: str, model: str = MODEL) -> tuple[int, dict[str, Any]]:
        status, body = self.ask("POST", f"/infer/{model}?" + urlencode({"image": image, "output": "json"}))
        return status, json.loads(body)

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.log = self.process.communicate(timeout=60)[0]
        return self.log
