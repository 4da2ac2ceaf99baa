"""Training in stages: one modality after the other, then all together."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

from bundle.errors import InputError


class StagesHandler:
    """Sets `active` of the loss at the start of every epoch.

    A round is `stage_epochs` epochs of each modality in turn, then `rectify_epochs` of all (None); rounds repeat. The
    stage is a function of the epoch alone, so there is no state to save.

    Args:
        stage_epochs: epochs of a modality's stage, 1 or more.
        rectify_epochs: epochs of the rectification, 0 for none.

    Raises:
        InputError: an argument is outside its range, or (when training starts) a loss without `active`.
    """

    def __init__(self, stage_epochs: int = 4, rectify_epochs: int = 4) -> None:
        for name, value, low in (("stage_epochs", stage_epochs, 1), ("rectify_epochs", rectify_epochs, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"{name}: found {value!r}, expected an integer of {low} or more")
        self.stage_epochs, self.rectify_epochs = stage_epochs, rectify_epochs

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.check)
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def check(self, engine: Any) -> None:
        """Refuse what would be a silent no-op."""
        if not hasattr(engine.loss_function, "active"):
            name = type(engine.loss_function).__name__
            raise InputError(f"StagesHandler: found the loss {name}, expected one with stages, such as ReconBoostLoss")

    def __call__(self, engine: Any) -> None:
        engine.loss_function.active = self.active(engine.state.epoch, engine.training_network.modalities)

    def active(self, epoch: int, modalities: list[str]) -> str | None:
        """The modality that learns in an epoch (1-based), None when all do."""
        position = (epoch - 1) % (len(modalities) * self.stage_epochs + self.rectify_epochs)
        return [*modalities, None][min(position // self.stage_epochs, len(modalities))]
