"""Prototypical modal rebalance: pulls the slower modality's features to the prototypes of their MD."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import average_over_ranks, mean_over_ranks
from bundle.losses.arguments import check_number
from bundle.losses.prototype_memory import PrototypeMemory
from bundle.losses.prototypes import PrototypeLoss, known


class PrototypeHandler:
    """loss <- loss + alpha L_proto,m of the slower modality m, in both passes of a sharpness-aware step.

        L = l_mm + alpha sum_m 1[ P_m < max P ] L_proto,m,    P_m = sum_i softmax(sim_m,i)[bin of y_i]

    (PMR, Fan et al., CVPR 2023.) P is summed over the eyes of the batch that have every image, in the first pass; the
    modality that is slower there has the term in the second pass too. Level modalities, and one alone, get none.

    A prototype is the mean pooled feature of the training eyes of an MD bin, as they were seen in the epoch, with
    augmentation and in training mode: no further pass. The publication makes a pass over about a tenth of the training
    set. There are none in the first epoch. With several processes all use the same ones.

    Args:
        loss: the prototype loss, fitted.
        weight: alpha. 0 detaches the handler: training is then bit-identical to training without it.
        keep: share of a prototype that stays at an epoch's end; 0.2 as published.

    History: `prototype_m`, the mean of L_proto,m over the steps that had it, and `slower_m`, how many steps those were,
    as a share.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, loss: PrototypeLoss, weight: float = 1.0, keep: float = 0.2) -> None:
        self.loss, self.weight = loss, check_number("weight", weight, 0, high_open=True)
        self.keep = check_number("keep", keep, 0, 1, high_open=True)
        self.memories: dict[str, PrototypeMemory] = {}
        self._slower: list[str] = []
        self._pending: dict[str, tuple[Tensor, Tensor]] = {}

    def attach(self, engine: Engine) -> None:
        if self.weight == 0:
            return
        engine.add_event_handler(Events.STARTED, self._to_device)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.add_term)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.update)

    def _to_device(self, engine: Engine) -> None:
        self.loss.to(engine.state.device)

    def add_term(self, engine: Engine) -> None:
        """Add alpha L_proto,m to `loss` and to the auxiliary loss of the slower modality m."""
        output = engine.state.output
        outputs, md_db_B = output["outputs"], output["label"].flatten()
        features = {name: kinds["aux"].mean(1) for name, kinds in outputs["features"].items()}
        present = {name: torch.logical_not(outputs[f"pred_{name}"].isnan().flatten()) for name in features}
        if engine.state.sam_pass == "first":
            self._pending = {name: (h[present[name]].detach(), md_db_B[present[name]]) for name, h in features.items()}
            self._slower = self._find_slower(engine, features, present, md_db_B)
        for name in self._slower:
            here = present[name]
            term = self.loss(features[name][here], md_db_B[here], self.memories[name].prototypes)
            output["loss"] = output["loss"] + self.weight * term
            output["aux_losses"][name] = output["aux_losses"][name] + self.weight * term
            output["scalars"][f"prototype_{name}"] = float(term.detach())

    @torch.no_grad()
    def _find_slower(
        self, engine: Engine, features: dict[str, Tensor], present: dict[str, Tensor], md_db_B: Tensor
    ) -> list[str]:
        if not all(name in self.memories and known(self.memories[name].prototypes).any() for name in features):
            return []
        all_B = torch.stack([*present.values()]).all(0)
        scores = {}
        for name, h_BC in features.items():
            prototypes_KC = self.memories[name].prototypes
            scores[name] = float(self.loss.true_bin_probability(h_BC[all_B], md_db_B[all_B], prototypes_KC).sum())
        scores = mean_over_ranks(scores, engine.state.device)
        slower = [name for name, score in scores.items() if score < max(scores.values())]
        engine.state.output["scalars"] |= {f"slower_{name}": float(name in slower) for name in scores}
        return slower

    def collect(self, engine: Engine) -> None:
        """The batch's first-pass features join the sums of their bins, unless the step was skipped."""
        for name, (h_NC, md_db_N) in self._pending.items():
            if not engine.state.output["skipped"]:
                self._memory(name, h_NC).add(h_NC, self.loss.bin_of(md_db_N))
        self._pending = {}

    def update(self, engine: Engine) -> None:
        """The prototypes of the next epoch."""
        for memory in self.memories.values():
            average_over_ranks([memory.sums_KC, memory.counts_K1])  # their ratio is the mean over all ranks' eyes
            memory.update()

    def _memory(self, name: str, h_NC: Tensor) -> PrototypeMemory:
        if name not in self.memories:
            self.memories[name] = PrototypeMemory(len(self.loss.bin_db), self.keep)
        return self.memories[name].to(h_NC.device)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss.state_dict(), "memories": {m: one.state_dict() for m, one in self.memories.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss.load_state_dict(state["loss"])
        for name, saved in state["memories"].items():
            self.memories[name] = PrototypeMemory(len(saved["prototypes"]), self.keep)
            self.memories[name].load_state_dict(saved)
