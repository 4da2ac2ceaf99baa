"""Trainings with re-use of the second pass, GSAM and noise: stopped and resumed, they are those never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bundle.handlers import GradientNoiseHandler, RhoScheduleHandler
from bundle.modulation import GSAMAscent, LookAheadReuse
from tests.handlers.training import training, without_time
from tests.toy import largest_difference

VARIANTS = ("look_ahead", "gsam", "noise")


def variant(name: str, folder: Path, **settings: Any) -> Any:
    """Two steps an epoch, the first epoch without ascent: with k = 3 a residual outlives the second epoch."""
    extra = [GradientNoiseHandler(0)] if name == "noise" else []
    trainer = training(folder, extra_handlers=extra, **settings)
    if name == "look_ahead":
        trainer.look_ahead = LookAheadReuse(3, per_block=False)
    if name == "gsam":
        trainer.ascent = GSAMAscent(0.02)
        RhoScheduleHandler(trainer.ascent).attach(trainer)
    return trainer


@pytest.mark.parametrize("name", VARIANTS)
def test_resume_is_never_having_stopped(name: str, tmp_path: Path) -> None:
    straight = variant(name, tmp_path / "straight")
    straight.run()
    variant(name, tmp_path / "resumed", max_epochs=2).run()
    torch.manual_seed(99)
    resumed = variant(name, tmp_path / "resumed", resume=str(tmp_path / "resumed"))
    resumed.run()
    assert largest_difference(resumed.network, straight.network) == 0.0
    assert str(without_time(resumed)) == str(without_time(straight))
    plain = training(tmp_path / "plain")
    plain.run()
    assert largest_difference(plain.network, straight.network) > 1e-5


def test_a_checkpoint_holds_the_residual(tmp_path: Path) -> None:
    trainer = variant("look_ahead", tmp_path, max_epochs=2)
    trainer.run()
    state = torch.load(tmp_path / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True)["look_ahead"]
    assert state["step"] == 2
    for name, parts in trainer.look_ahead.residual.items():
        for kept, stored in zip(parts, state["residual"][name], strict=True):
            assert (kept is None and stored is None) or torch.equal(kept, stored)
    assert any(v is not None and bool(v.abs().max() > 0) for v in state["residual"]["oct"])
