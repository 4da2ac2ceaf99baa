"""Holds the encoder of the modality that is ahead back, early in training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.modulation import Ema
from bundle.modulation.likelihood import likelihood_scores, others_mean
from bundle.modulation.prime_window import PrimeLearningWindow


class InformationRegulationHandler:
    """g_m <- g_m + beta_m (theta_m - theta_m at the epoch's start), InfoReg (Huang et al., CVPR 2025).

        beta_m = strength exp( tanh( s_m - mean of the others' s ) )  for a modality that is ahead, s_m > others,
                 while its prime learning window is open;  0 otherwise

    The added term is the gradient of beta_m / 2 |theta_m - theta_m at the start|^2. s_m is the likelihood score of the
    running error of head m, relative to the best modality. theta_m are the encoder's parameters, of any number of
    axes. At BACKWARD_COMPLETED: first the Fisher trace is taken, then the term is added, which therefore is not in it.

    Args:
        strength: >= 0, the same for every modality; 0 regulates nothing.
        epochs, threshold: see `PrimeLearningWindow`.
        error_decay: mu of the running mean of the errors.

    The start of the epoch is taken anew in each epoch; running errors and traces are state.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self, strength: float = 0.95, epochs: int = 5, threshold: float = 0.05, error_decay: float = 0.95
    ) -> None:
        self.strength = check_number("strength", strength, 0, high_open=True)
        self.window = PrimeLearningWindow(epochs, threshold)
        self.error = Ema(error_decay)
        self._start: dict[str, list[Tensor]] = {}
        self._squares: dict[str, list[float]] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self.begin)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.regulate)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.close)

    def begin(self, engine: Any) -> None:
        """Keep the weights that the encoders have at the epoch's start."""
        network = engine.training_network
        encoders = {name: network.encoder(name).parameters() for name in network.modalities}
        self._start = {name: [p.detach().clone() for p in parameters] for name, parameters in encoders.items()}
        self._squares = {name: [] for name in network.modalities}

    def regulate(self, engine: Any) -> None:
        """Take this step's part of the traces, then add the terms."""
        output, network = engine.state.output, engine.training_network
        scores = likelihood_scores(self.error.update(output["errors"]))
        for name in network.modalities:
            parameters = list(network.encoder(name).parameters())
            gradients = [p.grad for p in parameters if p.grad is not None]
            if gradients:
                self._squares[name].append(float(torch.stack([g.float().square().sum() for g in gradients]).sum()))
            beta = self.beta(scores, name)
            output["scalars"][f"beta_{name}"] = beta
            if beta > 0:
                add_pull(parameters, self._start[name], beta)

    def beta(self, scores: dict[str, float], modality: str) -> float:
        """beta_m of this step."""
        others = others_mean(scores, modality)
        if others is None or scores[modality] <= others or not self.window.is_open(modality):
            return 0.0
        return self.strength * math.exp(math.tanh(scores[modality] - others))

    def close(self, engine: Any) -> None:
        """The epoch's traces join the window's."""
        self.window.add({name: math.fsum(parts) / len(parts) for name, parts in self._squares.items() if parts})

    def state_dict(self) -> dict[str, Any]:
        return {"error": self.error.state_dict(), "window": self.window.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.error.load_state_dict(state["error"])
        self.window.load_state_dict(state["window"])


@torch.no_grad()
def add_pull(parameters: Iterable[Tensor], anchors: Iterable[Tensor], beta: float) -> None:
    """grad <- grad + beta (p - anchor) in place; a parameter without a gradient keeps none."""
    for p, anchor in zip(parameters, anchors, strict=True):
        if p.grad is not None:
            p.grad.add_(p.detach() - anchor, alpha=beta)
