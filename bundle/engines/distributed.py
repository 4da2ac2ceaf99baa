"""What has to agree between processes. Every function is the identity when there is one process."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_nn
from torch import Tensor


def world_size() -> int:
    """Number of processes of the training run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_ranks(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Mean of each number over the ranks, NaN entries left out: coefficients computed from it agree everywhere."""
    if world_size() == 1 or not values:
        return values
    names = sorted(values)
    local = torch.tensor([values[name] for name in names], dtype=torch.float32, device=device)
    both = torch.stack([local.nan_to_num(0.0), torch.logical_not(local.isnan()).float()])
    dist.all_reduce(both)
    mean = both[0] / both[1]  # 0 / 0 is NaN again: no rank had it
    return dict(zip(names, mean.tolist(), strict=True))


def gather_rows(z_NC: Tensor, md_N: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of all ranks, with gradients to each rank's own; ranks may hold different numbers of rows.

    The backward of the gather sums over ranks what DistributedDataParallel then averages, so the parameters
    receive exactly the gradient of one loss over the joint batch.
    """
    if world_size() == 1:
        return z_NC, md_N
    count = torch.tensor([z_NC.shape[0]], device=z_NC.device)
    counts = [torch.zeros_like(count) for _ in range(world_size())]
    dist.all_gather(counts, count)
    longest = int(max(int(c) for c in counts))
    pad = longest - z_NC.shape[0]
    z_all = dist_nn.all_gather(torch.nn.functional.pad(z_NC, (0, 0, 0, pad)))
    md_all = [torch.zeros(longest, dtype=md_N.dtype, device=md_N.device) for _ in counts]
    dist.all_gather(md_all, torch.nn.functional.pad(md_N, (0, pad)))
    z = torch.cat([rows[: int(c)] for rows, c in zip(z_all, counts, strict=True)])
    return z, torch.cat([rows[: int(c)] for rows, c in zip(md_all, counts, strict=True)])


def average_over_ranks(tensors: Iterable[Tensor | None]) -> None:
    """Mean of each tensor over the ranks, in place; every rank must hold the same ones."""
    if world_size() == 1:
        return
    for tensor in tensors:
        if tensor is not None:
            dist.all_reduce(tensor)
            tensor.div_(world_size())


def any_rank(flag: bool, device: torch.device) -> bool:
    """True on every rank when it is true on one."""
    if world_size() == 1:
        return flag
    value = torch.tensor([float(flag)], device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return bool(value.item())


def rank() -> int:
    """Rank of this process, 0 when there is one."""
    return dist.get_rank() if world_size() > 1 else 0


def shared_run_name() -> str:
    """The time as a run name, rank 0's on every rank."""
    names = [datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")[:-3]]
    if world_size() > 1:
        dist.broadcast_object_list(names, src=0)
    return names[0]
