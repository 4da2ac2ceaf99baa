"""The network as training sees it: every prediction, feature and projection that the objective needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bundle.networks.initial_weights import part_stream
from bundle.networks.regressor import MDRegressor

FUSION = "fusion"
PROBE = "probe"


class TrainingNetwork(nn.Module):
    """Wraps the `MDRegressor` that is exported and adds what only training needs.

    The fusion reads one clone of the features h_m and the auxiliary heads another, so that gradient hooks can tell
    the multimodal gradient u_m from the unimodal v_m without a further backward pass (method, 3 iii).

    Args:
        regressor: the network to train.
        projection_dim: size of the projections z_m for the contrastive term.
        probe_heads: True cuts the unimodal heads off the encoders (they learn from detached features), for
            training without unimodal supervision: the encoders then learn from the fused loss alone while each
            modality's own error stays observable.
        seed: of the projections' initial weights, as in `MDRegressor`.

    forward returns a dict with, for each modality m of the regressor:
        pred: (B, 1) dB, from all that is present;  pred_m: (B, 1) dB from m alone, NaN where m is missing;
        z_m: (B, projection_dim), NaN where m is missing;
        features: {m: {"h", "fused", "aux"}} tokens (B, N, C);
        heads: {m: (B, K)} what the unimodal heads say, standardised, and {"fused": (B, K)} what the fusion says;
            a modality, or the fusion, that no eye of the batch has is absent.

    `feature_hook`, when set, is called in forward with (m, h, fused, aux): the place to register gradient hooks, since
    DistributedDataParallel hands out copies of the outputs. `feature_transform`, when set, is called with (m, h, rows
    that are present), and what it returns takes the place of h, in training mode alone.
    """

    def __init__(
        self, regressor: MDRegressor, projection_dim: int = 128, probe_heads: bool = False, seed: int | None = None
    ) -> None:
        super().__init__()
        self.regressor = regressor
        self.modalities, self.projection_dim = regressor.modalities, projection_dim
        # with one modality its head is the prediction itself, so it is never a probe
        self.probe_heads = probe_heads and len(self.modalities) > 1
        self.feature_hook: Callable[[str, Tensor, Tensor, Tensor], None] | None = None
        self.feature_transform: Callable[[str, Tensor, Tensor], Tensor] | None = None
        self.projections = nn.ModuleDict()
        for name in self.modalities:
            width = self.encoder(name).out_features
            with part_stream(seed, f"{name}_projection"):
                layers = (nn.Linear(width, width), nn.GELU(), nn.Linear(width, projection_dim))
                self.projections[name] = nn.Sequential(*layers)

    def encoder(self, modality: str) -> Any:
        """The encoder module of a modality."""
        return getattr(self.regressor, f"{modality}_encoder")

    def head(self, modality: str) -> nn.Module:
        """The unimodal head of a modality."""
        return getattr(self.regressor, f"{modality}_head")

    def parameter_blocks(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by block (method, Notation): one a modality, then `fusion`; grouped by module identity.

        Probe heads belong to no block: they must not move the ascent or the modulation. A shared head belongs to both
        modalities, and so to the fusion.
        """
        blocks: dict[str, list[nn.Parameter]] = {}
        own_heads = not self.probe_heads and not self.regressor.shared_head
        for name in self.modalities:
            modules = [self.encoder(name), self.projections[name], *([self.head(name)] if own_heads else [])]
            blocks[name] = [p for module in modules for p in module.parameters()]
        if len(self.modalities) > 1:
            shared = self.regressor.oct_head.parameters() if self.regressor.shared_head else ()
            blocks[FUSION] = [*self.regressor.fusion.parameters(), *(() if self.probe_heads else shared)]
        return blocks

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups, one a block and one for the probes, each with its name under `block`."""
        groups = [{"params": params, "block": name} for name, params in self.parameter_blocks().items()]
        if self.probe_heads:
            heads = self.modalities[:1] if self.regressor.shared_head else self.modalities
            groups.append({"params": [p for name in heads for p in self.head(name).parameters()], "block": PROBE})
        return groups

    def forward(self, image: Tensor | None = None, fundus: Tensor | None = None) -> dict[str, Any]:
        inputs = {"oct": image, "fundus": fundus}
        outputs: dict[str, Any] = {"features": {}, "heads": {}}
        tokens, present = {}, {}
        for name in self.modalities:
            x = inputs[name]
            if x is None:
                raise ValueError(f"TrainingNetwork: `{name}` is None; mark a missing modality by rows of NaN")
            present[name] = self.regressor.present(x)
            if not bool(present[name].any()):
                self._add_absent(outputs, name, x)
                continue
            encode = getattr(self.regressor, f"encode_{name}")
            h_BNC = encode(torch.where(present[name].view(-1, *[1] * (x.ndim - 1)), x, 0.0), present[name])
            if self.feature_transform is not None and self.training:
                h_BNC = self.feature_transform(name, h_BNC, present[name])
            fused_BNC, aux_BNC = h_BNC.clone(), h_BNC.clone()
            if self.feature_hook is not None and h_BNC.requires_grad:
                self.feature_hook(name, h_BNC, fused_BNC, aux_BNC)
            tokens[name] = fused_BNC
            outputs["features"][name] = {"h": h_BNC, "fused": fused_BNC, "aux": aux_BNC}
            self._add_unimodal(outputs, name, aux_BNC, present[name])
        outputs["pred"] = self._fused(outputs, tokens, present)
        return outputs

    def _add_absent(self, outputs: dict[str, Any], name: str, x: Tensor) -> None:
        """A modality that no eye of the batch has: its encoder is not run, so that neither weight decay nor the
        statistics of an empty batch can move it."""
        blank_BNC = x.new_zeros(x.shape[0], 1, self.encoder(name).out_features)
        outputs["features"][name] = {"h": blank_BNC, "fused": blank_BNC, "aux": blank_BNC}
        outputs[f"pred_{name}"] = x.new_full((x.shape[0], 1), torch.nan)
        outputs[f"z_{name}"] = x.new_full((x.shape[0], self.projection_dim), torch.nan)

    def _add_unimodal(self, outputs: dict[str, Any], name: str, aux_BNC: Tensor, present_B: Tensor) -> None:
        pooled_BC = aux_BNC.mean(1)
        head_input = pooled_BC.detach() if self.probe_heads else pooled_BC
        head_BK = self.head(name)(head_input)
        outputs["heads"][name] = head_BK
        outputs[f"pred_{name}"] = mark_missing(self.regressor.to_db(head_BK[:, 0:1]), present_B)
        outputs[f"z_{name}"] = mark_missing(self.projections[name](pooled_BC).float(), present_B)

    def _fused(self, outputs: dict[str, Any], tokens: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        if len(self.modalities) == 1:
            return outputs[f"pred_{self.modalities[0]}"]
        if len(tokens) < 2:
            return torch.full_like(outputs[f"pred_{self.modalities[0]}"], torch.nan)
        fused_BK = self._fuse(outputs, tokens)
        outputs["heads"]["fused"] = fused_BK
        # an eye with one modality does not train the fusion: its unimodal loss is the one that learns from it
        both_B = torch.logical_and(present["oct"], present["fundus"])
        return mark_missing(self.regressor.to_db(fused_BK[:, 0:1]), both_B)

    def _fuse(self, outputs: dict[str, Any], tokens: dict[str, Tensor]) -> Tensor:
        """What the fusion says, (B, K) or (B, 1), standardised; a variant overrides it."""
        heads = outputs["heads"]
        return self.regressor.fuse(tokens["oct"], tokens["fundus"], heads["oct"], heads["fundus"])


def mark_missing(values_BC: Tensor, present_B: Tensor) -> Tensor:
    """NaN in the rows of missing modalities, and only there: a diverged value becomes infinite, so that it is seen."""
    shown = torch.nan_to_num(values_BC, nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    return shown.masked_fill(torch.logical_not(present_B).unsqueeze(1), torch.nan)
