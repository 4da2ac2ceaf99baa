"""The radius of the ascent follows the learning rate."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

from bundle.modulation import Ascent


class RhoScheduleHandler:
    """rho_t = rho lr_t / lr_0, at the start of every step (GSAM, Zhuang et al., ICLR 2022, with rho_min = 0).

    lr_t is the optimiser's learning rate now and lr_0 the one with which its schedule began: both are in the
    optimiser's first group and so in its checkpoint. The handler has no state. Without a schedule rho stays as it is.

    Args:
        ascent: its `rho`, as it is here and now, is the largest one.
    """

    def __init__(self, ascent: Ascent) -> None:
        self.ascent, self.rho_max = ascent, ascent.rho

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        group = engine.optimizer.param_groups[0]
        start = group.get("initial_lr", group["lr"])
        self.ascent.rho = self.rho_max * float(group["lr"]) / float(start) if start else self.rho_max
