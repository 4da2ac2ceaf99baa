"""The trainer: MONAI's SupervisedTrainer with a sharpness-aware iteration."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor

from bundle.engines.distributed import any_rank, mean_over_ranks
from bundle.losses.sample_weight import SampleWeight
from bundle.modulation import (
    Ascent,
    NoAscent,
    SharpnessMeter,
    frozen_batchnorm_statistics,
    perturb,
    replayed_rng,
    restore,
    rng_snapshot,
)
from bundle.networks.training_network import TrainingNetwork

logger = logging.getLogger(__name__)
FIRST, DESCENT = "first", "descent"


class SharpnessAwareTrainer(SupervisedTrainer):
    """One step (method, section 3): gradient at w, ascent to w + eps, gradient there, restore w, optimiser step.

    With `ascent.rho` 0, or during `rho_warmup_epochs`, the step is MONAI's ordinary one: one pass at w.
    FORWARD_COMPLETED and LOSS_COMPLETED fire in every pass, so that what a handler adds to the loss is in both;
    BACKWARD_COMPLETED fires once, with the weights restored and the final gradients in place; MODEL_COMPLETED after
    the optimiser's step. A handler reads:

        engine.state.sam_pass: "first" for the pass at w, "descent" for the pass at w + eps; a step with one pass
            is "first" and `engine.state.final_pass` says whether this pass's gradients are the ones that count.
        engine.state.output: image, label, pred, loss, outputs (the network's dict), losses and aux_losses by
            modality, errors (l_m at w), scalars (numbers for the history), skipped.
        engine.sharpness.values: S_m.

    A loss or gradient that is not finite, in either pass, restores the weights and the normalisation statistics bit
    for bit, skips the step with all its micro-batches, and names the manifest rows of the batch; after `max_skipped`
    such batches in a row training stops.

    Args:
        ascent: where the perturbation goes; None for none.
        rho_warmup_epochs: epochs without perturbation at the start.
        ascent_weight, descent_weight: sample weights of the two passes (kappa_up, kappa_dn); None for 1.
        sharpness_decay: mu of the running mean of S_m.
        max_grad_norm: clip the gradient of all blocks together before the step; None for no clipping.
        max_skipped: skipped steps in a row that stop the training.
        amp: bfloat16 autocast, on CPU and GPU alike; no loss scaler is needed. float16 is not offered: its scaler
            cannot unscale twice in one step.
        accumulation_steps: micro-batches a step; each has its own ascent (m-SAM), one micro-batch is plain SAM.
        kwargs: as in `monai.engines.SupervisedTrainer`.

    Raises:
        ValueError: `compile` is asked for (gradient hooks need the eager network), or probe heads and the weight of
            the unimodal loss contradict each other.
        FloatingPointError: `max_skipped` steps in a row were not finite.
    """

    network: Any
    loss_function: Any

    def __init__(
        self,
        *,
        ascent: Ascent | None = None,
        rho_warmup_epochs: int = 0,
        ascent_weight: SampleWeight | None = None,
        descent_weight: SampleWeight | None = None,
        sharpness_decay: float = 0.95,
        max_grad_norm: float | None = None,
        max_skipped: int = 10,
        amp: bool = False,
        compile: bool = False,
        **kwargs: Any,
    ) -> None:
        if compile:
            raise ValueError("SharpnessAwareTrainer: compile=True is not supported (gradient hooks); leave it out")
        super().__init__(**kwargs)
        self.ascent = ascent or NoAscent()
        self.rho_warmup_epochs = rho_warmup_epochs
        self.ascent_weight, self.descent_weight = ascent_weight, descent_weight
        self.sharpness = SharpnessMeter(sharpness_decay)
        self.max_grad_norm, self.max_skipped, self.bf16 = max_grad_norm, max_skipped, amp
        self.skipped_in_a_row, self._step_spoiled = 0, False
        self.attached_handlers = list(kwargs.get("train_handlers") or [])
        self._check_heads()

    @property
    def training_network(self) -> TrainingNetwork:
        """The network itself, also under DistributedDataParallel."""
        return self.network.module if hasattr(self.network, "module") else self.network

    def _check_heads(self) -> None:
        beta = getattr(self.loss_function, "unimodal_weight", None)
        network = self.training_network
        if beta is None or len(network.modalities) < 2 or network.probe_heads == (beta == 0):
            return
        raise ValueError(
            f"unimodal_weight is {beta} but probe_heads is {network.probe_heads}; "
            "expected probe_heads: true exactly when unimodal_weight is 0"
        )

    def _iteration(self, engine: SharpnessAwareTrainer, batchdata: dict[str, Tensor]) -> dict:
        if batchdata is None:
            raise ValueError("Must provide batch data for current iteration.")
        batch = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        inputs, targets, args, kwargs = (*batch, (), {}) if len(batch) == 2 else batch
        engine.state.output = {Keys.IMAGE: inputs, Keys.LABEL: targets, "scalars": {}, "skipped": False}
        self._batch = (inputs, targets, args, kwargs)
        engine.network.train()
        last_of_step, divisor = self._accumulation()
        earlier = self._take_gradients()
        buffers = [(buffer, buffer.clone()) for buffer in engine.network.buffers()]
        finite = self._passes()
        if finite:
            engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
            self._add_gradients(earlier, divisor)
            if last_of_step and not self._step_spoiled:
                self._step()
        else:
            self._step_spoiled = True
            for buffer, before in buffers:  # a NaN that entered a running mean would never leave it
                buffer.copy_(before)
        self._account_for_skipped(finite, batchdata)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    # ---- the two passes ------------------------------------------------------------------------------------------

    def _passes(self) -> bool:
        """Gradients of this batch in `.grad`; False, with the weights as before, when something is not finite."""
        output = self.state.output
        rho = self.ascent.rho if self.state.epoch > self.rho_warmup_epochs else 0.0
        output["scalars"]["rho"] = rho
        snapshot = rng_snapshot(self.state.device)
        self.state.final_pass = rho == 0
        if not self._forward_backward(FIRST, self.ascent_weight if rho else self.descent_weight):
            return False
        output["errors"] = self._errors()
        if rho == 0:
            return self._gradients_are_finite()
        blocks = self.training_network.parameter_blocks()
        gradients = {name: [p.grad for p in params] for name, params in blocks.items()}
        eps, shares = self.ascent.eps(blocks, gradients, self.sharpness.values)
        if not self._all_ranks(math.isfinite(sum(shares.values()))):
            return False
        self.optimizer.zero_grad(set_to_none=True)
        saved = perturb(blocks, eps)
        try:
            self.state.final_pass = True
            with replayed_rng(snapshot), frozen_batchnorm_statistics(self.network):
                finite = self._forward_backward(DESCENT, self.descent_weight)
        finally:
            restore(blocks, saved)
        if not finite:
            return False
        self._measure_sharpness(shares, rho)
        return self._gradients_are_finite()

    def _forward_backward(self, sam_pass: str, weight: SampleWeight | None) -> bool:
        inputs, targets, args, kwargs = self._batch
        self.state.sam_pass = sam_pass
        output = self.state.output
        # the first pass of two is each rank's own (as in the SAM paper): only the last one is averaged
        own = getattr(self.network, "no_sync", None) if not self.state.final_pass else None
        with own() if own else contextlib.nullcontext():
            with torch.autocast(self.state.device.type, torch.bfloat16, enabled=self.bf16):
                output["outputs"] = self.inferer(inputs, self.network, *args, **kwargs)
            output[Keys.PRED] = output["outputs"]["pred"]
            self.fire_event(IterationEvents.FORWARD_COMPLETED)
            parts = self.loss_function(output["outputs"], targets, weight(targets) if weight else None)
            output["losses"] = parts
            modalities = output["outputs"]["features"]
            beta = getattr(self.loss_function, "unimodal_weight", 0.0)
            zero = targets.new_zeros(())
            output["aux_losses"] = {name: beta * parts.get(name, zero) for name in modalities}
            output[Keys.LOSS] = parts["total"]
            self.fire_event(IterationEvents.LOSS_COMPLETED)
            loss = output[Keys.LOSS]
            if not self._all_ranks(bool(torch.isfinite(loss))):
                return False
            loss.backward()
        if self.state.final_pass:
            output["scalars"] |= {"loss": float(loss.detach()), "loss_fused": float(parts["fused"].detach())}
        return True

    def _errors(self) -> dict[str, float]:
        values = self.loss_function.errors(self.state.output["outputs"], self._batch[1])
        return mean_over_ranks(values, self.state.device)

    def _measure_sharpness(self, shares: dict[str, float], rho: float) -> None:
        output = self.state.output
        shares = mean_over_ranks(shares, self.state.device)
        values = self.sharpness.measure(output["errors"], self._errors(), shares, rho)
        output["scalars"] |= {f"share_{name}": a for name, a in shares.items()}
        output["scalars"] |= {f"sharpness_{name}": s for name, s in values.items()}

    # ---- the step ------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        if self.max_grad_norm is not None:
            blocks = self.training_network.parameter_blocks()
            torch.nn.utils.clip_grad_norm_([p for params in blocks.values() for p in params], self.max_grad_norm)
        self.optimizer.step()

    def _accumulation(self) -> tuple[bool, int]:
        """Whether this micro-batch ends a step, and how many micro-batches its step has."""
        acc, length = self.accumulation_steps, self.state.epoch_length
        index = (self.state.iteration - 1) % length
        size = min(acc, length - index // acc * acc)
        return (index + 1) % acc == 0 or index + 1 == length, size

    def _take_gradients(self) -> dict[Tensor, Tensor]:
        """Gradients of the step's earlier micro-batches, put aside so that this one's ascent is its own."""
        first = (self.state.iteration - 1) % self.state.epoch_length % self.accumulation_steps == 0
        self._step_spoiled = self._step_spoiled and not first
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        earlier = {} if first else {p: p.grad for p in params if p.grad is not None}
        self.optimizer.zero_grad(set_to_none=True)
        return earlier

    def _add_gradients(self, earlier: dict[Tensor, Tensor], divisor: int) -> None:
        if divisor == 1 and not earlier:
            return
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.div_(divisor)
                if p in earlier:
                    p.grad = earlier[p] if p.grad is None else earlier[p] + p.grad

    # ---- what is not finite --------------------------------------------------------------------------------------

    def _all_ranks(self, finite: bool) -> bool:
        return not any_rank(not finite, self.state.device)

    def _gradients_are_finite(self) -> bool:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        return self._all_ranks(not gradients or bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))))

    def _account_for_skipped(self, finite: bool, batchdata: dict[str, Any]) -> None:
        if finite:
            self.skipped_in_a_row = 0
            return
        self.skipped_in_a_row += 1
        self.state.output["skipped"] = True
        self.optimizer.zero_grad(set_to_none=True)
        rows = batchdata.get("row", [])
        rows = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        logger.warning(
            "step %d skipped, weights unchanged: loss or gradient is not finite in the %s pass; manifest rows %s",
            self.state.iteration, self.state.sam_pass, rows,
        )  # fmt: skip
        if self.skipped_in_a_row >= self.max_skipped:
            raise FloatingPointError(
                f"{self.max_skipped} steps in a row were not finite (last: epoch {self.state.epoch}, manifest rows "
                f"{rows}); lower `lr` or `rho`, or check these eyes"
            )
