"""Move the weights to w + eps and back, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

Blocks = Mapping[str, Sequence[Tensor]]
Perturbation = Mapping[str, Sequence[Tensor | None]]
Saved = dict[str, list[Tensor | None]]


@torch.no_grad()
def perturb(params: Blocks, eps: Perturbation) -> Saved:
    """Add eps in place and return copies of what was there.

    Args:
        params: block name -> its parameters.
        eps: the same structure; a parameter whose eps is None is neither copied nor moved.

    Raises:
        ValueError: a parameter is in the blocks twice, or the structures differ. Nothing was moved then.
    """
    identities = [id(p) for tensors in params.values() for p in tensors]
    if len(set(identities)) != len(identities):
        raise ValueError("params: found a parameter twice, expected each in one block")
    if {b: len(ps) for b, ps in params.items()} != {b: len(es) for b, es in eps.items()}:
        raise ValueError(f"eps: found blocks {list(eps)}, expected the structure of params {list(params)}")
    saved: Saved = {
        block: [None if e is None else p.detach().clone() for p, e in zip(tensors, eps[block], strict=True)]
        for block, tensors in params.items()
    }
    for block, tensors in params.items():
        for p, e in zip(tensors, eps[block], strict=True):
            if e is not None:
                p.add_(e)
    return saved


@torch.no_grad()
def restore(params: Blocks, saved: Saved) -> None:
    """Copy the saved values back; (w + eps) - eps would differ from w in the last digits."""
    for block, tensors in params.items():
        for p, old in zip(tensors, saved[block], strict=True):
            if old is not None:
                p.copy_(old)


@contextmanager
def perturbed(params: Blocks, eps: Perturbation) -> Iterator[None]:
    """The weights are w + eps inside the block, and w after it even if it raises."""
    saved = perturb(params, eps)
    try:
        yield
    finally:
        restore(params, saved)
