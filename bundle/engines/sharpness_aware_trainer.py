"""The trainer: MONAI's SupervisedTrainer with a sharpness-aware iteration."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor

from bundle.engines.accumulation import GradientAccumulation
from bundle.engines.distributed import any_rank, average_over_ranks, mean_over_ranks
from bundle.engines.skipped_steps import SkippedSteps, gradients_are_finite
from bundle.losses.sample_weight import SampleWeight
from bundle.modulation import (
    Ascent,
    LookAheadReuse,
    NoAscent,
    SharpnessMeter,
    frozen_batchnorm_statistics,
    perturb,
    replayed_rng,
    restore,
    rng_snapshot,
)
from bundle.networks.training_network import TrainingNetwork

FIRST, DESCENT = "first", "descent"
Batch = tuple[Any, Tensor, tuple, dict[str, Any]]


class SharpnessAwareTrainer(SupervisedTrainer):
    """One step (method, section 3): gradient at w, ascent to w + eps, gradient there, restore w, optimiser step.

    With `ascent.rho` 0, or during `rho_warmup_epochs`, the step is MONAI's ordinary one: one pass at w.
    FORWARD_COMPLETED and LOSS_COMPLETED fire in every pass, so that what a handler adds to the loss is in both;
    BACKWARD_COMPLETED fires once, with the weights restored and the final gradients in place; MODEL_COMPLETED after
    the optimiser's step. A handler reads:

        engine.state.sam_pass: "first" for the pass at w, "descent" for the pass at w + eps; a step with one pass
            is "first" and `engine.state.final_pass` says whether this pass's gradients are the ones that count.
        engine.state.output: image, label, pred, loss, outputs (the network's dict), losses and aux_losses by
            modality, errors (l_m at w), scalars (numbers for the history; `gradient_passes` counts forward and backward
            passes of all encoders), skipped.
        engine.sharpness.values: S_m.

    A loss or gradient that is not finite, in either pass, restores the weights and the normalisation statistics bit
    for bit, skips the step with all its micro-batches, and names the manifest rows of the batch; after `max_skipped`
    such batches in a row training stops.

    Args:
        ascent: where the perturbation goes; None for none.
        look_ahead: re-use of the second pass over several steps; None makes it in every step.
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
        TrainingDivergedError: `max_skipped` steps in a row were not finite.
    """

    network: Any
    loss_function: Any
    share_of_encoders = 1.0  # how many of the encoders a pass of a step runs

    def __init__(
        self,
        *,
        ascent: Ascent | None = None,
        look_ahead: LookAheadReuse | None = None,
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
        self.look_ahead = look_ahead or LookAheadReuse()
        self.rho_warmup_epochs = rho_warmup_epochs
        self.ascent_weight, self.descent_weight = ascent_weight, descent_weight
        self.sharpness = SharpnessMeter(sharpness_decay)
        self.max_grad_norm, self.bf16 = max_grad_norm, amp
        self.accumulation = GradientAccumulation(self.optimizer, self.accumulation_steps)
        self.skipped = SkippedSteps(max_skipped)
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
        engine.state.output = {Keys.IMAGE: inputs, Keys.LABEL: targets, "scalars": {}}
        engine.network.train()
        for update in self.updates((inputs, targets, args, kwargs)):
            self._update(update, batchdata)
        return engine.state.output

    def updates(self, batch: Batch) -> Iterator[Batch]:
        """The batches of the optimiser steps that a batch of eyes makes: one, the batch itself; a variant overrides it.

        A batch is (image, label, args, kwargs) as `prepare_batch` gives it.
        """
        yield batch

    def _update(self, batch: Batch, batchdata: dict[str, Tensor]) -> None:
        self._batch = batch
        self.accumulation.start(self.state.iteration, self.state.epoch_length)
        buffers = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        finite = self._passes()
        if finite:
            self.fire_event(IterationEvents.BACKWARD_COMPLETED)
            self.accumulation.add()
            if self.accumulation.ends_step and not self.accumulation.spoiled:
                self._step()
        else:
            self.accumulation.spoiled = True
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, before in buffers:  # a NaN that entered a running mean would never leave it
                buffer.copy_(before)
        self.skipped.account(self, finite, batchdata)
        self.fire_event(IterationEvents.MODEL_COMPLETED)

    def _passes(self) -> bool:
        """Gradients of this batch in `.grad`; False, with the weights as before, when something is not finite."""
        output = self.state.output
        rho = self.ascent.rho if self.state.epoch > self.rho_warmup_epochs else 0.0
        output["scalars"]["rho"] = rho
        snapshot = rng_snapshot(self.state.device)
        two_passes = rho > 0 and self.look_ahead.due
        self.state.final_pass = not two_passes
        if not self._forward_backward(FIRST, self.ascent_weight if two_passes else self.descent_weight):
            return False
        output["errors"] = self._errors()
        blocks = self.training_network.parameter_blocks()
        if not two_passes:
            finite = self._all_ranks(gradients_are_finite(self.network))
            if finite and rho > 0:
                self.look_ahead.add(blocks)
            return finite
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
        if not finite or not self._all_ranks(gradients_are_finite(self.network)):
            return False
        self._measure_sharpness(shares, rho)
        average_over_ranks(t for part in self.look_ahead.keep(blocks, gradients).values() for t in part)
        if self.ascent.finish(blocks, gradients):
            average_over_ranks(p.grad for params in blocks.values() for p in params)
        return True

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
        scalars = output["scalars"]
        scalars["gradient_passes"] = scalars.get("gradient_passes", 0.0) + self.share_of_encoders
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

    def _step(self) -> None:
        if self.max_grad_norm is not None:
            blocks = self.training_network.parameter_blocks()
            torch.nn.utils.clip_grad_norm_([p for params in blocks.values() for p in params], self.max_grad_norm)
        self.optimizer.step()

    def _all_ranks(self, finite: bool) -> bool:
        return not any_rank(not finite, self.state.device)
