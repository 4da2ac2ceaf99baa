"""Modality-aware sharpness-aware minimisation: only the dominant modality's weights are perturbed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bundle.errors import InputError
from bundle.modulation.ascent import Ascent
from bundle.modulation.stateful import StatefulModulator


class DominantBlockAscent(Ascent):
    """eps_d = rho g_d / |g_d| in the block of the dominant modality d, 0 elsewhere (M-SAM, NeurIPS 2025, by block).

    The published step takes the ascent from the dominant modality's share of the loss. With one share for the whole
    batch its direction is that of plain SAM, so the perturbation picks no modality; restricted to a block it does.

    Args:
        rho: radius, >= 0.

    Attributes:
        dominant: name of d, set by `DominanceByError`; None, as before the first step, perturbs nothing.
    """

    def __init__(self, rho: float) -> None:
        super().__init__(rho)
        self.dominant: str | None = None

    def shares(self, norms: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """1 for the dominant modality if it has a gradient, 0 for every other block."""
        return {block: float(block == self.dominant and norm != 0) for block, norm in norms.items()}


class DominanceByError(StatefulModulator):
    """Tells the ascent of the next step which modality dominates; modulates nothing, k_m = 1.

    The Shapley share of m in the game v(S) = -MSE(S) / Var(y) is, for two modalities,

        phi_o = ( v(o) - v(none) + v(of) - v(f) ) / 2,   so   phi_o - phi_f = v(o) - v(f) = e_f - e_o

    and the modality with the larger share is the one with the smaller error e_m alone: no padded passes are needed.
    With more than two modalities the smallest error is a stand-in for the largest share. A modality that was not
    measured cannot dominate. The name is state: the first step after a resumption uses it.

    Args:
        ascent: gets the name.
    """

    def __init__(self, ascent: DominantBlockAscent) -> None:
        self.ascent = ascent

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """Ones; sets `ascent.dominant`."""
        measured = {m: e for m, e in error.items() if math.isfinite(e)}
        if measured:
            self.ascent.dominant = min(measured, key=lambda m: measured[m])
        return dict.fromkeys(error, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """The dominant modality's name."""
        return {"dominant": self.ascent.dominant}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the stored name."""
        if "dominant" not in state:
            raise InputError(f"DominanceByError: found the keys {sorted(state)}, expected 'dominant'")
        self.ascent.dominant = state["dominant"]
