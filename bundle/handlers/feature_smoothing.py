"""Calibrates training features by the smoothed statistics of their bin of MD (FDS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import gather_rows
from bundle.losses.feature_smoothing import FeatureSmoothing


class FeatureSmoothingHandler:
    """Feature distribution smoothing of every modality, in training only (`FeatureSmoothing`; Yang et al., ICML 2021).

    Epoch 1 collects statistics; from epoch 2 on the features of every pass are calibrated by those of the epochs
    before. The statistics are of the pooled features of the epoch's own steps, before calibration and at w (the first
    pass), detached. They change as the epoch goes on, where the authors run all eyes once more at its end. A skipped
    step leaves nothing in them. Validation and the saved model never see a calibration.

    Args:
        momentum, kernel_size, kernel_sigma, bin_width_db, range_db, clip: see `FeatureSmoothing`.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        kernel_size: int = 5,
        kernel_sigma: float = 2.0,
        bin_width_db: float = 1.0,
        range_db: Sequence[float] = (-33.0, 4.0),
        clip: Sequence[float] = (0.1, 10.0),
    ) -> None:
        arguments = (momentum, kernel_size, kernel_sigma, bin_width_db, range_db, clip)
        self.smoothing = {name: FeatureSmoothing(*arguments) for name in ("oct", "fundus")}
        self._step: dict[str, tuple[Tensor, Tensor]] = {}
        self._epoch: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._update)

    def _start(self, engine: Any) -> None:
        def transform(name: str, h_BNC: Tensor, present_B: Tensor) -> Tensor:
            md_db_B = engine.state.output["label"].flatten()
            if engine.state.sam_pass == "first":
                known_B = torch.logical_and(present_B, torch.logical_not(md_db_B.isnan()))
                self._step[name] = (h_BNC[known_B].detach().float().mean(1), md_db_B[known_B])
            return self.smoothing[name].calibrate(h_BNC, md_db_B, present_B)

        engine.training_network.feature_transform = transform

    def _reset(self, engine: Engine) -> None:
        self._step, self._epoch = {}, {name: [] for name in self.smoothing}

    def _collect(self, engine: Engine) -> None:
        if not engine.state.output["skipped"]:
            for name, rows in self._step.items():
                self._epoch[name].append(rows)
        self._step = {}

    def _update(self, engine: Any) -> None:
        for name in engine.training_network.modalities:
            width = engine.training_network.encoder(name).out_features
            no_eye = torch.zeros(0, width, device=engine.state.device), torch.zeros(0, device=engine.state.device)
            z_NC, md_db_N = (torch.cat(part) for part in zip(no_eye, *self._epoch[name], strict=True))
            self.smoothing[name].update(*gather_rows(z_NC, md_db_N))

    def state_dict(self) -> dict[str, Any]:
        return {name: smoothing.state_dict() for name, smoothing in self.smoothing.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, smoothing in self.smoothing.items():
            smoothing.load_state_dict(state[name])
