"""Classifier-guided gradient modulation, its modulating part."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.modulation.likelihood import FACTOR_FLOOR
from bundle.modulation.stateful import StatefulModulator


class CGGMModulator(StatefulModulator):
    """Slows down the modality that improves faster (Guo et al., NeurIPS 2024).

        D_m = e_m (`window` steps ago) - e_m (now)
        B_m = clamp( (sum_k D_k - D_m) / sum_k D_k, 0, 2 (M - 1) / M ),   k_m = scale B_m

    e_m is the running mean of the error of head m; use probe heads, which learn from detached features, as the
    publication does. There D_m is the rise in batch accuracy from one step to the next: as a difference of noise it
    takes any sign, B_m any size, and a negative B_m climbs. The window and the clamp keep the idea and remove that.
    M counts the modalities that were measured in the window's first and last step; the others keep 1, as one that is
    alone does. Until the window is full, and where the D_k cancel, B_m = (M - 1) / M as for equal D.

    Args:
        scale: rho > 0, 1.3 in the publication.
        window: steps, >= 1.
        renormalize: divide B by its mean (M - 1) / M, so that equal D give k = scale. As published (False), two
            modalities share one unit, and the mean factor is scale / 2: a lower learning rate.

    k_m is at least 1e-3: a learning rate of 0 has no defined decay.

    Raises:
        InputError: an argument is outside its range.

    Example:
        >>> cggm = CGGMModulator(scale=1.0, window=1)
        >>> cggm.coefficients({"oct": 1.0, "fundus": 1.0}, {})
        {'oct': 0.5, 'fundus': 0.5}
        >>> k = cggm.coefficients({"oct": 0.7, "fundus": 0.9}, {})
        >>> {m: round(v, 3) for m, v in k.items()}
        {'oct': 0.25, 'fundus': 0.75}
    """

    def __init__(self, *, scale: float = 1.3, window: int = 50, renormalize: bool = False) -> None:
        self.scale = check_number("scale", scale, 0, low_open=True, high_open=True)
        self.window = int(check_number("window", window, 1, high_open=True))
        self.renormalize = renormalize
        self._errors: deque[dict[str, float]] = deque(maxlen=self.window + 1)

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """k_m in [1e-3, 2 scale (M - 1) / M], or [1e-3, 2 scale] when renormalised. A call is a step."""
        self._errors.append(dict(error))
        before = {m: e for m, e in self._errors[0].items() if math.isfinite(e)}
        gain = {m: before[m] - e for m, e in error.items() if m in before and math.isfinite(e)}
        if len(gain) < 2:
            return dict.fromkeys(error, 1.0)
        balance = self._balance(gain if len(self._errors) > self.window else dict.fromkeys(gain, 0.0))
        even = (len(gain) - 1) / len(gain) if self.renormalize else 1.0
        return {m: max(self.scale * balance[m] / even, FACTOR_FLOOR) if m in balance else 1.0 for m in error}

    @staticmethod
    def _balance(gain: Mapping[str, float]) -> dict[str, float]:
        """B_m."""
        total, even = math.fsum(gain.values()), (len(gain) - 1) / len(gain)
        if total == 0:
            return dict.fromkeys(gain, even)
        return {m: min(max((total - d) / total, 0.0), 2 * even) for m, d in gain.items()}

    def state_dict(self) -> dict[str, Any]:
        """The errors of the window, oldest first."""
        return {"errors": [dict(error) for error in self._errors]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored errors; a longer window than this one keeps its newest."""
        if "errors" not in state:
            raise InputError(f"CGGMModulator: found the keys {sorted(state)}, expected 'errors'")
        self._errors.clear()
        self._errors.extend({str(m): float(e) for m, e in error.items()} for error in state["errors"])
