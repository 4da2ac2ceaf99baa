"""Every modality trained by itself, on the data of a trainer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from bundle.engines.sharpness_aware_trainer import SharpnessAwareTrainer
from bundle.engines.skipped_steps import TrainingDivergedError
from bundle.networks.regressor import MDRegressor
from bundle.networks.training_network import mark_missing

logger = logging.getLogger(__name__)
LINES = 10


def images_and_label(trainer: SharpnessAwareTrainer, batchdata: Any) -> tuple[dict[str, Tensor], Tensor]:
    """Images by modality and MD (B, 1), dB, of a batch as the data loader gives it."""
    device = trainer.state.device
    batch = trainer.prepare_batch(batchdata, device, trainer.non_blocking, **trainer.to_kwargs)
    image, label, _, kwargs = (*batch, (), {}) if len(batch) == 2 else batch
    images = {"oct": image, "fundus": kwargs.get("fundus")}
    return {name: images[name] for name in trainer.training_network.modalities}, label


def pooled_features(regressor: MDRegressor, modality: str, image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of a modality's tokens (B, C), 0 where the image is missing, and which eyes have it (B,)."""
    present_B = regressor.present(image)
    if not bool(present_B.any()):
        width = getattr(regressor, f"{modality}_encoder").out_features
        return image.new_zeros(len(image), width), present_B
    return getattr(regressor, f"encode_{modality}")(image, present_B).mean(1), present_B


def unimodal_prediction(regressor: MDRegressor, modality: str, image: Tensor) -> Tensor:
    """What one modality says, (B, 1), dB; NaN where its image is missing, infinite where it has diverged."""
    h_BC, present_B = pooled_features(regressor, modality, image)
    if not bool(present_B.any()):  # a zero gradient would still let weight decay and momentum move the head
        return image.new_full((len(image), 1), torch.nan)
    return mark_missing(regressor.to_db(getattr(regressor, f"{modality}_head")(h_BC)[:, 0:1]), present_B)


def train_unimodal(
    regressor: MDRegressor,
    optimizer: torch.optim.Optimizer,
    trainer: SharpnessAwareTrainer,
    epochs: int,
    handlers: Iterable[Any] = (),
) -> None:
    """Train every encoder of `regressor` with its own head, by its own squared error alone.

    No weight is shared, so one backward pass of the sum of the errors gives each its own gradient, and an optimiser
    that acts on every weight by itself (SGD, Adam, AdamW) trains each as if it were alone. The learning rate falls to 0
    along a cosine. The weights of the last epoch stay.

    Args:
        regressor: the network, changed in place.
        optimizer: of its weights.
        trainer: gives the data, the device, the unit of the error and the precision.
        epochs: 1 or more.
        handlers: attached to the loop, an ignite Engine.

    Raises:
        TrainingDivergedError: an error is not finite.
    """
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    mse, device = trainer.loss_function.mse, trainer.state.device

    def step(engine: Engine, batchdata: Any) -> dict[str, float]:
        images, label_db = images_and_label(trainer, batchdata)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.bf16):
            predictions = {name: unimodal_prediction(regressor, name, image) for name, image in images.items()}
        errors = {name: mse(pred, label_db) for name, pred in predictions.items()}
        torch.stack([*errors.values()]).sum().backward()
        optimizer.step()
        found = {name: float(error.detach()) for name, error in errors.items()}
        if not torch.tensor([*found.values()]).isfinite().all():
            raise TrainingDivergedError(
                f"the unimodal teachers' error is not finite in epoch {engine.state.epoch}; lower `lr`"
            )
        return found

    began = time.perf_counter()

    def tell(engine: Engine) -> None:
        scheduler.step()
        epoch = engine.state.epoch
        if epoch % max(1, epochs // LINES) == 0 or epoch == epochs:
            left = (time.perf_counter() - began) / epoch * (epochs - epoch)
            text = ", ".join(f"{name} {error:.3f}" for name, error in engine.state.output.items())
            logger.info("unimodal teachers, epoch %d/%d: error / Var(MD) %s, %.0f s left", epoch, epochs, text, left)

    loop = Engine(step)
    for handler in handlers:
        handler.attach(loop)
    loop.add_event_handler(Events.EPOCH_COMPLETED, tell)
    regressor.train()
    loop.run(trainer.data_loader, max_epochs=epochs)
    optimizer.zero_grad(set_to_none=True)
