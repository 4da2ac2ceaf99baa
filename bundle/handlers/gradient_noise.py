"""Noise on the gradients of the encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.losses.arguments import check_number
from bundle.modulation import add_gradient_noise


class GradientNoiseHandler:
    """Generalisation enhancement of OGM-GE (Peng et al., CVPR 2022), after the modulation of a `RebalancingHandler`.

        g_m <- k_m g_m + strength n,   n ~ N(0, std(g_m)^2)

    with std(g_m) of one tensor's gradient before it was modulated; see `add_gradient_noise` for the tensors. Both
    modalities get it, whether or not they are slowed down. What is found in `.grad` is k_m g_m where the gradient is
    modulated, and g_m where the learning rate is, which multiplies the noise by k_m later. So in both cases the noise
    to add is strength / k_m times the spread of `.grad`, and the steps of SGD are the same.

    The draws are a function of seed, iteration and modality alone: a resumed training and every rank of a distributed
    one draw the same, and there is no state.

    Attach it after the RebalancingHandler, where `method_handlers` of the config are.

    Args:
        seed: the run's seed.
        strength: >= 0; 1 as published, 0 for no noise.

    Raises:
        InputError: `strength` is negative.
    """

    def __init__(self, seed: int, strength: float = 1.0) -> None:
        self.seed, self.strength = int(seed), check_number("strength", strength, 0, high_open=True)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        scalars = engine.state.output["scalars"]
        for number, name in enumerate(sorted(engine.training_network.modalities)):
            entropy = np.random.SeedSequence([self.seed, engine.state.iteration, number])
            generator = torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))
            scale = self.strength / scalars.get(f"k_{name}", 1.0)
            add_gradient_noise(engine.training_network.encoder(name).parameters(), scale, generator)
