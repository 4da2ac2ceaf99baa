"""Modulates each modality's share of the fused answer."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import mean_over_ranks
from bundle.errors import InputError
from bundle.modulation.agm import AdaptiveModulation


class ShapleyModulationHandler:
    """dL/do_m <- kappa_m dL/do_m, with o_m the shares of `ShapleyTrainingNetwork` (Li et al., ICCV 2023).

    The answer o_o + o_f stays as it is. Written for t and for the two answers with one modality blank, dL/dt is
    multiplied by (kappa_o + kappa_f) / 2, and t_o, t_f receive +-(kappa_o - kappa_f) / 2 times dL/dt.

    kappa_m comes from `AdaptiveModulation` with s_m = 1/2 mean_i (o_m,i - y_i)^2, the negative log-likelihood of a
    Gaussian with the SD of MD, shares and labels standardised. Shares add up to y, so one of them is no prediction of
    y until it is centred: the batch's means of o_m and y are taken off. Measured at w; in a sharpness-aware step the
    factors act in the pass whose gradients count. Eyes that lack a modality have no share.

    Args:
        alpha: see `AdaptiveModulation`.

    Raises:
        InputError: the network has no shares.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.modulation = AdaptiveModulation(alpha)
        self.kappa: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.hook_shares)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.measure)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.tell)

    def hook_shares(self, engine: Any) -> None:
        """Have the network register the hooks; they read kappa in the backward pass, when it is known."""
        if not hasattr(engine.training_network, "share_hook"):
            raise InputError(
                f"ShapleyModulationHandler: the network is a {type(engine.training_network).__name__}; expected "
                "training_network#_target_: bundle.networks.ShapleyTrainingNetwork"
            )

        def register(name: str, share_B1: Tensor) -> None:
            if engine.state.final_pass:
                share_B1.register_hook(lambda g: g * self.kappa.get(name, 1.0))

        engine.training_network.share_hook = register

    def measure(self, engine: Any) -> None:
        """kappa_m of this step, before its backward pass."""
        if engine.state.sam_pass != "first":
            return
        outputs = engine.state.output["outputs"]
        label_B1 = engine.state.output["label"] / engine.training_network.regressor.md_sd_db
        nll = {name: _centred_nll(share_B1.detach(), label_B1) for name, share_B1 in outputs["shares"].items()}
        nll = nll or dict.fromkeys(engine.training_network.modalities, float("nan"))
        self.kappa = self.modulation.coefficients(mean_over_ranks(nll, engine.state.device))

    def tell(self, engine: Any) -> None:
        """k_m of the history, after the factors of `RebalancingHandler`, which are 1 here."""
        engine.state.output["scalars"] |= {f"k_{name}": k for name, k in self.kappa.items()}

    def state_dict(self) -> dict[str, Any]:
        return self.modulation.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.modulation.load_state_dict(state)


def _centred_nll(share_B1: Tensor, label_B1: Tensor) -> float:
    """s_m over the eyes that have a share; NaN for fewer than two, of which nothing is left when centred."""
    difference = (share_B1 - label_B1.to(share_B1))[torch.logical_not(share_B1.isnan())]
    return float(difference.var(correction=0) / 2) if len(difference) > 1 else float("nan")
