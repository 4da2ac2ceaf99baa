"""Equal seeds give equal weights, and a fixed small run gives the numbers it always gave."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bundle.handlers import ContrastiveHandler, EpochSeedHandler, HistoryHandler, RebalancingHandler
from bundle.losses import AdaptiveMarginContrastiveLoss, LabelDensity, RarityWeight
from bundle.modulation import BalanceModulator, ModalityBudgetAscent, OneSidedProjection
from tests.toy import largest_difference, toy_batches, toy_network, toy_trainer

# Two epochs of everything on. To regenerate after a change that is meant to change the numbers:
#   python -c "from pathlib import Path; from tests.engines.test_determinism import run; print(run(0, Path('/tmp'))[1])"
GOLDEN = {
    "train_loss": [2.26846, 3.4136],
    "loss_fused": [1.25213, 1.063],
    "contrast_oct": [float("nan"), 3.59717],
    "k_oct": [1.40029, 1.36435],
    "share_fundus": [0.700568, 0.742965],
    "sharpness_oct": [1.91024, 2.00712],
    "cosine_fundus": [-0.391291, -0.290146],
}


class Eyes(Dataset):
    """24 eyes, noise added from the global generator on every access."""

    def __init__(self) -> None:
        batch = toy_batches(1, size=24)[0]
        self.items = [{key: values[i] for key, values in batch.items()} for i in range(24)]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict:
        item = dict(self.items[index])
        return item | {"image": item["image"] + 0.1 * torch.randn(item["image"].shape)}


def run(seed: int, folder: Path) -> tuple[torch.nn.Module, dict[str, list[float]]]:
    network, eyes = toy_network(norm="batch", dropout=0.1), Eyes()
    density = LabelDensity().fit(torch.stack([item["label"] for item in eyes.items]))
    history = HistoryHandler(str(folder))
    handlers = [
        EpochSeedHandler(seed),
        ContrastiveHandler(AdaptiveMarginContrastiveLoss(density=density), warmup_epochs=1, queue_size=16),
        RebalancingHandler(OneSidedProjection(), BalanceModulator()),
        history,
    ]
    toy_trainer(
        network, DataLoader(eyes, batch_size=8, shuffle=True), handlers=handlers, max_epochs=2,
        ascent=ModalityBudgetAscent(0.02), ascent_weight=RarityWeight(density, 0.5),
    ).run()  # fmt: skip
    return network, {name: history.history.column(name).tolist() for name in GOLDEN}


def test_equal_seeds_give_equal_weights_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(11)
    first = run(0, tmp_path)[0]
    torch.manual_seed(12)  # what ran before does not matter
    assert largest_difference(first, run(0, tmp_path)[0]) == 0.0


def test_different_seeds_give_different_weights(tmp_path: Path) -> None:
    assert largest_difference(run(0, tmp_path)[0], run(1, tmp_path)[0]) > 1e-5


def test_loss_curve_is_the_stored_one(tmp_path: Path) -> None:
    curve: dict[str, Any] = run(0, tmp_path)[1]
    for name, values in GOLDEN.items():
        assert curve[name] == pytest.approx(values, rel=1e-4, nan_ok=True), name
