import numpy as np
import pytest

from bundle.reporting import History, Predictions


@pytest.fixture
def predictions() -> Predictions:
    """Sixty test eyes of thirty patients: rows 2-6 lack the fundus photograph, the last eye has no measured MD."""
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 60)
    oct_only, fundus, both = (label + generator.normal(0, sd, 60) for sd in (3.0, 4.0, 2.0))
    fundus[:5] = both[:5] = np.nan
    label[-1] = np.nan
    return Predictions(
        row=np.arange(2, 62), eye=np.tile(["OD", "OS"], 30), split=np.full(60, "test"), patient=np.arange(60) // 2,
        label_db=label, pred_db={"oct+fundus": both, "oct": oct_only, "fundus": fundus},
    )  # fmt: skip


@pytest.fixture
def history() -> History:
    """Ten epochs, validated every second one."""
    rows = []
    for epoch in range(1, 11):
        row = {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "k_oct": 1.1,
            "k_fundus": 1 / 1.1,
            "cosine_oct": -0.2,
            "sharpness_oct": 0.1,
        }
        rows.append(row | ({"val_mse": 20 - epoch + 0.5 * max(0, epoch - 6) ** 2} if epoch % 2 == 0 else {}))
    return History(rows)
