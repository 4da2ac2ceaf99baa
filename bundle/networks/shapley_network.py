"""Shares of the fused answer that each modality makes, by Shapley's rule."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bundle.networks.training_network import TrainingNetwork, mark_missing


class ShapleyTrainingNetwork(TrainingNetwork):
    """A `TrainingNetwork` whose fused answer is the sum of two shares (Li et al., ICCV 2023).

        t = F(h_o, h_f),   t_o = F(h_o, E_f(0)),   t_f = F(E_o(0), h_f)
        o_o = (t - t_f + t_o) / 2,   o_f = (t - t_o + t_f) / 2,   o_o + o_f = t

    The encoders know nothing of each other, so E_m(0) is a blank eye, encoded once a batch, and t_o, t_f are two more
    passes of the fusion. The blank eye and those two passes run in evaluation mode: they neither move the statistics
    of a batch norm nor draw dropout. Gradients flow through them, as in the authors' code.

    forward adds `shares` {m: (B, 1)}, standardised, NaN for an eye that lacks a modality, and `pred` becomes their sum
    in dB. It is empty when no eye has both modalities, and in a network with one modality.

    `share_hook`, when set, is called in forward with (m, o_m): the place to register gradient hooks, since
    DistributedDataParallel hands out copies of the outputs.

    Args: as in `TrainingNetwork`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.share_hook: Callable[[str, Tensor], None] | None = None

    def forward(self, image: Tensor | None = None, fundus: Tensor | None = None) -> dict[str, Any]:
        outputs = super().forward(image, fundus)
        outputs["shares"] = {}
        if "fused" not in outputs["heads"] or image is None or fundus is None:
            return outputs
        shares = self._shares(outputs, {"oct": image, "fundus": fundus})
        if self.share_hook is not None:
            for name, share_B1 in shares.items():
                if share_B1.requires_grad:
                    self.share_hook(name, share_B1)
        both_B = torch.logical_not(outputs["pred"].isnan().flatten())
        outputs["pred"] = mark_missing(self.regressor.to_db(shares["oct"] + shares["fundus"]), both_B)
        outputs["shares"] = {name: mark_missing(share_B1, both_B) for name, share_B1 in shares.items()}
        return outputs

    def _shares(self, outputs: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """o_m of every row, (B, 1) float32."""
        tokens = {name: outputs["features"][name]["fused"] for name in self.modalities}
        heads = {name: outputs["heads"][name] for name in self.modalities}
        with evaluating(self.regressor):
            alone = {name: self._with_blank(name, tokens, heads, inputs) for name in self.modalities}
        t, t_o, t_f = (one[:, 0:1].float() for one in (outputs["heads"]["fused"], alone["fundus"], alone["oct"]))
        return {"oct": (t - t_f + t_o) / 2, "fundus": (t - t_o + t_f) / 2}

    def _with_blank(
        self, name: str, tokens: Mapping[str, Tensor], heads: Mapping[str, Tensor], inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """What the fusion says, (B, K), when the images of one modality are blank."""
        blank_1NC = self.encoder(name)(torch.zeros_like(inputs[name][:1]))
        pooled_1C = blank_1NC.mean(1)
        head_1K = self.head(name)(pooled_1C.detach() if self.probe_heads else pooled_1C)
        batch = inputs[name].shape[0]
        seen = {**tokens, name: blank_1NC.expand(batch, -1, -1)}
        said = {**heads, name: head_1K.expand(batch, -1)}
        return self.regressor.fuse(seen["oct"], seen["fundus"], said["oct"], said["fundus"])


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each part is in the mode that it had."""
    training = [child for child in module.modules() if child.training]
    module.eval()
    try:
        yield
    finally:
        for child in training:
            child.training = True
