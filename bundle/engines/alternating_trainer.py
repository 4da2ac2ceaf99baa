"""A trainer that updates one modality after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bundle.engines.distributed import any_rank
from bundle.engines.sharpness_aware_trainer import Batch, SharpnessAwareTrainer
from bundle.engines.skipped_steps import SkippedSteps


class AlternatingTrainer(SharpnessAwareTrainer):
    """Every batch makes one optimiser step a modality, in which the other images are missing (NaN).

    The step of modality m is therefore ordinary unimodal training of its encoder and head; the fusion, which sees no
    eye with both images, has no gradient. Each step has its events, so handlers act on each. A modality that no eye of
    the batch has makes no step; with several processes all leave it out when one has no such eye.

    A step that is not finite is left out alone, and `max_skipped` counts within a modality. After the last step
    `engine.state.output` says `skipped` when one of them was, and its `loss` among the scalars is their mean.

    Raises:
        ValueError: `accumulation_steps` is not 1.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.accumulation_steps != 1:
            raise ValueError(
                f"AlternatingTrainer: accumulation_steps is {self.accumulation_steps}; expected 1: each batch makes "
                "one step a modality"
            )
        modalities = self.training_network.modalities
        self.share_of_encoders = 1 / len(modalities)
        self.skipped_by_modality = {name: SkippedSteps(self.skipped.limit) for name in modalities}

    def updates(self, batch: Batch) -> Iterator[Batch]:
        """One batch a modality; `engine.state.modality` is its name."""
        image, label, args, kwargs = batch
        images = {"oct": image, "fundus": kwargs.get("fundus")}
        output, losses, skipped = self.state.output, [], False
        for name, counter in self.skipped_by_modality.items():
            if any_rank(not bool(self.training_network.regressor.present(images[name]).any()), self.state.device):
                continue
            self.state.modality, self.skipped = name, counter
            own = {key: x if key == name else _missing(x) for key, x in images.items()}
            yield own["oct"], label, args, {**kwargs, "fundus": own["fundus"]}
            skipped = skipped or output["skipped"]
            if not output["skipped"]:
                losses.append(output["scalars"]["loss"])
        output["skipped"] = skipped
        output["scalars"].pop("loss_fused", None)  # no eye had both images: nothing was fused
        if losses:
            output["scalars"]["loss"] = math.fsum(losses) / len(losses)


def _missing(image: Tensor | None) -> Tensor | None:
    return None if image is None else torch.full_like(image, torch.nan)
