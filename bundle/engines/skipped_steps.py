"""Steps that are left out because something is not finite: told, counted, and limited."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from bundle.errors import InputError

logger = logging.getLogger(__name__)


class TrainingDivergedError(InputError, FloatingPointError):
    """Training cannot go on with these settings or eyes."""


class SkippedSteps:
    """Counts batches in a row that were not finite.

    Args:
        limit: as many in a row stop the training.

    Raises (in `account`):
        TrainingDivergedError: the limit is reached.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.in_a_row = limit, 0

    def account(self, engine: Any, finite: bool, batchdata: dict[str, Any]) -> None:
        """Take note of a batch; one that is not finite is logged with its manifest rows."""
        engine.state.output["skipped"] = not finite
        if finite:
            self.in_a_row = 0
            return
        self.in_a_row += 1
        rows = batchdata.get("row", [])
        rows = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        logger.warning(
            "step %d skipped, weights unchanged: loss or gradient is not finite in the %s pass; manifest rows %s",
            engine.state.iteration, engine.state.sam_pass, rows,
        )  # fmt: skip
        if self.in_a_row >= self.limit:
            raise TrainingDivergedError(
                f"{self.limit} steps in a row were not finite (last: epoch {engine.state.epoch}, manifest rows "
                f"{rows}); lower `lr` or `rho`, or check these eyes"
            )


def gradients_are_finite(network: torch.nn.Module) -> bool:
    """Whether the norm of all gradients together is finite; True without any."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return not gradients or bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients)))
