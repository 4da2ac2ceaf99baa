"""What must be the same in both passes of a sharpness-aware step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


@contextmanager
def frozen_batchnorm_statistics(module: nn.Module) -> Iterator[None]:
    """Training-mode normalisation by batch statistics, while the running statistics stand still.

    Covers every batch norm (1-D to 3-D, synchronised) and instance norm that tracks statistics, in training mode:
    neither mean, variance nor `num_batches_tracked` moves, whatever the activations are, NaN included. Modules in
    evaluation mode are left alone. Do not save the module inside the block.
    """
    with ExitStack() as stack:
        for child in module.modules():
            if isinstance(child, _NormBase) and child.training and child.track_running_stats:
                stack.enter_context(_without_running_statistics(child))
        yield


@contextmanager
def _without_running_statistics(norm: _NormBase) -> Iterator[None]:
    # Instance norm updates whatever running tensors it holds, so the flag alone is not enough.
    mean, var = norm.running_mean, norm.running_var
    norm.track_running_stats = False
    norm.running_mean = norm.running_var = None
    try:
        yield
    finally:
        norm.track_running_stats = True
        norm.running_mean, norm.running_var = mean, var


@dataclass(frozen=True)
class RngSnapshot:
    """State of torch's random numbers: of the CPU, and of one accelerator where that is in use."""

    cpu: Tensor
    accelerator: Tensor | None = None
    device: torch.device | None = None

    def apply(self) -> None:
        """Set torch's generators to this state."""
        torch.set_rng_state(self.cpu)
        if self.accelerator is None or self.device is None:
            return
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.accelerator, self.device)
        else:
            torch.mps.set_rng_state(self.accelerator)


def rng_snapshot(device: torch.device | str = "cpu") -> RngSnapshot:
    """Take the state before pass 1.

    Args:
        device: where the network runs; the generator of a CUDA or Apple GPU is taken as well. Dropout draws from
            torch, so Python's and NumPy's generators are not touched.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return RngSnapshot(torch.get_rng_state(), torch.cuda.get_rng_state(device), device)
    if device.type == "mps":
        return RngSnapshot(torch.get_rng_state(), torch.mps.get_rng_state(), device)
    return RngSnapshot(torch.get_rng_state())


@contextmanager
def replayed_rng(snapshot: RngSnapshot) -> Iterator[None]:
    """Draw the numbers that were drawn after the snapshot once more; afterwards the stream goes on as if never left.

    Example:
        >>> before = rng_snapshot()
        >>> first = torch.rand(1)
        >>> with replayed_rng(before):
        ...     second = torch.rand(1)
        >>> bool(first == second)
        True
    """
    now = rng_snapshot(snapshot.device or "cpu")
    snapshot.apply()
    try:
        yield
    finally:
        now.apply()
