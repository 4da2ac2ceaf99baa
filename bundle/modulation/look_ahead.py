"""Re-use of the second pass over several steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.modulation.ascent import Blocks, Gradients, gradient_norm
from bundle.modulation.projection import coefficient

ROUNDING = 1e-6  # of |g_s|: a residual this short is what rounding leaves of none


class LookAheadReuse:
    """One second pass every `every` steps; in between its effect is added to the plain gradient (LookSAM).

        step 0, every, 2 every, ...:  g_s at w + eps;  g_v = g_s - <g_s, g> / |g|^2 g  is kept
        other steps:                  g <- g + strength |g| / |g_v| g_v

    (Liu et al., CVPR 2022). g_v, the part of the sharpness-aware gradient across the plain one, changes slowly. The
    cost is 1 + 1 / every forward and backward passes a step. Norms and inner products are taken over a whole block, or
    over all blocks together as in the paper; two public codes take them tensor by tensor, which is another method.

    Args:
        every: k >= 1; 1 makes both passes in every step and changes nothing.
        strength: alpha >= 0; 0 makes the steps in between plain ones.
        per_block: one projection and one norm a block; False for one over all blocks, as published.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, every: int = 1, strength: float = 0.7, per_block: bool = True) -> None:
        if check_number("every", every, 1, high_open=True) % 1:
            raise InputError(f"every: found {every!r}, expected a whole number of steps, 1 or more")
        self.every = int(every)
        self.strength = check_number("strength", strength, 0, high_open=True)
        self.per_block = per_block
        self.step = 0
        self.residual: dict[str, list[Tensor | None]] = {}

    @property
    def due(self) -> bool:
        """Whether this step makes a second pass; also so while there is nothing to re-use."""
        return self.every == 1 or self.step % self.every == 0 or not self.residual

    def keep(self, params: Blocks, first: Gradients) -> dict[str, list[Tensor | None]]:
        """Take g_v from the gradients at w + eps, in `.grad`, and those at w. Returns what was kept.

        A parameter without a gradient at w + eps has no residual; one without a gradient at w counts as flat there, so
        that ranks with different missing modalities keep the same tensors. A residual that is nothing but rounding
        error is zero: its direction would mean nothing.
        """
        self.step += 1
        if self.every == 1:
            return {}
        for scope in self._scopes(params):
            second = [p.grad for name in scope for p in params[name]]
            flat = [g for name in scope for g in first[name]]
            plain = [None if s is None else g for s, g in zip(second, flat, strict=True)]
            along = coefficient(second, plain)
            across = [_across(s, g, along) for s, g in zip(second, plain, strict=True)]
            if gradient_norm(across) <= ROUNDING * gradient_norm(second):
                across = [None if v is None else torch.zeros_like(v) for v in across]
            parts = iter(across)
            self.residual |= {name: [next(parts) for _ in params[name]] for name in scope}
        return self.residual

    @torch.no_grad()
    def add(self, params: Blocks) -> None:
        """Change the plain gradients in `.grad` by what was kept; those without a residual stay as they are."""
        self.step += 1
        for scope in self._scopes(params):
            kept = gradient_norm([v for name in scope for v in self.residual.get(name, [])])
            if kept == 0:
                continue
            factor = self.strength * gradient_norm([p.grad for name in scope for p in params[name]]) / kept
            for p, v in ((p, v) for name in scope for p, v in zip(params[name], self.residual[name], strict=True)):
                if p.grad is not None and v is not None:
                    p.grad.add_(v.to(p.grad), alpha=factor)

    def _scopes(self, params: Blocks) -> list[list[str]]:
        """The blocks that share a projection and a norm."""
        return [[name] for name in params] if self.per_block else [list(params)]

    def state_dict(self) -> dict[str, Any]:
        """Steps so far and the residuals; settings are not state."""
        return {"step": self.step, "residual": {name: list(parts) for name, parts in self.residual.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a stored state.

        Raises:
            InputError: the state is not one of this class.
        """
        if not {"step", "residual"} <= set(state):
            raise InputError(f"LookAheadReuse: found the keys {sorted(state)}, expected 'step' and 'residual'")
        self.step = int(state["step"])
        self.residual = {name: list(parts) for name, parts in state["residual"].items()}


def _across(second: Tensor | None, plain: Tensor | None, along: float) -> Tensor | None:
    """g_s without its part along g; a copy."""
    if second is None:
        return None
    return second.detach().clone() if plain is None else second.detach() - along * plain
