"""An MLflow server that may not answer: how long it is waited for, and what is told of it."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
WAITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # seconds; 7 times 120 by default
PAUSE_S, PAUSE_SHARE = 30.0, 20.0  # after a failure: at least so long, and 20 times what it took
PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


def shorten_waits() -> None:
    """Set `WAITS` for MLflow, unless the environment says otherwise."""
    for name, value in WAITS.items():
        os.environ.setdefault(name, value)


def reason(error: Exception) -> str:
    """The first line of what an error says, without the user and password of an address.

    >>> reason(OSError("no answer from https://ann:secret@host/api\\nand more"))
    'no answer from https://host/api'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return PASSWORD.sub("", lines[0])[:200]


class Attempts:
    """Asks a server, and not again for a while after it failed; an outage is told once.

    `over` is to be called when the server has answered what an outage kept from it.
    """

    def __init__(self) -> None:
        self._told, self._not_before = False, 0.0

    def run(self, work: Callable[[], None], consequence: str, last: bool = False) -> bool:
        """Whether the work was done.

        Args:
            work: asks the server; any exception of it is a failure.
            consequence: of a failure, for the warning.
            last: try even in a pause, and tell a failure even in an outage: there will be no other attempt.
        """
        start = time.monotonic()
        if start < self._not_before and not last:
            return False
        try:
            work()
        except Exception as error:
            now = time.monotonic()
            self._not_before = now + max(PAUSE_S, PAUSE_SHARE * (now - start))
            if last or not self._told:
                logger.warning("MLflow: %s; %s", reason(error), consequence)
            self._told = True
            return False
        return True

    def over(self) -> None:
        """The next failure is another outage, and is told."""
        self._told = False
