"""Conflict removal between the fused and the auxiliary losses, and the modulation of each modality's encoder."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.errors import InputError
from bundle.modulation import Combiner, Ema, Modulator, NoModulation, StatefulModulator, SumCombiner, cosine
from bundle.modulation.learning_rate import scaled_learning_rates

CONFLICT_MODES = ("feature", "param")
APPLY_TO = ("update", "grad")


class RebalancingHandler:
    """g_m <- k_m * combine(u_m, v_m), with u_m the gradient of the fused loss and v_m of modality m's own losses.

    Conflict (method, 3 iii). `feature`: u_m and v_m with respect to the features h_m, caught by tensor hooks during
    the one backward pass, so it works under DistributedDataParallel and autocast. `param`: with respect to the
    encoder's parameters, exact, one more backward a modality; one process only.

    Modulation (3 iv). e_m is the running mean of l_m / Var(y) at w, S_m the trainer's sharpness; the modulator turns
    them into k_m. `update` multiplies the learning rate of the modality's parameter group (for Adam and AdamW, which
    cancel a constant factor on the gradient); `grad` multiplies the gradient (for SGD). The fusion is never modulated.

    Args:
        combiner: (u, v) -> g; None for the plain sum.
        modulator: (e, S) -> k; None for 1.
        conflict: "feature" or "param".
        apply_to: "update" or "grad".
        error_decay: mu of the running mean of e_m.

    Raises:
        InputError: an unknown mode, `param` with several processes, or `update` with an optimiser whose groups do
            not name their block.
    """

    def __init__(
        self,
        combiner: Combiner | None = None,
        modulator: Modulator | None = None,
        conflict: str = "feature",
        apply_to: str = "update",
        error_decay: float = 0.95,
    ) -> None:
        if conflict not in CONFLICT_MODES:
            raise InputError(f"RebalancingHandler: conflict is {conflict!r}; expected one of {CONFLICT_MODES}")
        if apply_to not in APPLY_TO:
            raise InputError(f"RebalancingHandler: apply_to is {apply_to!r}; expected one of {APPLY_TO}")
        self.combiner, self.modulator = combiner or SumCombiner(), modulator or NoModulation()
        self.conflict, self.apply_to = conflict, apply_to
        self.error = Ema(error_decay)
        self._scaling = contextlib.ExitStack()
        self._v: dict[str, list[Tensor | None]] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.check)
        if not isinstance(self.combiner, SumCombiner):
            if self.conflict == "feature":
                engine.add_event_handler(Events.STARTED, self.hook_features)
            else:
                engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.take_auxiliary_gradient)
                engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.combine_parameters)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.modulate)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.put_back)

    def check(self, engine: Any) -> None:
        """Refuse what would be a silent no-op."""
        if self.conflict == "param" and hasattr(engine.network, "module"):
            raise InputError(
                "RebalancingHandler: conflict 'param' needs one process; use 'feature' with several processes"
            )
        named = {group.get("block") for group in engine.optimizer.param_groups}
        missing = set(engine.training_network.modalities) - named
        if self.apply_to == "update" and missing and not isinstance(self.modulator, NoModulation):
            raise InputError(
                f"RebalancingHandler: no optimiser group for {sorted(missing)}; "
                "build the optimiser from `network.parameter_groups()`"
            )

    # ---- conflict ------------------------------------------------------------------------------------------------

    def hook_features(self, engine: Any) -> None:
        """Have the network register the hooks that combine u and v, in the pass whose gradients count."""

        def register(name: str, h: Tensor, fused: Tensor, aux: Tensor) -> None:
            if engine.state.final_pass:
                self._hook_one(name, h, fused, aux, engine.state.output["scalars"])

        engine.training_network.feature_hook = register

    def _hook_one(self, name: str, h: Tensor, fused: Tensor, aux: Tensor, scalars: dict[str, float]) -> None:
        caught: dict[str, Tensor] = {}
        fused.register_hook(lambda g: caught.__setitem__("u", g))
        aux.register_hook(lambda g: caught.__setitem__("v", g))

        def combine(g: Tensor) -> Tensor:
            if len(caught) < 2:
                return g
            u, v = caught["u"].flatten(), caught["v"].flatten()
            scalars[f"cosine_{name}"] = float(cosine(u, v))
            return self.combiner(u, v).view_as(g)

        h.register_hook(combine)

    def take_auxiliary_gradient(self, engine: Any) -> None:
        """v_m with respect to the encoder's parameters, before the backward of the total loss frees the graph."""
        if not engine.state.final_pass:
            return
        auxiliary, scalars = engine.state.output["aux_losses"], engine.state.output["scalars"]
        for name, loss in auxiliary.items():
            params = list(engine.training_network.encoder(name).parameters())
            if loss.requires_grad:
                # a backward pass of one encoder; without its forward pass this counts a little too much
                scalars["gradient_passes"] = scalars.get("gradient_passes", 0.0) + 1 / len(auxiliary)
                self._v[name] = list(torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True))

    def combine_parameters(self, engine: Any) -> None:
        """g = u + v is in place: replace it by combine(g - v, v)."""
        for name, v_parts in self._v.items():
            params = list(engine.training_network.encoder(name).parameters())
            pairs = [(p, torch.zeros_like(p) if v is None else v) for p, v in zip(params, v_parts, strict=True)]
            pairs = [(p, v) for p, v in pairs if p.grad is not None]
            v = torch.cat([v.flatten() for _, v in pairs])
            u = torch.cat([p.grad.flatten() for p, _ in pairs if p.grad is not None]) - v
            engine.state.output["scalars"][f"cosine_{name}"] = float(cosine(u, v))
            combined = self.combiner(u, v)
            for (p, _), part in zip(pairs, combined.split([p.numel() for p, _ in pairs]), strict=True):
                p.grad = part.view_as(p).clone()
        self._v.clear()

    # ---- modulation ----------------------------------------------------------------------------------------------

    def modulate(self, engine: Any) -> None:
        """k_m from the errors at w and the sharpness, applied to this step."""
        output = engine.state.output
        error = self.error.update(output["errors"])
        factors = self.modulator.coefficients(error, engine.sharpness.values)
        output["scalars"] |= {f"error_{name}": e for name, e in error.items()}
        output["scalars"] |= {f"k_{name}": k for name, k in factors.items()}
        if all(k == 1.0 for k in factors.values()):
            return
        if self.apply_to == "update":
            self._scaling.enter_context(scaled_learning_rates(engine.optimizer, factors))
            return
        blocks = engine.training_network.parameter_blocks()
        for name, k in factors.items():
            for p in blocks[name]:
                if p.grad is not None:
                    p.grad.mul_(k)

    def put_back(self, engine: Any) -> None:
        """The optimiser's own learning rates again, whether or not the step was made."""
        self._scaling.close()
        self._v.clear()

    # ---- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        state = {"error": self.error.state_dict()}
        if isinstance(self.modulator, StatefulModulator):
            state["modulator"] = self.modulator.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.error.load_state_dict(state["error"])
        if isinstance(self.modulator, StatefulModulator):
            self.modulator.load_state_dict(state.get("modulator", {}))
