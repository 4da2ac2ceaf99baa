"""How a step of ingestion says that a source cannot be used."""

from __future__ import annotations

from bundle.errors import InputError


class Refusal(InputError):
    """reason: one of our own sentences; kind: what the source is; detail: private, see `records.LeftOut`."""

    def __init__(self, reason: str, kind: str = "other", detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.kind, self.detail = reason, kind, detail
