"""Nothing but the log is heard while the server runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import logging, logging.config, os, sys, threading, warnings
from bundle.deploy.monailabel.silence import log_config, silence
early = logging.StreamHandler()
logging.getLogger("monailabel").addHandler(early)
print("before", flush=True)
with silence() as log:
    logging.config.dictConfig(log_config(log))
    logging.getLogger("monailabel.endpoints.infer").critical("CANARY")
    logging.getLogger().critical("CANARY")
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("bundle.deploy.monailabel.guard").info("GET info: 200")
    warnings.warn("CANARY")
    print("CANARY")
    print("CANARY", file=sys.stderr)
    os.system("echo CANARY; echo CANARY >&2")
    thread = threading.Thread(target=lambda: 1 / 0, name="CANARY")
    thread.start()
    thread.join()
print("after", flush=True)
print("after too", file=sys.stderr)
"""


def test_libraries_are_not_heard_and_the_streams_return() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["before", "after"]
    lines = [line.split(" ", 1)[1] for line in done.stderr.splitlines()[:2]]
    assert lines == ["INFO started", "INFO GET info: 200"]
    assert done.stderr.splitlines()[2:] == ["after too"]
