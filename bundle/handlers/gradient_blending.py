"""Gradient blending: a loss weight for each prediction, from how it generalises and overfits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.blended import BlendedRegressionLoss

VALIDATION = {"fused": "val_mse", "oct": "val_oct_mse", "fundus": "val_fundus_mse"}
GAIN_FLOOR, GROWTH_FLOOR = 1e-3, 1e-2


def blend_weights(
    gain: Mapping[str, float],
    growth: Mapping[str, float],
    gain_floor: float = GAIN_FLOOR,
    growth_floor: float = GROWTH_FLOOR,
) -> dict[str, float] | None:
    """w_k = (G_k / O_k^2) / sum_j (G_j / O_j^2)    (Wang et al., CVPR 2020).

    Args:
        gain: G, drop of the validation loss, by prediction.
        growth: O, growth of the validation loss minus the training loss.
        gain_floor: G counts at least this, since the formula is made for G > 0.
        growth_floor: O counts at least this: the gap may shrink, and 1 / O^2 has no bound.

    Returns:
        Weights with sum 1. None, for "keep the old ones", where no validation loss fell or a number is not finite.

    Example:
        >>> gain, growth = {"fused": 0.2, "oct": 0.1, "fundus": 0.1}, {"fused": 0.2, "oct": 0.1, "fundus": 0.4}
        >>> {k: round(w, 2) for k, w in blend_weights(gain, growth).items()}
        {'fused': 0.32, 'oct': 0.64, 'fundus': 0.04}
    """
    if not all(math.isfinite(x) for x in [*gain.values(), *growth.values()]) or max(gain.values()) <= 0:
        return None
    raw = {k: max(g, gain_floor) / max(growth[k], growth_floor) ** 2 for k, g in gain.items()}
    total = math.fsum(raw.values())
    return {k: r / total for k, r in raw.items()}


class GradientBlendingHandler:
    """Sets the weights of a `BlendedRegressionLoss` anew after every `super_epoch` epochs (`blend_weights`).

        G_k = V_k(before) - V_k(now),   O_k = (V_k - T_k)(now) - (V_k - T_k)(before)

    V_k is the validation error and T_k the epoch's mean training error of prediction k, both squared and in units of
    Var(MD); "before" is the end of the last super-epoch, at first the end of epoch 1. Both are read from the history,
    which gets the columns `loss_m` (T_m) and `weight_k`. An epoch without validation figures changes nothing. The
    publication trains each prediction's network once more, alone, to measure G and O; here the heads of the one network
    are measured as they train.

    Args:
        super_epoch: epochs between two changes, 1 or more.
        gain_floor, growth_floor: see `blend_weights`, in units of Var(MD).

    Raises:
        InputError: an argument is outside its range, or (start of training) the loss is no `BlendedRegressionLoss` with
            weights for fused, oct and fundus.
    """

    def __init__(
        self, super_epoch: int = 10, gain_floor: float = GAIN_FLOOR, growth_floor: float = GROWTH_FLOOR
    ) -> None:
        if isinstance(super_epoch, bool) or super_epoch != int(super_epoch) or super_epoch < 1:
            raise InputError(f"super_epoch: found {super_epoch!r}, expected a whole number of epochs, 1 or more")
        self.super_epoch = int(super_epoch)
        self.gain_floor = check_number("gain_floor", gain_floor, 0, low_open=True, high_open=True)
        self.growth_floor = check_number("growth_floor", growth_floor, 0, low_open=True, high_open=True)
        self.weights: dict[str, float] = {}
        self.before: dict[str, dict[str, float]] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.check)
        engine.add_event_handler(Events.EPOCH_STARTED, self.blend)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.record)

    def check(self, engine: Any) -> None:
        """Refuse a loss without these weights."""
        found = engine.loss_function
        if not isinstance(found, BlendedRegressionLoss) or set(found.weights) != set(VALIDATION):
            raise InputError(
                f"GradientBlendingHandler: loss_function is {type(found).__name__}; expected BlendedRegressionLoss "
                f"with weights for {', '.join(VALIDATION)}"
            )

    def record(self, engine: Any) -> None:
        """Training errors and weights of this step, for the history."""
        scalars = engine.state.output["scalars"]
        scalars |= {f"loss_{name}": error for name, error in engine.state.output["errors"].items()}
        scalars |= {f"weight_{name}": weight for name, weight in engine.loss_function.weights.items()}

    def blend(self, engine: Any) -> None:
        """New weights, where a super-epoch has ended."""
        done = engine.state.epoch - 1
        if done > 0 and (not self.before or done % self.super_epoch == 0):
            self._measure(engine.state.history.rows[-1], engine.loss_function.mse.scale_db)
        if self.weights:
            engine.loss_function.weights = dict(self.weights)

    def _measure(self, row: Mapping[str, float], scale_db: float) -> None:
        now = {
            "validation": {k: row.get(column, math.nan) / scale_db**2 for k, column in VALIDATION.items()},
            "gap": {k: row.get(column, math.nan) / scale_db**2 - row.get(f"loss_{k}", math.nan)
                    for k, column in VALIDATION.items()},
        }  # fmt: skip
        if not all(math.isfinite(x) for part in now.values() for x in part.values()):
            return
        if self.before:
            gain = {k: self.before["validation"][k] - v for k, v in now["validation"].items()}
            growth = {k: gap - self.before["gap"][k] for k, gap in now["gap"].items()}
            self.weights = blend_weights(gain, growth, self.gain_floor, self.growth_floor) or self.weights
        self.before = now

    def state_dict(self) -> dict[str, Any]:
        return {"weights": dict(self.weights), "before": {name: dict(part) for name, part in self.before.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = dict(state["weights"])
        self.before = {name: dict(part) for name, part in state["before"].items()}
