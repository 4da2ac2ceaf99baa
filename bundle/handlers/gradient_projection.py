"""MLA's projection: a step of one modality leaves a shared head's answers for earlier features alone."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.alternating_trainer import AlternatingTrainer
from bundle.engines.distributed import average_over_ranks
from bundle.errors import InputError
from bundle.losses.arguments import check_choice, check_number

APPLY_TO = ("update", "grad")
SMALL = 1e-12  # of a P that nothing is left of
NORMS: dict[str, Any] = {"spectral": 2, "frobenius": "fro", "none": None}


class GradientProjectionHandler:
    """dW <- dW P for the weight W (K, C) of a head that both modalities share, then P learns this step's features.

        r = mean_i h_m,i,   k = P r / (alpha_t + r P r),   P <- P - k (r P),   alpha_t = alpha^(1 + b / B)

    Recursive least squares (Zhang et al., CVPR 2024), with h_m the pooled features (C,) of the eyes that have m, b the
    number of the batch in its epoch from 0, B their count, and P the identity at first, so that the first step is as
    without the handler. With alpha towards 0, P takes out every r seen so far and W r stays as it is. The bias is not
    projected. A step that was skipped teaches P nothing.

    P only shrinks, in time in all directions, until the head stands still. `normalize` divides it by a norm after every
    step: by `frobenius`, as in the authors' code, it also cuts the gradient by up to sqrt(C), a hidden change of the
    learning rate; `spectral`, the largest eigenvalue, leaves the freest direction its learning rate.

    Adam divides every entry of the gradient by its own scale, which turns a projected gradient out of its plane, and
    momentum brings older ones back. `update` therefore projects what the optimiser did to W, weight decay included;
    `grad` projects the gradient, as published, for SGD without momentum.

    Args:
        alpha: in (0, 1].
        normalize: "spectral", "frobenius" or "none".
        apply_to: "update" or "grad".

    Raises:
        InputError: an argument is outside its range, or (when training starts) no AlternatingTrainer or two heads. With
            one modality there is nothing to protect, and the handler does nothing.
    """

    def __init__(self, alpha: float = 0.1, normalize: str = "spectral", apply_to: str = "update") -> None:
        self.alpha = check_number("alpha", alpha, 0, 1, low_open=True)
        self.normalize = check_choice("normalize", normalize, tuple(NORMS))
        self.apply_to = check_choice("apply_to", apply_to, APPLY_TO)
        self.projector: Tensor | None = None  # P, (C, C)
        self._before: Tensor | None = None
        self._needed = True

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.before_step)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.after_step)

    def start(self, engine: Any) -> None:
        """Refuse what has no step of one modality, or nothing to project."""
        self._needed = len(engine.training_network.modalities) > 1
        if not self._needed:
            return
        if not isinstance(engine, AlternatingTrainer):
            raise InputError(
                f"GradientProjectionHandler: found a {type(engine).__name__}, expected an AlternatingTrainer; "
                "set train#trainer#_target_ to bundle.engines.AlternatingTrainer"
            )
        if not engine.training_network.regressor.shared_head:
            raise InputError("GradientProjectionHandler: found a head a modality; set network_def#shared_head to true")

    def before_step(self, engine: Any) -> None:
        if not self._needed or self.projector is None:
            return
        weight = self._weight(engine)
        if self.apply_to == "grad":
            weight.grad = weight.grad @ self.projector.to(weight.device)
        else:
            self._before = weight.detach().clone()

    @torch.no_grad()
    def after_step(self, engine: Any) -> None:
        before, self._before = self._before, None
        if not self._needed or engine.state.output["skipped"]:
            return
        weight, r_C = self._weight(engine), self._mean_features(engine)
        if self.projector is None:
            self.projector = torch.eye(len(r_C))
        self.projector = self.projector.to(r_C.device)
        if before is not None:
            weight.copy_(before + (weight - before) @ self.projector)
        batch = (engine.state.iteration - 1) % engine.state.epoch_length
        self._learn(r_C, self.alpha ** (1 + batch / engine.state.epoch_length))

    def _learn(self, r_C: Tensor, alpha_t: float) -> None:
        assert self.projector is not None
        k_C = self.projector @ r_C  # P is symmetric: r P is the same vector
        projector = self.projector - torch.outer(k_C, k_C) / (alpha_t + r_C @ k_C)
        order = NORMS[self.normalize]
        if order is not None:
            projector = projector / torch.linalg.matrix_norm(projector, order).clamp_min(SMALL)
        self.projector = projector

    @staticmethod
    def _weight(engine: Any) -> Any:
        return engine.training_network.regressor.oct_head.weight

    @staticmethod
    def _mean_features(engine: Any) -> Tensor:
        """r (C,), the same on every rank."""
        name, outputs = engine.state.modality, engine.state.output["outputs"]
        present_B = torch.logical_not(outputs[f"pred_{name}"].isnan().flatten())
        total_C = outputs["features"][name]["h"].detach().float().mean(1)[present_B].sum(0)
        count = present_B.sum().float()
        average_over_ranks([total_C, count])
        return total_C / count

    def state_dict(self) -> dict[str, Any]:
        return {"projector": None if self.projector is None else self.projector.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.projector = None if state["projector"] is None else state["projector"].clone()
