"""How fast each modality's encoder learns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from bundle.losses.arguments import check_number
from bundle.modulation.scores import centred_log, centred_log_sharpness


class Modulator(ABC):
    """(error, sharpness) of every modality -> factor k_m on its gradient or learning rate."""

    @abstractmethod
    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """k_m > 0 of every modality in `error`.

        Args:
            error: modality -> e_m, its unimodal loss in units of the label variance (running mean).
            sharpness: modality -> S_m (running mean); may be empty.
        """


class NoModulation(Modulator):
    """k_m = 1."""

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """Ones."""
        return dict.fromkeys(error, 1.0)


class BalanceModulator(Modulator):
    """Speeds up the under-trained modality and slows down the one in a sharp minimum (docs/method.md 3 iv).

        t_m = error_power (log e_m - mean log e) - sharpness_power (log S_m - mean log S)
        k_m = exp( log k_max tanh( t_m / log k_max ) )

    Continuous, within (1/k_max, k_max), 1 at balance; for two modalities the product is 1. A modality that was not
    measured (absent or NaN) is neutral in that score.

    Args:
        error_power: alpha >= 0.
        sharpness_power: alpha_s >= 0.
        k_max: bound on k, > 1.
        error_floor: e_m below it counts as it, > 0.

    Raises:
        InputError: an argument is outside its range.

    Example:
        >>> k = BalanceModulator(error_power=0.5).coefficients({"oct": 0.2, "fundus": 0.8}, {})
        >>> {m: round(v, 3) for m, v in k.items()}
        {'oct': 0.715, 'fundus': 1.399}
    """

    def __init__(
        self,
        *,
        error_power: float = 0.5,
        sharpness_power: float = 0.25,
        k_max: float = 3.0,
        error_floor: float = 1e-3,
    ) -> None:
        self.error_power = check_number("error_power", error_power, 0, high_open=True)
        self.sharpness_power = check_number("sharpness_power", sharpness_power, 0, high_open=True)
        self.k_max = check_number("k_max", k_max, 1, low_open=True, high_open=True)
        self.error_floor = check_number("error_floor", error_floor, 0, low_open=True, high_open=True)

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """k_m of every modality in `error`."""
        log_error = centred_log(error, list(error), self.error_floor)
        log_sharpness = centred_log_sharpness(sharpness, list(error))
        limit = math.log(self.k_max)
        t = {m: self.error_power * log_error[m] - self.sharpness_power * log_sharpness[m] for m in error}
        return {m: math.exp(limit * math.tanh(t[m] / limit)) for m in error}
