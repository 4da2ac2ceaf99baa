"""While the server runs, only its own log is heard: libraries print file names, header texts and requests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

SPEAKERS = ("uvicorn.error", "bundle.deploy.monailabel")  # loggers that may be heard


@contextmanager
def silence() -> Iterator[TextIO]:
    """Send standard output and error of the whole process, C libraries included, to nowhere; both return afterwards.

    Yields a text stream to what standard error was: the place for the log.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8") as log:
            for number in (1, 2):
                os.dup2(nowhere, number)
            yield log
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
        for number in (*kept, nowhere):
            os.close(number)


def log_config(stream: TextIO) -> dict[str, Any]:
    """For `logging.config.dictConfig`: the loggers of `SPEAKERS` write to the stream, all others nowhere."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"short": {"format": "%(asctime)s %(levelname)s %(message)s", "datefmt": "%H:%M:%S"}},
        "handlers": {
            "log": {"class": "logging.StreamHandler", "formatter": "short", "stream": stream},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "loggers": {name: {"handlers": ["log"], "level": "INFO", "propagate": False} for name in SPEAKERS},
        "root": {"handlers": ["nowhere"], "level": "CRITICAL"},
    }
